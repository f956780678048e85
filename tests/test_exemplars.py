"""Matched exemplars: own level, longer for harder, never the query itself, never a test query."""

from __future__ import annotations

import polars as pl

from dast.exemplars import Shelf, shelf_of
from dast.params.sections import Length
from dast.tables import LEVELS, SFT, TEST_QUERIES, frame
from tests.makers import default_settings, difficulty_table, queries_table

QUERIES = queries_table(40)
IDS = QUERIES["query_id"].to_list()
BY_LEVEL: dict[str, str | None] = {query_id: LEVELS[index % 4] for index, query_id in enumerate(IDS)}


def length(**changes: object) -> Length:
    return default_settings().augment.length.model_copy(update={"n_exemplars": 2, **changes})


def solved(n_chars: dict[str, int]) -> pl.DataFrame:
    about = {
        "level": None,
        "round": "base",
        "origin": "reference",
        "prompt": [],
        "rollout_id": "reference",
        "n_alike": 1,
    }
    return frame(
        SFT,
        [
            {**about, "query_id": query_id, "completion": [{"role": "assistant", "content": "s" * chars}]}
            for query_id, chars in n_chars.items()
        ],
    )


def held_out(*queries: str) -> pl.DataFrame:
    about = {"source": "t", "answer": "4", "solution": None, "source_level": None, "licence": "MIT", "test_set": "t"}
    return frame(TEST_QUERIES, [{**about, "domain": "in", "query_id": q, "query": q} for q in queries])


def shelf(settings: Length, tests: pl.DataFrame | None = None, levels: dict[str, str | None] = BY_LEVEL) -> Shelf:
    lengths = {query_id: 10 + index for index, query_id in enumerate(IDS)}
    held = held_out("another text") if tests is None else tests
    return shelf_of(solved(lengths), QUERIES, difficulty_table(levels), held, settings, 1)


def text_of(query_id: str) -> str:
    return str(QUERIES.row(by_predicate=pl.col("query_id") == query_id, named=True)["query"])


def test_matched_exemplars_are_of_the_querys_own_level_and_not_itself() -> None:
    texts = {text_of(query_id): level for query_id, level in BY_LEVEL.items()}
    for query_id, level in BY_LEVEL.items():
        assert level is not None
        found = shelf(length()).matched(query_id, text_of(query_id), level)
        assert len(found) == 2
        assert {texts[query] for query, _ in found} == {level}
        assert text_of(query_id) not in [query for query, _ in found]


def test_matched_higher_quantile_gives_longer_solutions() -> None:
    same: dict[str, str | None] = dict.fromkeys(IDS, "hard")
    quantiles = length().length_quantile
    short = shelf(length(length_quantile=quantiles.model_copy(update={"hard": 0.0})), levels=same)
    long = shelf(length(length_quantile=quantiles.model_copy(update={"hard": 1.0})), levels=same)
    assert max(len(s) for _, s in short.matched("other", "?", "hard")) < min(
        len(s) for _, s in long.matched("other", "?", "hard")
    )


def test_matched_test_query_never_serves() -> None:
    forbidden = [text_of(query_id) for query_id, level in BY_LEVEL.items() if level == "hard"]
    found = shelf(length(), held_out(*forbidden)).matched("other", "?", "hard")
    assert found
    assert not {query for query, _ in found} & set(forbidden)


def test_matched_level_without_solutions_falls_back_to_the_nearest() -> None:
    levels: dict[str, str | None] = dict.fromkeys(IDS, "medium")
    assert shelf(length(), levels=levels).matched("other", "?", "unsolved")
    assert shelf(length(max_exemplar_chars=1)).matched("other", "?", "hard") == []
