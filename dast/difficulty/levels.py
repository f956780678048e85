"""Difficulty of a query from one policy's plain rollouts: pass rate, its posterior, level.

The observed pass rate is c correct of n graded rollouts. The true one is believed to be Beta(a + c, b + n - c), with
the prior Beta(a, b) of the params, fixed or fitted to the same queries (dast/difficulty/prior.py).

The true rate lies in one of three regions: easy (above `easy_above`), medium, hard (below `medium_from`). By the rule
`point` the level is the region of the observed rate; by `posterior` it is the most probable region, on a tie the
harder one. `unsolved` is no region, since no number of failures shows that a rate is zero. Under either rule it is the
level of every query without a correct rollout, and of no other: what follows from it (nothing to train on yet,
exemplars, larger quotas) follows from having no correct response in hand, whatever the rate may be. As a statement
about the rate it says hard. A level is `decided` when the posterior probability of its region (for unsolved: hard) is
above `decided_above`, under either rule. So a query without a correct rollout that a strong prior takes for medium is
unsolved, and undecided.

Guarantees: only rollouts of step `sample` count, and of those only graded ones; every query has a row, with nulls when
nothing could be graded; at equal n more correct rollouts never give a harder level. Grain: one row a query.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dast.difficulty.posterior import Beta, Floats, beta_probability, beta_quantile
from dast.difficulty.prior import prior_of
from dast.params.sections import Difficulty
from dast.tables import DIFFICULTY, Level

_REGIONS = ("hard", "medium", "easy")
"""Levels that are a range of the true pass rate, in its order."""

_DIGITS = 10
"""Decimals of interval ends: equal files on machines whose floating point differs in the last digits."""


def estimate(graded: pl.DataFrame, query_ids: Iterable[str], settings: Difficulty) -> pl.DataFrame:
    """Table DIFFICULTY: one row for each of `query_ids`, from rows of table GRADED."""
    return with_levels(_counts(graded, query_ids), settings).select(DIFFICULTY.schema.keys()).sort("query_id")


def round_prior(graded: pl.DataFrame, query_ids: Iterable[str], settings: Difficulty) -> Beta:
    """The prior that `estimate` uses for the same rows."""
    return prior_of(_counts(graded, query_ids), settings.prior)


def with_levels(counts: pl.DataFrame, settings: Difficulty) -> pl.DataFrame:
    """`counts` with what follows from n_graded and n_correct: the columns of DIFFICULTY from pass_rate on.

    The rows are one population: a fitted prior is fitted to them.
    """
    prior = prior_of(counts, settings.prior)
    distinct = counts.select("n_graded", "n_correct").unique().filter(pl.col("n_graded") > 0).sort(pl.all())
    judged = distinct.with_columns(_judged(distinct["n_graded"], distinct["n_correct"], prior, settings))
    return counts.join(judged, on=["n_graded", "n_correct"], how="left", maintain_order="left")


def credible_interval(n: object, c: object, prior: Beta, mass: float) -> tuple[Floats, Floats]:
    """Ends of the interval that holds `mass` of the posterior after c correct of n, elementwise.

    Equal-tailed, but for a posterior that is densest at rate 0 (only without a correct rollout) or at 1 (only without a
    wrong one): that end is included, and the whole tail lies at the other. Else a rate of 0 would never be covered.
    """
    a, b = _posterior(n, c, prior)
    tail = (1.0 - mass) / 2.0
    from_zero, to_one = a <= 1.0, b <= 1.0
    left_out = np.stack([np.where(to_one, 2.0 * tail, tail), 1.0 - np.where(from_zero, 2.0 * tail, tail)])
    low, high = beta_quantile(left_out, a, b).round(_DIGITS)
    return np.where(from_zero, 0.0, low), np.where(to_one, 1.0, high)


def region_probabilities(n: object, c: object, prior: Beta, settings: Difficulty) -> Floats:
    """Posterior probability that the true rate is hard, medium, easy: a column each, a row an element of n and c."""
    a, b = _posterior(n, c, prior)
    below_medium, below_easy = (beta_probability(cut, a, b) for cut in (settings.medium_from, settings.easy_above))
    return np.stack([below_medium, below_easy - below_medium, 1.0 - below_easy], axis=-1)


def _counts(graded: pl.DataFrame, query_ids: Iterable[str]) -> pl.DataFrame:
    plain = graded.filter((pl.col("step") == "sample") & (pl.col("verdict") != "ungraded"))
    found = plain.group_by("query_id").agg(
        n_graded=pl.len().cast(pl.Int32), n_correct=(pl.col("verdict") == "correct").sum().cast(pl.Int32)
    )
    asked = pl.DataFrame({"query_id": sorted(set(query_ids))}, schema={"query_id": pl.String})
    return asked.join(found, on="query_id", how="left").with_columns(pl.col("n_graded", "n_correct").fill_null(0))


def _judged(n: pl.Series, c: pl.Series, prior: Beta, settings: Difficulty) -> list[pl.Series]:
    graded, correct = n.to_numpy(), c.to_numpy()
    low, high = credible_interval(graded, correct, prior, settings.interval)
    levels, decided = _levels(graded, correct, prior, settings)
    return [
        pl.Series("pass_rate", correct / graded),
        pl.Series("pass_rate_mean", (correct + prior.a) / (graded + prior.a + prior.b)),
        pl.Series("pass_rate_low", low),
        pl.Series("pass_rate_high", high),
        pl.Series("level", levels, dtype=Level),
        pl.Series("decided", decided),
    ]


def _levels(n: NDArray[Any], c: NDArray[Any], prior: Beta, settings: Difficulty) -> tuple[list[str], NDArray[np.bool_]]:
    probabilities = region_probabilities(n, c, prior, settings)
    rates = c / n
    observed = (rates >= settings.medium_from).astype(int) + (rates > settings.easy_above)
    chosen = observed if settings.rule == "point" else probabilities.argmax(axis=1)
    chosen = np.where(c == 0, 0, chosen)
    decided = np.take_along_axis(probabilities, chosen[:, None], axis=1)[:, 0] > settings.decided_above
    levels = ["unsolved" if right == 0 else _REGIONS[region] for right, region in zip(c, chosen, strict=True)]
    return levels, decided


def _posterior(n: object, c: object, prior: Beta) -> tuple[Floats, Floats]:
    graded, correct = np.asarray(n, dtype=np.float64), np.asarray(c, dtype=np.float64)
    return prior.a + correct, prior.b + (graded - correct)
