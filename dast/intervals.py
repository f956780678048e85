"""Intervals of means over queries, and whether two models differ: for accuracies on test sets.

Guarantees: independent of the order of queries; equal values and seed give equal intervals. Grain: one mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from dast.params.evaluate import Intervals

FloatArray = npt.NDArray[np.float64]
Told = Literal["better", "worse", "not told apart"]

_DECIMALS = 12
"""Differences are equal to this many: thirds of rollouts are not sums of powers of two."""


class Difference(NamedTuple):
    """A mean difference between two models over the same queries, ours less theirs."""

    n_queries: int
    difference: float
    low: float
    high: float
    p_value: float
    verdict: Told


def wilson(values: Sequence[float], n_rollouts: int, confidence: float) -> tuple[float | None, float | None]:
    """Wilson's score interval of the mean of values between 0 and 1; None and None of no values.

    Of zeros and ones it is Wilson's own (1927). Values between them vary less, so they count for as many zeros and ones
    as would give their mean the same variance (the effective size of Korn and Graubard 1998), though for no more than
    the rollouts behind them.

    Args:
        values: one a query.
        n_rollouts: rollouts behind each value.
        confidence: what the interval is meant to hold.
    """
    if not values:
        return None, None
    mean = min(1.0, max(0.0, math.fsum(values) / len(values)))
    spread = math.fsum((value - mean) ** 2 for value in values)
    most = len(values) * n_rollouts
    size = len(values) * len(values) * mean * (1 - mean) / spread if spread else most
    size = float(len(values)) if mean in (0.0, 1.0) else min(size, most)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = (mean + z * z / (2 * size)) / (1 + z * z / size)
    half = z / (1 + z * z / size) * math.sqrt(mean * (1 - mean) / size + z * z / (4 * size * size))
    return max(0.0, min(middle - half, mean)), min(1.0, max(middle + half, mean))


def difference(values: FloatArray, wish: Intervals) -> Difference:
    """The mean of differences by query, at least one, with a percentile bootstrap over queries and a p-value.

    The p-value is of the randomisation test that swaps the two models' results on each query by a coin (Fisher's, for
    pairs). A verdict wants both: of a handful of queries that all fell the bootstrap is certain, the coins are not.
    """
    generator = np.random.default_rng(wish.seed)
    p_value = _swapped(values, generator, wish.n_resamples)
    # Equal differences are drawn together, which is the same bootstrap in a fraction of the time.
    found, counts = np.unique(values.round(_DECIMALS), return_counts=True)
    means = generator.multinomial(values.size, counts / values.size, wish.n_resamples) @ found / values.size
    low, high = (float(end) for end in np.quantile(means, [(1 - wish.confidence) / 2, (1 + wish.confidence) / 2]))
    sure = p_value < 1 - wish.confidence
    verdict: Told = "better" if sure and low > 0 else "worse" if sure and high < 0 else "not told apart"
    return Difference(values.size, float(found @ counts / values.size), low, high, p_value, verdict)


def _swapped(values: FloatArray, generator: np.random.Generator, n_resamples: int) -> float:
    """Share of swaps whose mean is at least as far from zero, the observed one among them."""
    sizes, counts = np.unique(np.abs(values).round(_DECIMALS), return_counts=True)
    sums = (2 * generator.binomial(counts, 0.5, (n_resamples, sizes.size)) - counts) @ sizes
    return float((1 + (np.abs(sums) >= abs(values.sum()) - 1e-9).sum()) / (1 + n_resamples))
