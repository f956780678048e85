"""What is believed of a pass rate before its query's rollouts are seen: a Beta distribution, fixed or fitted.

Fitted is empirical Bayes: the a and b under which what all queries got is likeliest, each query's rate drawn from
Beta(a, b) and its rollouts from that rate (the beta-binomial distribution). To the queries seen, `weight` unseen ones
of 20 rollouts are added, whose results fall exactly as the fallback Beta(a, b) of the params says. So without queries
the fit is the fallback, with few it stays near it, and a hundred outvote it.

Guarantees: the fit exists and is finite, whatever the queries: all solved, none solved, all alike, one rollout each.
The likelihood alone would send a or b to 0 or infinity there, or say nothing of their sum; the added queries pull back,
and both stay within 0.001 and 100. Only counts matter, not the order of rows. The fit is rounded to six digits, so that
the metrics hold the very prior that was used. Grain: one prior a set of queries.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from dast.difficulty.posterior import Beta, Floats
from dast.params.sections import Prior

_ADDED_ROLLOUTS = 20
"""Rollouts of each added query. With 8, ten queries of two correct of four each go to the bound; with 100, a thousand
queries with rates from Beta(5, 1.5) are fitted by Beta(4.30, 1.35), where likelihood alone gives Beta(4.55, 1.41) and
20 rollouts Beta(4.51, 1.40)."""
_BOUNDS = (math.log(1e-3), math.log(1e2))
_MOST_STEPS = 500
_LONGEST_STEP = 1.0
"""Of log a or log b at once."""
_CONVERGED = 1e-9
_DIGITS = 6


def prior_of(counts: pl.DataFrame, settings: Prior) -> Beta:
    """The prior that the params ask for.

    Args:
        counts: Columns n_graded and n_correct, one row a query; queries without a graded rollout say nothing.
        settings: Fixed, or fitted to `counts`.
    """
    fallback = Beta(settings.a, settings.b)
    if settings.kind == "fixed":
        return fallback
    n, c = counts["n_graded"].to_numpy(), counts["n_correct"].to_numpy()
    return _fitted(_evidence(c, n - c, n) + _added(fallback, settings.weight), fallback)


@dataclass(frozen=True)
class _Evidence:
    """The likelihood's sufficient statistics: how many queries have more than j correct, wrong, and graded rollouts.

    log likelihood = Σ_j correct_j log(a+j) + wrong_j log(b+j) − graded_j log(a+b+j), from Γ(x+n)/Γ(x) = Π_j<n (x+j).
    """

    correct: Floats
    wrong: Floats
    graded: Floats

    def __add__(self, other: _Evidence) -> _Evidence:
        return _Evidence(
            _sum(self.correct, other.correct), _sum(self.wrong, other.wrong), _sum(self.graded, other.graded)
        )

    def log_likelihood(self, place: Floats) -> float:
        """At (log a, log b), up to a constant."""
        a, b = np.exp(place)
        terms = ((self.correct, a), (self.wrong, b), (-self.graded, a + b))
        return float(sum(weights @ np.log(start + np.arange(weights.size)) for weights, start in terms))

    def slopes(self, place: Floats) -> tuple[Floats, Floats]:
        """Gradient and Hessian by (log a, log b)."""
        a, b = np.exp(place)
        (correct, correct2), (wrong, wrong2), (graded, graded2) = (
            _reciprocals(self.correct, a),
            _reciprocals(self.wrong, b),
            _reciprocals(self.graded, a + b),
        )
        gradient = np.array([a * (correct - graded), b * (wrong - graded)])
        mixed = a * b * graded2
        hessian = [
            [a * a * (graded2 - correct2) + gradient[0], mixed],
            [mixed, b * b * (graded2 - wrong2) + gradient[1]],
        ]
        return gradient, np.array(hessian)


def _evidence(correct: Floats, wrong: Floats, graded: Floats, weights: Floats | None = None) -> _Evidence:
    return _Evidence(*(_more_than(values, weights) for values in (correct, wrong, graded)))


def _more_than(values: Floats, weights: Floats | None) -> Floats:
    """Total weight of the values above j, for j from 0."""
    held = np.bincount(values.astype(np.int64), weights=weights)
    tails: Floats = np.cumsum(held[::-1])[::-1][1:].astype(np.float64)
    return tails


def _added(prior: Beta, weight: float) -> _Evidence:
    correct = np.arange(_ADDED_ROLLOUTS + 1.0)
    wrong = _ADDED_ROLLOUTS - correct
    chances = [weight * _chance(int(c), _ADDED_ROLLOUTS, prior) for c in correct]
    return _evidence(correct, wrong, correct + wrong, np.array(chances))


def _chance(c: int, n: int, prior: Beta) -> float:
    """Probability of c correct of n when the rate is drawn from the prior."""
    a, b = prior
    ways = math.comb(n, c)
    return ways * math.exp(_log_beta(a + c, b + n - c) - _log_beta(a, b))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _fitted(evidence: _Evidence, start: Beta) -> Beta:
    """The maximum, by Newton's steps on (log a, log b), halved until the likelihood does not fall."""
    place = np.clip(np.log(start), *_BOUNDS)
    here = evidence.log_likelihood(place)
    for _ in range(_MOST_STEPS):
        step = _uphill(place, *evidence.slopes(place))
        there = np.clip(place + step, *_BOUNDS)
        while (gained := evidence.log_likelihood(there)) < here and np.abs(there - place).max() > _CONVERGED:
            step /= 2.0
            there = np.clip(place + step, *_BOUNDS)
        moved = float(np.abs(there - place).max())
        if gained >= here:
            place, here = there, gained
        if moved <= _CONVERGED:
            break
    return Beta(*(float(f"{value:.{_DIGITS}g}") for value in np.exp(place)))


def _uphill(place: Floats, gradient: Floats, hessian: Floats) -> Floats:
    """Newton's step where the likelihood curves down, the gradient's direction elsewhere; never out of the bounds."""
    low, high = _BOUNDS
    free = ~(((place <= low) & (gradient < 0.0)) | ((place >= high) & (gradient > 0.0)))
    step = np.zeros(2)
    if free.any():
        curved = hessian[np.ix_(free, free)]
        downwards = np.linalg.eigvalsh(curved).max() < 0.0
        step[free] = -np.linalg.solve(curved, gradient[free]) if downwards else gradient[free]
        step *= min(1.0, _LONGEST_STEP / max(float(np.abs(step).max()), _CONVERGED))
    return step


def _reciprocals(weights: Floats, start: float) -> tuple[float, float]:
    terms = 1.0 / (start + np.arange(weights.size))
    return float(weights @ terms), float(weights @ terms**2)


def _sum(one: Floats, other: Floats) -> Floats:
    total = np.zeros(max(one.size, other.size))
    total[: one.size] += one
    total[: other.size] += other
    return total
