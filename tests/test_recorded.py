"""The pool of recorded responses and the engine that serves it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dast import frames, tables
from dast.engines.protocol import Item
from dast.engines.recorded import RecordedEngine
from dast.errors import DataError, ParamsError
from dast.params.decoding import Decoding
from dast.params.sources import Pool
from dast.queries import query_id
from dast.sources.pools import pool_table

DECODING = Decoding(temperature=0.7, top_p=1.0, top_k=0, max_new_tokens=10, stop=[])
ROW = {
    "question": "a?",
    "small": {"solution": "one", "is_correct": True},
    "large": {"solution": "two", "is_correct": False},
}


def pool(**changes: object) -> Pool:
    responses = [
        {"response": f"{name}.solution", "label": f"{name}.is_correct", "origin": name, "origin_is_column": False}
        for name in ("small", "large")
    ]
    fields = {"kind": "file", "path": "pool.jsonl", "config": None, "split": None, "revision": None}
    more = {"query": ["question"], "responses": responses, "licence": "MIT", "unknown_queries": "refuse"}
    return Pool.model_validate({**fields, **more, **changes})


def flat(**changes: object) -> Pool:
    column = {"response": "response", "label": "ok", "origin": "model", "origin_is_column": True}
    return pool(**{"responses": [column], **changes})


def train(*texts: str) -> pl.DataFrame:
    rows = [
        {"query_id": query_id("s", text), "source": "s", "query": text, "answer": "1", "licence": "MIT"}
        for text in texts
    ]
    return frames.frame(tables.QUERIES, [{**row, "solution": None, "source_level": None} for row in rows])


def write(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    (folder / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def items(text: str, n: int) -> list[Item]:
    return [Item(query_id("s", text), "sample", index, "digest", []) for index in range(n)]


def test_pool_table_null_pool_is_an_empty_table(tmp_path: Path) -> None:
    table = pool_table(None, tmp_path, train("a?"))
    frames.write(tables.POOL, table.rows, tmp_path / "pool.parquet")
    assert frames.read(tables.POOL, tmp_path / "pool.parquet").is_empty()
    assert set(table.counts.values()) == {0}


def test_pool_table_nested_columns_are_one_response_each(tmp_path: Path) -> None:
    write(tmp_path, [ROW, {**ROW, "question": "a?  "}])
    rows = pool_table(pool(), tmp_path, train("a?")).rows
    assert rows.select("pool_index", "origin", "response", "label").rows() == [
        *[(0, "small", "one", True), (1, "large", "two", False)],
        *[(2, "small", "one", True), (3, "large", "two", False)],
    ]


def test_pool_table_origin_and_label_may_be_columns(tmp_path: Path) -> None:
    rows = [{"question": "a?", "response": "one", "model": "m1", "ok": "false"}]
    write(tmp_path, [*rows, {"question": "a?", "response": "two", "model": "m2", "ok": None}])
    table = pool_table(flat(), tmp_path, train("a?"))
    assert table.rows.select("origin", "label").rows() == [("m1", False), ("m2", None)]


def test_pool_table_empty_response_is_counted_and_leaves_no_gap(tmp_path: Path) -> None:
    write(tmp_path, [{**ROW, "small": {"solution": " ", "is_correct": False}}])
    table = pool_table(pool(), tmp_path, train("a?"))
    assert table.rows.select("pool_index", "response").rows() == [(0, "two")]
    assert table.counts == {"read": 2, "kept": 1, "no_query": 0, "unknown_query": 0, "empty": 1}


def test_pool_table_unknown_query_is_refused_with_row_and_remedy(tmp_path: Path) -> None:
    write(tmp_path, [ROW, {**ROW, "question": "b?"}])
    with pytest.raises(
        DataError, match=r"2 responses belong to no train query \(pool.jsonl:2, .*unknown_queries to drop"
    ):
        pool_table(pool(), tmp_path, train("a?"))


def test_pool_table_unknown_query_is_dropped_with_a_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, [ROW, {**ROW, "question": "b?"}, {**ROW, "question": None}])
    table = pool_table(pool(unknown_queries="drop"), tmp_path, train("a?"))
    assert table.counts == {"read": 6, "kept": 2, "no_query": 2, "unknown_query": 2, "empty": 0}
    assert "2 unknown_query (pool.jsonl:2" in caplog.text


def test_pool_table_without_usable_response_is_refused(tmp_path: Path) -> None:
    write(tmp_path, [{**ROW, "question": "b?"}])
    with pytest.raises(DataError, match="no response can be used"):
        pool_table(pool(unknown_queries="drop"), tmp_path, train("a?"))


def test_pool_table_missing_column_is_named(tmp_path: Path) -> None:
    write(tmp_path, [{"question": "a?", "small": {"solution": "one", "is_correct": True}}])
    with pytest.raises(
        DataError, match=r"no row has large.solution, large.is_correct \(its columns: question, small\)"
    ):
        pool_table(pool(), tmp_path, train("a?"))


def test_pool_table_label_that_is_no_truth_value_is_refused(tmp_path: Path) -> None:
    write(tmp_path, [{"question": "a?", "response": "one", "model": "m1", "ok": "perhaps"}])
    with pytest.raises(DataError, match=r"pool.jsonl:1: ok is 'perhaps', neither true nor false"):
        pool_table(flat(), tmp_path, train("a?"))


def test_pool_table_hub_without_revision_names_the_key(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"^prepare\.pool\.revision: null"):
        pool_table(flat(kind="hub", path="a/b", split="train"), tmp_path, train("a?"))


def test_recorded_engine_gives_the_pool_in_order_and_nothing_beyond(tmp_path: Path) -> None:
    write(tmp_path, [ROW])
    engine = RecordedEngine(pool_table(pool(), tmp_path, train("a?", "b?")).rows)
    given = list(engine.generate([*items("a?", 4), *items("b?", 1)], DECODING, seed=1))
    assert [(item.sample_index, response.text) for item, response in given] == [(0, "one"), (1, "two")]
    assert {(r.n_prompt_tokens, r.n_tokens, r.finish_reason) for _, r in given} == {(None, None, "recorded")}


def test_recorded_engine_seed_and_batches_do_not_matter(tmp_path: Path) -> None:
    write(tmp_path, [ROW])
    engine = RecordedEngine(pool_table(pool(), tmp_path, train("a?")).rows)
    whole = list(engine.generate(items("a?", 2), DECODING, seed=1))
    apart = [pair for item in items("a?", 2) for pair in engine.generate([item], DECODING, seed=2)]
    assert whole == apart
