"""Matched exemplars: own level, longer for harder, alike where asked, and never the query itself or a test query."""

from __future__ import annotations

import logging
import random

import polars as pl
import pytest

from dast.exemplars import Shelf, shelf_of
from dast.frames import frame
from dast.params.ladder import Matched
from dast.params.section import PerLevelRate
from dast.policies.counting import TokenCounter
from dast.tables import LEVELS, SFT, TEST_QUERIES
from tests.makers import difficulty_table, queries_table

QUERIES = queries_table(40)
IDS = QUERIES["query_id"].to_list()
BY_LEVEL: dict[str, str | None] = {query_id: LEVELS[index % 4] for index, query_id in enumerate(IDS)}
HARD: dict[str, str | None] = dict.fromkeys(IDS, "hard")
LENGTHS = {query_id: 10 + index for index, query_id in enumerate(IDS)}
WORDS = TokenCounter(lambda texts: [len(text.split()) for text in texts])
QUANTILES = PerLevelRate(easy=0.25, medium=0.5, hard=0.75, unsolved=0.9)


def settings(**changes: object) -> Matched:
    usual: dict[str, object] = {
        "source": "policy_set",
        "n_exemplars": 2,
        "length_quantile": QUANTILES,
        "max_exemplar_tokens": 1000,
        "n_candidates": 16,
        "choose_by": "length",
        "near_duplicate": 0.7,
    }
    return Matched.model_validate(usual | changes)


def solved(solutions: dict[str, str]) -> pl.DataFrame:
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
            {**about, "query_id": query_id, "completion": [{"role": "assistant", "content": solution}]}
            for query_id, solution in solutions.items()
        ],
    )


def held_out(*queries: str) -> pl.DataFrame:
    about = {"source": "t", "answer": "4", "solution": None, "source_level": None, "licence": "MIT", "test_set": "t"}
    return frame(TEST_QUERIES, [{**about, "domain": "in", "query_id": q, "query": q} for q in queries])


def shelf(chosen: Matched, tests: pl.DataFrame | None = None, levels: dict[str, str | None] = BY_LEVEL) -> Shelf:
    held = held_out("another text") if tests is None else tests
    rows = solved({query_id: "s " * n for query_id, n in LENGTHS.items()})
    return shelf_of(rows, QUERIES, difficulty_table(levels), held, chosen, WORDS, 1)


def shelf_of_texts(texts: dict[str, str], chosen: Matched, *tests: str, shuffled: bool = False) -> Shelf:
    """Every text a hard query with a solution of one word."""
    order = random.Random(3).sample(list(texts), len(texts)) if shuffled else list(texts)
    queries = queries_table(len(order)).with_columns(
        query_id=pl.Series(order), query=pl.Series([texts[name] for name in order])
    )
    rows = solved(dict.fromkeys(order, "4"))
    levels = difficulty_table(dict.fromkeys(order, "hard"))
    return shelf_of(rows, queries, levels, held_out(*tests), chosen, WORDS, 1)


def text_of(query_id: str) -> str:
    return str(QUERIES.row(by_predicate=pl.col("query_id") == query_id, named=True)["query"])


def test_matched_exemplars_are_of_the_querys_own_level_and_not_itself() -> None:
    texts = {text_of(query_id): level for query_id, level in BY_LEVEL.items()}
    for query_id, level in BY_LEVEL.items():
        assert level is not None
        found = shelf(settings()).matched(query_id, text_of(query_id), level)
        assert len(found) == 2
        assert {texts[query] for query, _ in found} == {level}
        assert text_of(query_id) not in [query for query, _ in found]


def test_matched_higher_quantile_gives_longer_solutions() -> None:
    short = shelf(settings(length_quantile=QUANTILES.model_copy(update={"hard": 0.0})), levels=HARD)
    long = shelf(settings(length_quantile=QUANTILES.model_copy(update={"hard": 1.0})), levels=HARD)
    assert max(len(s) for _, s in short.matched("other", "?", "hard")) < min(
        len(s) for _, s in long.matched("other", "?", "hard")
    )


def test_matched_test_query_never_serves() -> None:
    forbidden = [text_of(query_id) for query_id, level in BY_LEVEL.items() if level == "hard"]
    found = shelf(settings(), held_out(*forbidden)).matched("other", "?", "hard")
    assert found
    assert not {query for query, _ in found} & set(forbidden)


def test_matched_level_without_solutions_falls_back_to_the_nearest() -> None:
    levels: dict[str, str | None] = dict.fromkeys(IDS, "medium")
    assert shelf(settings(), levels=levels).matched("other", "?", "unsolved")
    assert shelf(settings(max_exemplar_tokens=1)).matched("other", "?", "hard") == []


def test_matched_window_is_the_one_around_the_quantile_of_all_that_may_serve() -> None:
    texts = {f"n{index:02}": f"{index} apples, {index % 3} pears" for index in range(40)}
    rng = random.Random(5)
    for _ in range(300):
        wish = settings(n_candidates=rng.randint(1, 45), n_exemplars=1)
        made = shelf_of_texts(dict(rng.sample(sorted(texts.items()), rng.randint(1, 40))), wish)
        served, level = made._by_level["hard"], rng.choice(LEVELS)
        refused = {-1, *rng.sample(range(50), rng.randint(0, 12))}
        usable = [index for index in served if index not in refused]
        width = min(len(usable), wish.n_candidates)
        middle = round(wish.length_quantile.at(level) * (len(usable) - 1))
        start = min(max(0, middle - width // 2), len(usable) - width)
        assert made._around_quantile(served, refused, level) == usable[start : start + width]


@pytest.mark.parametrize("budget", [20, 60, 90, 120])
def test_matched_exemplars_fit_the_budget_together_as_many_as_do(budget: int) -> None:
    every = settings(n_exemplars=40, n_candidates=40, max_exemplar_tokens=budget)
    found = shelf(every, levels=HARD).matched("other", "?", "hard")
    used = [WORDS(query) + WORDS(solution) for query, solution in found]
    assert sum(used) <= budget
    assert used == sorted(used)
    cost = sorted(WORDS(text_of(name)) + LENGTHS[name] for name in IDS)
    left = [one for one in cost if one not in used and sum(used) + one <= budget]
    assert not left


GARDEN = {
    "a": "Ann plants 9 roses and 4 tulips in her garden. How many flowers are in her garden?",
    "b": "Bob drives 60 miles in 2 hours. How fast does he drive?",
    "c": "A shop sells 12 pens for 3 dollars. What does one pen cost?",
}
ASKED = "Sue plants 3 lilies and 8 roses in a garden. How many flowers are there?"


def test_matched_similarity_takes_the_most_similar_of_the_window_whatever_the_row_order() -> None:
    one = settings(n_exemplars=1, choose_by="similarity")
    for shuffled in (False, True):
        ((query, _),) = shelf_of_texts(GARDEN, one, shuffled=shuffled).matched("other", ASKED, "hard")
        assert query == GARDEN["a"]
    many = {f"n{index}": f"Bob drives {index} miles. How fast is he?" for index in range(30)}
    same = [shelf_of_texts(many, one, shuffled=shuffled).matched("q", ASKED, "hard") for shuffled in (False, True)]
    assert same[0] == same[1]


def test_matched_near_duplicate_of_the_query_never_serves() -> None:
    nearly = GARDEN["a"].replace("How many flowers are", "How many flowers now are")
    for chosen in (settings(choose_by="similarity"), settings()):
        found = shelf_of_texts(GARDEN, chosen).matched("other", nearly, "hard")
        assert sorted(query for query, _ in found) == sorted([GARDEN["b"], GARDEN["c"]])
    strict = settings(choose_by="similarity", near_duplicate=1.0)
    assert GARDEN["a"] in [query for query, _ in shelf_of_texts(GARDEN, strict).matched("other", nearly, "hard")]


def test_matched_near_duplicate_of_a_test_query_never_serves_and_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    nearly = GARDEN["a"].replace("How many flowers are", "How many flowers now are")
    found = shelf_of_texts(GARDEN, settings(), nearly).matched("other", ASKED, "hard")
    assert len(found) == 2
    assert GARDEN["a"] not in [query for query, _ in found]
    assert "2 queries may serve; 0 solved ones are too long, 1 are like a test query" in caplog.text


def test_shelf_source_says_whose_solutions_are_shown() -> None:
    own = shelf(settings(), levels=HARD).matched("other", "?", "hard")
    references = shelf(settings(source="references"), levels=HARD).matched("other", "?", "hard")
    assert {solution.strip(" s") for _, solution in own} == {""}
    assert all("#### 4" in solution for _, solution in references)
