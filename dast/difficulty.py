"""Difficulty of a query from one policy's plain rollouts: pass rate, credible interval, level; pass@k and its error.

Guarantees: only rollouts of step `sample` count, and of those only graded ones; every query has a row, with nulls when
nothing could be graded. Pass rate and interval are those of a binomial with a uniform prior. Grain: one row a query.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import mpmath
import polars as pl

from dast.params.sections import Difficulty
from dast.tables import DIFFICULTY, LEVELS, frame

_TOLERANCE = 1e-10


def estimate(graded: pl.DataFrame, query_ids: Iterable[str], settings: Difficulty) -> pl.DataFrame:
    """Table DIFFICULTY: one row for each of `query_ids`, from rows of table GRADED."""
    counts = {
        query_id: (n_graded, n_correct)
        for query_id, n_graded, n_correct in graded.filter(
            (pl.col("step") == "sample") & (pl.col("verdict") != "ungraded")
        )
        .group_by("query_id")
        .agg(pl.len(), (pl.col("verdict") == "correct").sum())
        .iter_rows()
    }
    rows = [_row(query_id, *counts.get(query_id, (0, 0)), settings) for query_id in sorted(set(query_ids))]
    return frame(DIFFICULTY, rows)


def level_of(n_correct: int, n_graded: int, settings: Difficulty) -> str | None:
    """Level by the point estimate; None when nothing was graded."""
    if n_graded == 0:
        return None
    if n_correct == 0:
        return "unsolved"
    rate = n_correct / n_graded
    if rate > settings.easy_above:
        return "easy"
    return "medium" if rate >= settings.medium_from else "hard"


@lru_cache(maxsize=4096)
def credible_interval(n_correct: int, n_graded: int, mass: float) -> tuple[float, float]:
    """Equal-tailed interval of Beta(1 + correct, 1 + wrong), the posterior under a uniform prior."""
    tail = (1.0 - mass) / 2.0
    a, b = n_correct + 1, n_graded - n_correct + 1
    return _quantile(a, b, tail), _quantile(a, b, 1.0 - tail)


def pass_at_k(n: int, c: int, k: int) -> float | None:
    """Probability that one of k rollouts is correct, estimated without bias from c correct of n (Chen et al. 2021).

    Returns:
        1 - C(n-c, k) / C(n, k); None for n < k, where no unbiased estimate exists.

    Raises:
        ValueError: not 0 <= c <= n, or k < 1.
    """
    if not 0 <= c <= n or k < 1:
        raise ValueError(f"pass@{k} of {c} correct among {n} rollouts is not defined")
    if n < k:
        return None
    # Integers, so that neither a large n nor a small difference loses digits.
    return 1.0 if n - c < k else 1.0 - math.comb(n - c, k) / math.comb(n, k)


def mean_and_error(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Mean over queries and its standard error (sample deviation / root of n); None for what n is too small for."""
    n = len(values)
    if n == 0:
        return None, None
    mean = math.fsum(values) / n
    if n == 1:
        return mean, None
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)


def level_rows(graded: pl.DataFrame, difficulty: pl.DataFrame) -> list[dict[str, Any]]:
    """One row a level, all four: queries, plain rollouts, correct ones, mean length. A mean over nothing is None."""
    sampled = graded.filter(pl.col("step") == "sample").join(difficulty.select("query_id", "level"), on="query_id")
    return [
        _level_row(level, sampled.filter(pl.col("level") == level), difficulty.filter(pl.col("level") == level).height)
        for level in LEVELS
    ]


def pass_rate_rows(difficulty: pl.DataFrame) -> list[dict[str, Any]]:
    """How many queries have each observed pass rate, in rising order; queries without one are left out."""
    found = difficulty.drop_nulls("pass_rate").group_by("pass_rate").agg(pl.len().alias("n_queries")).sort("pass_rate")
    return found.to_dicts()


def _row(query_id: str, n_graded: int, n_correct: int, settings: Difficulty) -> Mapping[str, Any]:
    low, high = credible_interval(n_correct, n_graded, settings.interval) if n_graded else (None, None)
    return {
        "query_id": query_id,
        "n_graded": n_graded,
        "n_correct": n_correct,
        "pass_rate": n_correct / n_graded if n_graded else None,
        "pass_rate_low": low,
        "pass_rate_high": high,
        "level": level_of(n_correct, n_graded, settings),
    }


def _level_row(level: str, rows: pl.DataFrame, n_queries: int) -> dict[str, Any]:
    return {
        "level": level,
        "n_queries": n_queries,
        "n_rollouts": rows.height,
        "n_correct": rows.filter(pl.col("verdict") == "correct").height,
        "mean_tokens": rows["n_tokens"].mean(),
        "mean_chars": rows["response"].str.len_chars().mean(),
    }


def _quantile(a: int, b: int, probability: float) -> float:
    """Quantile of Beta(a, b) by bisection of its regularised incomplete integral."""
    low, high = 0.0, 1.0
    while high - low > _TOLERANCE:
        middle = (low + high) / 2.0
        below = float(mpmath.betainc(a, b, 0, middle, regularized=True))
        low, high = (middle, high) if below < probability else (low, middle)
    return (low + high) / 2.0
