"""Accuracy of a model on the test sets, and what its responses to them were like.

Guarantees: the base's rollouts that set a test query's level enter nothing here; ungraded rollouts enter no estimate,
and their share is told. Grain: accuracies one row a test set, group and measure; responses one row a test set and
decoding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from dast.difficulty.estimators import listed, mean_row, tallies, values_at
from dast.intervals import wilson
from dast.params.evaluate import Evaluate, Intervals
from dast.tables import LEVELS

ACCURACY_COLUMNS = (*("test_set", "domain", "group", "value", "n_queries", "measure", "estimate", "se", "low", "high"),)
RESPONSE_COLUMNS = (
    *("test_set", "domain", "decoding", "n_rollouts", "n_ungraded", "ungraded_rate", "no_answer_rate"),
    *("n_truncated", "truncated_rate", "mean_tokens", "mean_tokens_correct"),
)
_QUERY = ["test_set", "query_id"]


def accuracy_rows(
    graded: pl.DataFrame, tests: pl.DataFrame, levels: pl.DataFrame, settings: Evaluate, intervals: Intervals
) -> list[dict[str, Any]]:
    """Long-format accuracies, with the columns of `ACCURACY_COLUMNS`.

    Groups are whole test sets (`all`), sources where a set has several, source levels, and levels by the base.
    `guess` is what always giving the commonest answer of each source level of the set scores; `se` is the standard
    error of the mean over queries, `low` and `high` its interval (`dast.intervals.wilson`).
    """
    about = guesses(tests.select("test_set", "query_id", "domain", "source", "answer", "source_level")).join(
        levels.select(*_QUERY, "level"), on=_QUERY, how="left"
    )
    sampled = tallies(graded.filter(pl.col("decoding") == "sample"), _QUERY)
    greedy = tallies(graded.filter(pl.col("decoding") == "greedy"), _QUERY).select(
        *_QUERY, n_right="n_correct", n_greedy="n_graded"
    )
    rows = (
        about.join(sampled, on=_QUERY, how="left")
        .join(greedy, on=_QUERY, how="left")
        .with_columns(pl.col("^n_.*$").fill_null(0), pl.col("votes_wrong").fill_null(pl.lit([], pl.List(pl.Int32))))
    )
    found: list[dict[str, Any]] = []
    for (test_set, domain), part in rows.group_by(["test_set", "domain"], maintain_order=True):
        for group, value, members in _groups(part):
            head = {"test_set": test_set, "domain": domain, "group": group, "value": value}
            found += [{**head, **measured} for measured in _measures(members, settings, intervals)]
    return found


def summary(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Estimates of whole test sets, by set and measure."""
    found: dict[str, dict[str, float | None]] = {}
    for row in rows:
        if row["group"] == "all":
            found.setdefault(row["test_set"], {})[row["measure"]] = row["estimate"]
    return found


def spoken(rows: Iterable[Mapping[str, Any]]) -> str:
    """The estimates of whole test sets, with standard errors, as one line of text."""
    told: dict[str, list[str]] = {}
    for row in rows:
        if row["group"] == "all" and row["estimate"] is not None:
            error = "" if row["se"] is None else f"±{row['se']:.3f}"
            told.setdefault(row["test_set"], []).append(f"{row['measure']} {row['estimate']:.3f}{error}")
    return "; ".join(f"{name}: {', '.join(parts)}" for name, parts in told.items())


def response_rows(graded: pl.DataFrame, tests: pl.DataFrame) -> list[dict[str, Any]]:
    """What the responses were like, with the columns of `RESPONSE_COLUMNS`.

    Rates are shares of all rollouts, truncated ones those that the token limit cut off. Mean tokens are None where the
    engine tells none.
    """
    is_correct, is_cut = pl.col("verdict") == "correct", pl.col("finish_reason") == "length"
    sets = tests.select("test_set", "domain").unique(maintain_order=True).with_row_index("place")
    counted = (
        graded.filter(pl.col("decoding") != "level")
        .group_by("test_set", "decoding")
        .agg(
            n_rollouts=pl.len(),
            n_ungraded=(pl.col("verdict") == "ungraded").sum(),
            ungraded_rate=(pl.col("verdict") == "ungraded").mean(),
            no_answer_rate=(pl.col("verdict") == "no_answer").mean(),
            n_truncated=is_cut.sum(),
            truncated_rate=is_cut.mean(),
            mean_tokens=pl.col("n_tokens").mean(),
            mean_tokens_correct=pl.col("n_tokens").filter(is_correct).mean(),
        )
    )
    rows = sets.join(counted, on="test_set").sort("place", "decoding")
    return rows.select(RESPONSE_COLUMNS).cast({"decoding": pl.String, "domain": pl.String}).to_dicts()


def _groups(part: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    yield "all", "all", part
    for group, n_least in (("source", 2), ("source_level", 1), ("level", 1)):
        values = [value for value in part.get_column(group).unique().to_list() if value is not None]
        if len(values) < n_least:
            continue
        for value in sorted(values, key=_order):
            yield group, str(value), part.filter(pl.col(group) == value)


def _order(value: str) -> tuple[int, int, str]:
    if value in LEVELS:
        return (0, LEVELS.index(value), value)
    digits = "".join(letter for letter in value if letter.isdigit())
    return (1, int(digits or 0), value)


def _measures(rows: pl.DataFrame, settings: Evaluate, intervals: Intervals) -> Iterator[dict[str, Any]]:
    if settings.greedy:
        heard = rows.filter(pl.col("n_greedy") > 0)
        yield {"measure": "greedy", **_mean((heard["n_right"] / heard["n_greedy"]).to_list(), 1, intervals)}
    for measure, values in values_at(listed(rows), settings.k).items():
        yield {"measure": measure, **_mean(values, settings.n_samples, intervals)}
    guessed = {"n_queries": rows.height, "estimate": rows.get_column("guessed").mean()}
    yield {"measure": "guess", **guessed, **dict.fromkeys(("se", "low", "high"))}


def _mean(values: Sequence[float | None], n_rollouts: int, intervals: Intervals) -> dict[str, Any]:
    low, high = wilson([value for value in values if value is not None], n_rollouts, intervals.confidence)
    return {**mean_row(values), "low": low, "high": high}


def guesses(tests: pl.DataFrame) -> pl.DataFrame:
    """Test queries with `guessed`: whether the commonest answer of the query's source level in its set is right.

    Of equally common answers the first by name is the guess.
    """
    commonest = (
        tests.group_by("test_set", "source_level", "answer")
        .len()
        .sort(["test_set", "source_level", "len", "answer"], descending=[False, False, True, False])
        .unique(["test_set", "source_level"], keep="first", maintain_order=True)
        .select("test_set", "source_level", guess="answer")
    )
    joined = tests.join(commonest, on=["test_set", "source_level"], nulls_equal=True)
    return joined.with_columns(guessed=pl.col("answer") == pl.col("guess")).drop("guess")
