"""The score stage on a few rows: tables that fit, counts that add up, nothing written when grading failed."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from ruamel.yaml import YAML

from dast import frames, tables
from dast.errors import GradingError
from dast.smallfiles import read_csv, read_json
from stages.score import main

PARAMS = Path(__file__).parents[1] / "params.yaml"


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Path]:
    names = {"graded": "g.parquet", "difficulty": "d.parquet", "metrics": "m.json"}
    inputs = {"params": "params.yaml", "rollouts": "r.parquet", "queries": "q.parquet", "pool": "p.parquet"}
    plots = {f"{name}_plot": f"{name}.csv" for name in ("levels", "pass_rate", "lengths", "source_levels")}
    found = {key: tmp_path / name for key, name in (inputs | names | plots | {"review": "audit.csv"}).items()}
    defaults = YAML(typ="safe").load(PARAMS.read_text(encoding="utf-8"))["defaults"]
    defaults["grading"].update(extraction=["boxed"], max_ungraded_rate=0.5)
    defaults["difficulty"] |= {"easy_above": 0.7, "medium_from": 0.4}
    with found["params"].open("w", encoding="utf-8") as handle:
        YAML().dump(defaults, handle)
    return found


def lay(paths: dict[str, Path], said: dict[str, list[str]], answers: dict[str, str]) -> None:
    rows = [(query, index, text) for query, responses in said.items() for index, text in enumerate(responses)]
    fixed = {"step": "sample", "prompt_digest": "p", "settings_digest": "s", "policy": "base", "n_prompt_tokens": 1}
    fixed |= {"n_tokens": 4, "n_hint_tokens": 0, "finish_reason": "recorded"}
    ids = [{"query_id": query, "rollout_id": f"r{index}", "sample_index": index} for query, index, _ in rows]
    responses = [fixed | key | {"response": text} for key, (_, _, text) in zip(ids, rows, strict=True)]
    frames.write(tables.ROLLOUTS, frames.frame(tables.ROLLOUTS, responses), paths["rollouts"])
    queries = [
        {"query_id": query, "source": "s", "query": query, "answer": answer, "licence": "MIT"}
        | {"solution": None, "source_level": "L1" if query == "q1" else "L2"}
        for query, answer in answers.items()
    ]
    frames.write(tables.QUERIES, frames.frame(tables.QUERIES, queries), paths["queries"])
    pool = [
        {"query_id": query, "pool_index": index, "origin": "m", "response": text, "label": text == r"\boxed{7}"}
        for query, index, text in rows
    ]
    frames.write(tables.POOL, frames.frame(tables.POOL, pool), paths["pool"])


def test_score_writes_tables_and_figures_that_add_up(paths: dict[str, Path]) -> None:
    lay(
        paths,
        {"q1": [r"\boxed{7}"] * 4, "q2": [r"\boxed{7}", r"\boxed{8}", "", "none"]},
        {"q1": "7", "q2": "8", "q3": "9"},
    )
    main(**paths)
    assert frames.read(tables.GRADED, paths["graded"]).height == 8
    levels = dict(frames.read(tables.DIFFICULTY, paths["difficulty"]).select("query_id", "level").iter_rows())
    assert levels == {"q1": "easy", "q2": "hard", "q3": None}
    metrics = read_json(paths["metrics"])
    assert [metrics[f"n_{verdict}"] for verdict in tables.VERDICTS] == [5, 1, 2, 0]
    assert (metrics["n_labelled"], metrics["n_agree"]) == (8, 6)
    rows = read_csv(paths["levels_plot"])
    assert [
        (row["level"], row["n_queries"], row["n_rollouts"], row["n_correct"], row["mean_tokens"]) for row in rows
    ] == [
        ("easy", "1", "4", "4", "4.0"),
        ("medium", "0", "0", "0", ""),
        ("hard", "1", "4", "1", "4.0"),
        ("unsolved", "0", "0", "0", ""),
    ]
    assert [(row["level"], row["verdict"], row["n_rollouts"]) for row in read_csv(paths["lengths_plot"])] == [
        ("easy", "correct", "4"),
        ("hard", "correct", "1"),
        ("hard", "incorrect", "1"),
        ("hard", "no_answer", "2"),
    ]
    assert metrics["estimates"]["maj@4"] == {"estimate": 0.75, "n_queries": 2, "se": 0.25}
    assert metrics["source_levels"] == {"s": {"n_compared": 2, "n_queries": 3, "tau_b": 1.0}}
    assert [row["source_level"] for row in read_csv(paths["source_levels_plot"])] == ["L1", "L2", "L2"]
    assert read_csv(paths["pass_rate_plot"]) == [
        {"pass_rate": "0.25", "n_queries": "1"},
        {"pass_rate": "1.0", "n_queries": "1"},
    ]


def test_score_no_rollouts_gives_empty_figures(paths: dict[str, Path]) -> None:
    lay(paths, {}, {"q1": "7"})
    main(**paths)
    assert frames.read(tables.DIFFICULTY, paths["difficulty"])["level"].to_list() == [None]
    assert read_json(paths["metrics"])["mean_pass_rate"] is None
    assert read_csv(paths["pass_rate_plot"]) == []
    assert read_csv(paths["lengths_plot"]) == []
    assert read_json(paths["metrics"])["prior"] == {"kind": "fitted", "a": 1.0, "b": 1.0}


def test_score_too_many_ungraded_ends_in_an_error_and_writes_nothing(paths: dict[str, Path]) -> None:
    lay(paths, {"q1": [r"\boxed{7}"]}, {"q1": "7 +"})
    with pytest.raises(GradingError, match="1 of 1 rollouts are ungraded"):
        main(**paths)
    assert not paths["graded"].exists()
    assert not paths["metrics"].exists()


def test_score_shuffled_rollouts_give_identical_bytes(paths: dict[str, Path]) -> None:
    lay(paths, {"q1": [r"\boxed{7}"] * 4, "q2": [r"\boxed{7}", ""]}, {"q1": "7", "q2": "8"})
    plots = ("levels_plot", "pass_rate_plot", "lengths_plot", "source_levels_plot")
    outputs = [paths[name] for name in ("graded", "difficulty", "metrics", *plots)]
    main(**paths)
    first = [path.read_bytes() for path in outputs]
    pl.read_parquet(paths["rollouts"]).reverse().write_parquet(paths["rollouts"])
    main(**paths)
    assert [path.read_bytes() for path in outputs] == first
