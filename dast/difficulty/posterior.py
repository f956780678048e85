"""Beta distributions: what is believed of a query's pass rate, before its rollouts are seen and after.

Guarantees: probabilities are right to 1e-9 for parameters from 1e-3 to 1e5, quantiles to 1e-11 of the rate; an
element's value does not depend on its neighbours in an array. Grain: one number an element.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_HALVINGS = 40
"""Halvings of [0, 1] for a quantile: 2^-40 is 1e-12."""
_TERMS = 5_000
"""Most terms of the continued fraction; about the square root of the larger parameter is needed."""
_CONVERGED = 1e-14
_TINY = 1e-300

_log_gamma = np.vectorize(math.lgamma, otypes=[np.float64])


class Beta(NamedTuple):
    """The distribution of a pass rate with density ∝ rate^(a-1) (1-rate)^(b-1); a and b are positive."""

    a: float
    b: float


def beta_probability(rate: ArrayLike, a: ArrayLike, b: ArrayLike) -> Floats:
    """Probability that a Beta(a, b) rate is at most `rate`, elementwise: the regularised incomplete beta I_x(a, b).

    The continued fraction of DLMF 8.17.22 on the side where it converges fast, by the modified Lentz recurrence.
    """
    x, a, b = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (rate, a, b)))
    swapped = x * (a + b + 2.0) > a + 1.0
    x, a, b = np.where(swapped, 1.0 - x, x), np.where(swapped, b, a), np.where(swapped, a, b)
    inside = (x > 0.0) & (x < 1.0)
    safe = np.where(inside, x, 0.5)
    log_front = a * np.log(safe) + b * np.log1p(-safe) - _log_beta(a, b)
    lower = np.where(inside, np.exp(log_front) / (a * _fraction(safe, a, b)), np.where(x >= 1.0, 1.0, 0.0))
    return np.where(swapped, 1.0 - lower, lower)


def beta_quantile(probability: ArrayLike, a: ArrayLike, b: ArrayLike) -> Floats:
    """Rate below which a Beta(a, b) rate lies with `probability`, elementwise, by bisection."""
    wanted, a, b = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (probability, a, b)))
    low, high = np.zeros(wanted.shape), np.ones(wanted.shape)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        below = beta_probability(middle, a, b) < wanted
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2.0


def _log_beta(a: Floats, b: Floats) -> Floats:
    total: Floats = _log_gamma(a) + _log_gamma(b) - _log_gamma(a + b)
    return total


def _fraction(x: Floats, a: Floats, b: Floats) -> Floats:
    """1 + d1/(1 + d2/(1 + …)) of DLMF 8.17.22; an element stops changing when it has converged."""
    value, c, d = np.ones(x.shape), np.ones(x.shape), np.zeros(x.shape)
    open_ = np.ones(x.shape, dtype=bool)
    for term in range(1, _TERMS):
        m, odd = divmod(term, 2)
        step = (
            -(a + m) * (a + b + m) * x / ((a + term - 1.0) * (a + term))
            if odd
            else m * (b - m) * x / ((a + term - 1.0) * (a + term))
        )
        d = 1.0 / _nonzero(1.0 + step * d)
        c = _nonzero(1.0 + step / c)
        value = np.where(open_, value * c * d, value)
        open_ &= np.abs(c * d - 1.0) > _CONVERGED
        if not open_.any():
            return value
    raise ArithmeticError(f"incomplete beta: no convergence in {_TERMS} terms, a {a.max()}, b {b.max()}")


def _nonzero(values: NDArray[Any]) -> Floats:
    return np.where(np.abs(values) < _TINY, _TINY, values)
