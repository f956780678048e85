"""Queries between levels from one round's estimate to the next, beside what sampling noise alone would move.

A level follows from a few rollouts, so it changes though the rates do not. How often, each query's posterior says: were
its true rate unchanged, its next m graded rollouts would have k correct with the probability that the beta-binomial
distribution gives, its rate drawn from Beta(a + c, b + n - c) after c correct of n. Summed over the queries that is the
matrix to be expected of two independent estimates of the same rates, given the first. Queries move independently, so a
count's variance is the sum of p (1 - p).

Guarantees: exact, nothing is drawn; each level's row of expected counts sums to the queries seen in it; a query that
either estimate gives no level is left out. Grain: one row a pair of levels, and one a direction.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dast.difficulty.levels import with_levels
from dast.difficulty.posterior import Beta, Floats
from dast.difficulty.prior import prior_of
from dast.params.sections import Difficulty, Prior
from dast.tables import LEVELS, Level

MOVE_COLUMNS = ("before", "after", "n_queries", "expected", "sd")
ALL = "all"
"""`before` of the rows that count a direction over all levels."""
DIRECTIONS = ("easier", "same", "harder")

_RANKED = tuple(enumerate(LEVELS))

_log_gamma = np.vectorize(math.lgamma, otypes=[np.float64])


def move_rows(before: pl.DataFrame, after: pl.DataFrame, settings: Difficulty) -> list[dict[str, Any]]:
    """Rows with MOVE_COLUMNS from two tables DIFFICULTY; none where they have no query with a level in common.

    `n_queries` is what was seen, `expected` and `sd` what noise alone gives. The rates' prior is that of `before`.
    """
    groups = _groups(before, after)
    if groups.is_empty():
        return []
    prior = prior_of(before.filter(pl.col("n_graded") > 0), settings.prior)
    start, end = (groups[name].to_physical().to_numpy() for name in ("level", "level_after"))
    seen, chances = groups["len"].to_numpy(), level_chances(groups, prior, settings)
    everywhere = np.ones(seen.size, dtype=bool)
    cells = [(one, other, start == i, end == j, chances[:, j]) for i, one in _RANKED for j, other in _RANKED]
    turns = [(ALL, to, everywhere, _towards(end, start, to), _summed(chances, start, to)) for to in DIRECTIONS]
    return [_row(seen, *which) for which in (*cells, *turns)]


def level_chances(counts: pl.DataFrame, prior: Beta, settings: Difficulty) -> Floats:
    """Probability of each level (a column, in the order of LEVELS) at a second estimate of an unchanged rate.

    Args:
        counts: Columns n_graded, n_correct: the first estimate; n_again: graded rollouts of the second, at least one.
        prior: Of the rates.
        settings: How a level follows.
    """
    fixed = settings.model_copy(update={"prior": Prior(kind="fixed", a=prior.a, b=prior.b, weight=1.0)})
    n, c, again = (counts[name].to_numpy() for name in ("n_graded", "n_correct", "n_again"))
    chances = np.zeros((counts.height, len(LEVELS)))
    for m in np.unique(again):
        rows = np.flatnonzero(again == m)
        chances[rows] = predictive(n[rows], c[rows], int(m), prior) @ _level_of_each(int(m), fixed)
    return chances


def predictive(n: NDArray[Any], c: NDArray[Any], m: int, prior: Beta) -> Floats:
    """Probability of k correct of m more rollouts after c correct of n: a row an element, a column a k from 0 to m."""
    a, b = (prior.a + c)[:, None], (prior.b + n - c)[:, None]
    k = np.arange(m + 1.0)
    ways = _log_gamma(m + 1.0) - _log_gamma(k + 1.0) - _log_gamma(m - k + 1.0)
    chances: Floats = np.exp(ways + _log_beta(a + k, b + m - k) - _log_beta(a, b))
    return chances


def _groups(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """How many queries (`len`) share a first estimate, a number of later rollouts and a later level."""
    later = after.select("query_id", n_again="n_graded", level_after="level")
    both = before.join(later, on="query_id").drop_nulls(["level", "level_after"])
    return both.group_by("level", "n_graded", "n_correct", "n_again", "level_after").len().sort(pl.all())


def _row(
    seen: NDArray[Any], before: str, after: str, inside: NDArray[np.bool_], reached: NDArray[np.bool_], chance: Floats
) -> dict[str, Any]:
    """A row of groups that start `inside`; `reached` are those that were seen to end there, with `chance` expected."""
    counted = seen * inside
    sd = math.sqrt(float(counted @ (chance * (1.0 - chance))))
    expected, n_queries = float(counted @ chance), int(counted[reached].sum())
    return {"before": before, "after": after, "n_queries": n_queries, "expected": expected, "sd": sd}


def _level_of_each(m: int, settings: Difficulty) -> Floats:
    """1 where a row's number of correct rollouts, from 0 to m of m, gives a column's level."""
    outcomes = pl.DataFrame({"n_graded": [m] * (m + 1), "n_correct": list(range(m + 1))})
    levels = with_levels(outcomes, settings)["level"].cast(Level).to_physical().to_numpy()
    chosen: Floats = np.eye(len(LEVELS))[levels]
    return chosen


def _summed(chances: Floats, start: NDArray[Any], direction: str) -> Floats:
    columns = np.arange(len(LEVELS))[None, :]
    total: Floats = np.where(_towards(columns, start[:, None], direction), chances, 0.0).sum(axis=1)
    return total


def _towards(end: NDArray[Any], start: NDArray[Any], direction: str) -> NDArray[np.bool_]:
    """Whether a level's rank (0 is easy) moved so."""
    moved: NDArray[np.bool_] = np.sign(end.astype(int) - start.astype(int)) == DIRECTIONS.index(direction) - 1
    return moved


def _log_beta(a: Floats, b: Floats) -> Floats:
    total: Floats = _log_gamma(a) + _log_gamma(b) - _log_gamma(a + b)
    return total
