"""What the rows say: accuracies, paired differences with intervals, and p-values corrected by Holm.

A difference is paired: the same test queries, in the same base and data seed. Its interval is a nested bootstrap's:
bases are drawn with replacement, within each drawn base data seeds, within each drawn seed queries; the statistic is
the mean over bases of the mean over seeds of the mean over queries. With few bases a percentile
interval is too narrow, so its percentiles are widened to what a t distribution with (bases - 1) degrees asks for (the
expanded percentile interval of Hesterberg, "What Teachers Should Know About the Bootstrap", 2015, section 4.4.2). Where
that would leave out fewer than ten draws at an end (five bases and fewer, at ten thousand draws), the interval is the t
interval with the draws' own spread instead, whose ends hang on all of them. The p-value is the level at which the
interval just excludes zero. Coverage of 95 % intervals on simulated data (300 to 400 data sets): plain percentiles 88
to 95 %, widened ones 94 to 98 %, both above 99 % where bases do not differ. Grain: one contrast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiments.afterwards import Afterthought
from benchmarks.experiments.design import Bootstrap, Contrast, Design, Run
from benchmarks.experiments.rows import Row, base_run
from dast.difficulty.posterior import beta_probability, beta_quantile

Floats = NDArray[np.float64]
Unit = TypeVar("Unit")
Block = tuple[int, int]
Paired = tuple[Floats, ...]
"""Each query's difference; a contrast of two gains has the second one's, negated, beside it. Their means are added."""

_NORMAL = NormalDist()
_LEAST_DRAWS = 10
"""Draws beyond a percentile that it takes to say where that percentile is."""


class Interval(NamedTuple):
    """A mean difference with its interval and two-sided p-value."""

    mean: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Finding:
    """A contrast's interval, what it rests on, and its p-value after Holm's correction (None where there is none)."""

    contrast: Contrast
    interval: Interval
    by_base: Mapping[int, float]
    n_blocks: int
    n_queries: int
    p_holm: float | None = None


def rates(row: Row, round_number: int, test_set: str, kind: str = "sample", n_samples: int = 4) -> Floats:
    """Share of right responses of each query of a test set after a round; round 0 is the base's own row."""
    tests = row["tests"] if round_number == 0 else row["rounds"][round_number - 1]["tests"]
    digits = np.frombuffer(tests[test_set][kind].encode(), dtype=np.uint8) - ord("0")
    return digits / (n_samples if kind == "sample" else 1)


def has_level(base: Row, test_set: str, levels: Sequence[str]) -> NDArray[np.bool_]:
    """Which queries of a test set are of one of the levels."""
    letters = np.array(list(base["tests"][test_set]["levels"]))
    return np.isin(letters, [level[0] for level in levels])


def differences(rows: Mapping[Run, Row], contrast: Contrast, round_number: int) -> dict[Block, Paired]:
    """By block, each query's difference, averaged over the contrast's budgets; blocks that lack a run are left out."""
    found = {}
    for block in sorted({run.block for run in rows}):
        pairs = [(Run(contrast.arm, b, *block), Run(contrast.against, b, *block)) for b in contrast.budgets]
        base = rows.get(base_run(*block))
        if base is None or not all(side in rows for pair in pairs for side in pair):
            continue
        signs = {contrast.test_set: 1.0} | ({contrast.less: -1.0} if contrast.less else {})
        parts = tuple(
            sign * _gain(rows, pairs, round_number, name)[_counted(base, name, contrast)]
            for name, sign in signs.items()
        )
        if all(part.size for part in parts):
            found[block] = parts
    return found


def _counted(base: Row, test_set: str, contrast: Contrast) -> NDArray[np.bool_]:
    """Which queries of a test set a contrast is about."""
    counted = has_level(base, test_set, contrast.levels)
    if isinstance(contrast, Afterthought) and test_set in contrast.among:
        counted &= np.isin(base["tests"][test_set]["source_levels"].split(), contrast.among[test_set])
    return counted


def _gain(rows: Mapping[Run, Row], pairs: Sequence[tuple[Run, Run]], round_number: int, test_set: str) -> Floats:
    each = [rates(rows[a], round_number, test_set) - rates(rows[b], round_number, test_set) for a, b in pairs]
    return np.asarray(np.mean(each, axis=0), dtype=np.float64)


def nested_draws(blocks: Mapping[Block, Paired], n_draws: int, seed: int) -> Floats:
    """Draws of the mean difference: bases, then seeds within bases, then queries within seeds."""
    rng = np.random.default_rng(seed)
    bases: dict[int, list[list[_Tally]]] = {}
    for (base, _), parts in sorted(blocks.items()):
        bases.setdefault(base, []).append([_tally(values) for values in parts])
    return _mean_of_drawn(list(bases.values()), n_draws, rng, lambda seeds, size: _seed_draws(seeds, size, rng))


def base_means(blocks: Mapping[Block, Paired]) -> dict[int, float]:
    """By base, the mean over seeds of the mean over queries."""
    means = {block: sum(float(part.mean()) for part in parts) for block, parts in blocks.items()}
    bases = sorted({base for base, _ in blocks})
    return {base: float(np.mean([mean for block, mean in means.items() if block[0] == base])) for base in bases}


def interval_of(blocks: Mapping[Block, Paired], settings: Bootstrap) -> Interval:
    """The mean over bases with its interval; not a number where there is one base alone."""
    means = base_means(blocks)
    mean, n = float(np.mean(list(means.values()))), len(means)
    if n < 2:
        return Interval(mean, math.nan, math.nan, math.nan)
    draws = nested_draws(blocks, settings.draws, settings.seed)
    outside = (1 - settings.interval) / 2
    tail = expanded(outside, n)
    if tail * draws.size < _LEAST_DRAWS:
        half = -_t_quantile(outside, n - 1) * math.sqrt(n / (n - 1)) * float(draws.std())
        low, high = float(draws.mean()) - half, float(draws.mean()) + half
    else:
        low, high = np.quantile(draws, [tail, 1 - tail])
    return Interval(mean, float(low), float(high), p_value(draws, n))


def expanded(tail: float, n: int) -> float:
    """The tail that a percentile interval over n units is to leave out, to be as wide as a t interval."""
    return _NORMAL.cdf(-math.sqrt(n / (n - 1)) * -_t_quantile(tail, n - 1))


def p_value(draws: Floats, n: int, *, by_spread: bool = False) -> float:
    """Two-sided level at which the interval just excludes zero.

    By percentiles; where fewer draws than can tell lie beyond zero, the level of so few or, if it is smaller, that of a
    t interval, so that no p-value hangs on how many draws there are. `by_spread`: of a t interval.
    """
    share = min(float(np.mean(draws <= 0)), float(np.mean(draws >= 0)))
    least = _LEAST_DRAWS / draws.size
    of_spread = abs(float(draws.mean())) / max(float(draws.std()), 1e-12)
    of_percentile = -_NORMAL.inv_cdf(min(max(share, least), 0.5))
    z = of_spread if by_spread else of_percentile if share >= least else max(of_spread, of_percentile)
    return min(1.0, 2 * _t_tail(z / math.sqrt(n / (n - 1)), n - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: each p-value by how many are left, never smaller than the one before."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return corrected


def findings(
    design: Design, rows: Mapping[Run, Row], contrasts: Sequence[Contrast], *, corrected: bool
) -> list[Finding]:
    """What the rows say of the contrasts; one without a complete block is left out."""
    found = []
    for contrast in contrasts:
        own = contrast.round if isinstance(contrast, Afterthought) else None
        blocks = differences(rows, contrast, own or design.measure.round)
        if blocks:
            n_queries = sum(part.size for parts in blocks.values() for part in parts)
            interval = interval_of(blocks, design.bootstrap)
            found.append(Finding(contrast, interval, base_means(blocks), len(blocks), n_queries))
    if not corrected:
        return found
    # A contrast that could not be measured counts all the same, with p = 1.
    padded = [one.interval.p for one in found] + [1.0] * (len(contrasts) - len(found))
    return [replace(one, p_holm=p) for one, p in zip(found, holm(padded), strict=False)]


class _Tally(NamedTuple):
    """Distinct values and how often each stands among `n`: the mean of resampled values follows from these alone."""

    distinct: Floats
    shares: Floats
    n: int


def _tally(values: Floats) -> _Tally:
    distinct, counts = np.unique(values, return_counts=True)
    return _Tally(distinct, counts / values.size, values.size)


def _mean_of_drawn(
    units: Sequence[Unit], n_draws: int, rng: np.random.Generator, draw: Callable[[Unit, int], Floats]
) -> Floats:
    """Draws of the mean over as many units as there are, drawn with replacement, each by `draw` anew."""
    total = np.zeros(n_draws)
    for _ in units:
        drawn = rng.integers(len(units), size=n_draws)
        for index, unit in enumerate(units):
            hit = np.flatnonzero(drawn == index)
            total[hit] += draw(unit, hit.size)
    return total / len(units)


def _seed_draws(seeds: Sequence[Sequence[_Tally]], n_draws: int, rng: np.random.Generator) -> Floats:
    return _mean_of_drawn(seeds, n_draws, rng, lambda parts, size: _query_draws(parts, size, rng))


def _query_draws(parts: Sequence[_Tally], n_draws: int, rng: np.random.Generator) -> Floats:
    total = np.zeros(n_draws)
    for one in parts:
        total += rng.multinomial(one.n, one.shares, size=n_draws) @ one.distinct / one.n
    return total


def _t_tail(t: float, degrees: int) -> float:
    """Probability that a t variable is above t ≥ 0 (DLMF 8.17: half an incomplete beta)."""
    return float(beta_probability(degrees / (degrees + t * t), degrees / 2, 0.5)) / 2 if t > 0 else 0.5


def _t_quantile(tail: float, degrees: int) -> float:
    """Value below which a t variable lies with probability `tail` < 1/2: negative."""
    x = float(beta_quantile(2 * tail, degrees / 2, 0.5))
    return -math.sqrt(degrees * (1 - x) / x)
