"""Accuracy on test sets: groups, estimates, guessing, and levels that enter no accuracy."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from dast.accuracy import ACCURACY_COLUMNS, RESPONSE_COLUMNS, accuracy_rows, guesses, response_rows, summary
from dast.engines.protocol import Item
from dast.evaluation import levels_of_tests, run_tests
from dast.frames import frame, write
from dast.grading import Grader
from dast.rollouts import Recorder
from dast.tables import TEST_GRADED, TEST_QUERIES
from tests.makers import FakeEngine, default_settings

SETTINGS = default_settings()
N = 12


def queries() -> pl.DataFrame:
    about = {"source": "t", "solution": None, "licence": "MIT"}
    return frame(
        TEST_QUERIES,
        [
            {
                **about,
                "query_id": f"q{i:02}",
                "query": f"{i}?",
                "answer": "7" if i < 4 else str(i),
                "source_level": "L1" if i < 6 else "L2",
                "test_set": "a" if i % 2 else "b",
                "domain": "in" if i % 2 else "out",
            }
            for i in range(N)
        ],
    )


def answer(item: Item) -> str:
    """Right on the first two of four samples and when greedy; the base's level rollouts (index 4 on) are wrong."""
    number = int(item.query_id[1:])
    right = "7" if number < 4 else str(number)
    return f"#### {right if item.sample_index < 2 else 99}"


@pytest.fixture(scope="module")
def graded() -> pl.DataFrame:
    recorder = Recorder(FakeEngine(answer), "base", 1, 64)
    with Grader(SETTINGS.grading) as grader:
        return run_tests(queries(), recorder, grader, SETTINGS.prompt.base, SETTINGS.evaluate, with_levels=True)


def rows(graded: pl.DataFrame, **wanted: str) -> list[dict[str, Any]]:
    levels = levels_of_tests(graded, SETTINGS.difficulty)
    found = accuracy_rows(graded, queries(), levels, SETTINGS.evaluate, SETTINGS.intervals)
    return [row for row in found if all(row[key] == value for key, value in wanted.items())]


def test_run_tests_gives_every_query_its_rollouts_once(graded: pl.DataFrame, tmp_path: Any) -> None:
    write(TEST_GRADED, graded, tmp_path / "t.parquet")
    counts = dict(graded.group_by(pl.col("decoding").cast(pl.String)).len().iter_rows())
    assert counts == {"sample": 4 * N, "greedy": N, "level": 4 * N}


def test_accuracy_level_rollouts_enter_no_estimate(graded: pl.DataFrame) -> None:
    (sampled,) = rows(graded, test_set="a", group="all", measure="pass@1")
    assert sampled["estimate"] == 0.5
    assert sampled["se"] == 0.0
    (greedy,) = rows(graded, test_set="a", group="all", measure="greedy")
    assert greedy["estimate"] == 1.0
    assert {row["value"] for row in rows(graded, group="level")} == {"unsolved"}


def test_accuracy_pass_at_4_finds_the_right_ones(graded: pl.DataFrame) -> None:
    assert {row["estimate"] for row in rows(graded, measure="pass@4")} == {1.0}


def test_accuracy_maj_at_4_shares_a_tie(graded: pl.DataFrame) -> None:
    # Two right, and two that agree on a wrong answer.
    assert {row["estimate"] for row in rows(graded, measure="maj@4")} == {0.5}
    assert not rows(graded, measure="maj@1")
    split = graded.with_columns(
        predicted=pl.when(pl.col("predicted") == "99").then(pl.col("rollout_id")).otherwise(pl.col("predicted"))
    )
    assert {row["estimate"] for row in rows(split, measure="maj@4")} == {1.0}


def test_levels_of_tests_fit_each_set_alone(graded: pl.DataFrame) -> None:
    changed = SETTINGS.difficulty.model_copy(update={"rule": "posterior"})
    right = (pl.col("decoding") == "level") & (pl.col("test_set") == "a") & (pl.col("sample_index") < 7)
    verdict = pl.when(right).then(pl.lit("correct")).otherwise(pl.col("verdict").cast(pl.String))
    mixed = graded.with_columns(verdict=verdict.cast(TEST_GRADED.schema["verdict"]))
    whole = levels_of_tests(mixed, changed)
    alone = [levels_of_tests(mixed.filter(test_set=name), changed) for name in ("a", "b")]
    assert whole.equals(pl.concat(alone))
    assert whole.group_by("test_set", "level").len().height == 2


def test_accuracy_ungraded_rollouts_are_left_out_not_wrong(graded: pl.DataFrame) -> None:
    wrong = (pl.col("verdict") == "incorrect") & (pl.col("decoding") == "sample")
    verdict = pl.when(wrong).then(pl.lit("ungraded")).otherwise(pl.col("verdict").cast(pl.String))
    changed = graded.with_columns(verdict=verdict.cast(TEST_GRADED.schema["verdict"]))
    (sampled,) = rows(changed, test_set="a", group="all", measure="pass@1")
    assert sampled["estimate"] == 1.0
    (four,) = rows(changed, test_set="a", group="all", measure="pass@4")
    assert four["n_queries"] == 0
    assert four["estimate"] is None


def test_guess_is_the_commonest_answer_of_the_sets_level(graded: pl.DataFrame) -> None:
    guessed = dict(guesses(queries()).select("query_id", "guessed").iter_rows())
    assert {query_id for query_id, right in guessed.items() if right} >= {"q00", "q01", "q02", "q03"}
    (guess,) = rows(graded, test_set="a", group="source_level", value="L1", measure="guess")
    assert guess["estimate"] == pytest.approx(2 / 3)


def test_summary_holds_whole_sets_alone(graded: pl.DataFrame) -> None:
    told = summary(rows(graded))
    assert set(told) == {"a", "b"}
    assert told["a"]["greedy"] == 1.0


def test_accuracy_rows_have_the_columns_and_intervals_that_hold_the_estimate(graded: pl.DataFrame) -> None:
    for row in rows(graded):
        assert set(row) == set(ACCURACY_COLUMNS)
        if row["measure"] == "guess":
            assert row["low"] is row["high"] is None
        else:
            assert row["low"] <= row["estimate"] <= row["high"]
    (greedy,) = rows(graded, test_set="a", group="all", measure="greedy")
    assert (greedy["low"], greedy["high"]) == (pytest.approx(0.6097, abs=5e-5), 1.0)  # Wilson's of 6 of 6


def test_accuracy_is_told_by_source_where_a_set_has_several(graded: pl.DataFrame) -> None:
    assert not rows(graded, group="source")
    mixed = queries().with_columns(source=pl.when(pl.col("query_id") < "q06").then(pl.lit("s")).otherwise("source"))
    found = accuracy_rows(
        graded, mixed, levels_of_tests(graded, SETTINGS.difficulty), SETTINGS.evaluate, SETTINGS.intervals
    )
    told = [
        (row["value"], row["n_queries"]) for row in found if row["group"] == "source" and row["measure"] == "greedy"
    ]
    assert told == [("s", 3), ("t", 3)] * 2


def test_responses_tell_lengths_and_shares_of_all_rollouts(graded: pl.DataFrame) -> None:
    sampled = (pl.col("test_set") == "a") & (pl.col("decoding") == "sample")
    cut, broken = sampled & (pl.col("sample_index") == 3), sampled & (pl.col("sample_index") == 2)
    changed = graded.with_columns(
        finish_reason=pl.when(cut).then(pl.lit("length")).otherwise(pl.col("finish_reason").cast(pl.String)),
        verdict=pl.when(broken).then(pl.lit("ungraded")).otherwise(pl.col("verdict").cast(pl.String)),
        n_tokens=pl.when(cut).then(110).otherwise(10).cast(pl.Int32),
    ).cast({name: TEST_GRADED.schema[name] for name in ("finish_reason", "verdict")})
    found = {(row["test_set"], row["decoding"]): row for row in response_rows(changed, queries())}
    assert list(found) == [("b", "greedy"), ("b", "sample"), ("a", "greedy"), ("a", "sample")]
    row = found["a", "sample"]
    assert tuple(row) == RESPONSE_COLUMNS
    assert (row["n_rollouts"], row["n_ungraded"], row["n_truncated"]) == (24, 6, 6)
    assert (row["ungraded_rate"], row["truncated_rate"], row["no_answer_rate"]) == (0.25, 0.25, 0.0)
    assert (row["mean_tokens"], row["mean_tokens_correct"]) == (35.0, 10.0)
    assert found["a", "greedy"]["truncated_rate"] == 0.0
