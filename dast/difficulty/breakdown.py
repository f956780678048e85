"""Where a round's queries and plain rollouts lie: by level, by pass rate, and by level and verdict.

Guarantees: only rollouts of step `sample` count; a mean over nothing is None; quantiles are of the rollouts themselves,
not of queries. Grain: one row a level, a pass rate, or a level and verdict.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from dast.tables import LEVELS, VERDICTS

UNGRADED_LEVEL = "none"
"""Where rollouts of queries without a level are counted: nothing of theirs could be graded."""

LENGTH_COLUMNS = (
    *("level", "verdict", "n_rollouts", "mean_chars", "median_chars", "q90_chars"),
    *("n_known_tokens", "mean_tokens", "median_tokens", "q90_tokens"),
)


def level_rows(graded: pl.DataFrame, difficulty: pl.DataFrame) -> list[dict[str, Any]]:
    """One row a level, all four: queries, those decided, plain rollouts, correct ones, mean length."""
    plain = _plain(graded, difficulty)
    return [_level_row(level, plain.filter(level=level), difficulty.filter(level=level)) for level in LEVELS]


def pass_rate_rows(difficulty: pl.DataFrame) -> list[dict[str, Any]]:
    """How many queries have each observed pass rate, in rising order; queries without one are left out."""
    found = difficulty.drop_nulls("pass_rate").group_by("pass_rate").agg(pl.len().alias("n_queries")).sort("pass_rate")
    return found.to_dicts()


def length_rows(graded: pl.DataFrame, difficulty: pl.DataFrame) -> list[dict[str, Any]]:
    """Response length by level and verdict, those that occur; n_rollouts adds up to the plain rollouts."""
    plain = _plain(graded, difficulty).with_columns(
        pl.col("level").cast(pl.String).fill_null(UNGRADED_LEVEL), n_chars=pl.col("response").str.len_chars()
    )
    return [
        {"level": level, "verdict": verdict, "n_rollouts": part.height, **_lengths(part)}
        for level in (*LEVELS, UNGRADED_LEVEL)
        for verdict in VERDICTS
        if (part := plain.filter(level=level, verdict=verdict)).height
    ]


def _plain(graded: pl.DataFrame, difficulty: pl.DataFrame) -> pl.DataFrame:
    return graded.filter(step="sample").join(difficulty.select("query_id", "level"), on="query_id")


def _level_row(level: str, rows: pl.DataFrame, queries: pl.DataFrame) -> dict[str, Any]:
    return {
        "level": level,
        "n_queries": queries.height,
        "n_decided": int(queries["decided"].sum()),
        "n_rollouts": rows.height,
        "n_correct": rows.filter(verdict="correct").height,
        "mean_tokens": rows["n_tokens"].mean(),
        "mean_chars": rows["response"].str.len_chars().mean(),
    }


def _lengths(rows: pl.DataFrame) -> dict[str, Any]:
    tokens = rows["n_tokens"].drop_nulls()
    return {**_spread(rows["n_chars"], "chars"), "n_known_tokens": tokens.len(), **_spread(tokens, "tokens")}


def _spread(values: pl.Series, unit: str) -> dict[str, Any]:
    """Mean, median and 90 % quantile (linear between neighbours)."""
    return {
        f"mean_{unit}": values.mean(),
        f"median_{unit}": values.median(),
        f"q90_{unit}": values.quantile(0.9, "linear"),
    }
