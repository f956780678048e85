"""Worlds: distributions of true pass rates, as mixtures of Betas, two of them fitted to counts of real models.

Real counts: of the 7,500 MATH training queries, one 7B model had no correct response to 557 after 65 tries each, to 523
after 81 and to 221 after 273; one 8B model to 1,803 after 70. Expected is 7,500 E[(1 - rate)^n]. Grain: one world.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dast.allocation.standings import Floats, Ints
from dast.difficulty.posterior import Beta

N_QUERIES = 7_500
SEVEN_B = {65: 557, 81: 523, 273: 221}
"""Queries without a correct response, by tries."""
EIGHT_B = {70: 1_803}

_BODY = Beta(1.0, 0.6)
"""7B: of the queries it can solve; assumed, since the counts say nothing of it. Mean 0.625, no heap at 0."""
_TAIL_SIZE = 300.0
"""7B: a + b of the component near 0. Larger ones fit as well, smaller ones worse; this one keeps some spread."""
_EASY_END = 0.6
"""8B: b of its Beta, assumed; one count settles one number, a."""

_log_gamma = np.vectorize(math.lgamma, otypes=[np.float64])


@dataclass(frozen=True)
class Part:
    """A component; `a` of 0 stands for queries whose rate is exactly 0."""

    weight: float
    a: float
    b: float


@dataclass(frozen=True)
class World:
    """A distribution of true pass rates."""

    name: str
    parts: tuple[Part, ...]

    @property
    def prior(self) -> Beta | None:
        """The exact prior, where it is a Beta."""
        (part, *others) = self.parts
        return None if others else Beta(part.a, part.b)

    def rates(self, n_queries: int, rng: np.random.Generator) -> Floats:
        """True pass rates of so many queries."""
        of = rng.choice(len(self.parts), size=n_queries, p=[part.weight for part in self.parts])
        draws = [rng.beta(part.a, part.b, n_queries) if part.a else np.zeros(n_queries) for part in self.parts]
        return np.stack(draws)[of, np.arange(n_queries)]

    def evidence(self, n: Ints | int, c: Ints | int) -> Floats:
        """Probability of one given row of n rollouts, c of them correct."""
        n, c = np.broadcast_arrays(np.asarray(n), np.asarray(c))
        return np.asarray(sum(part.weight * _evidence(part, n, c) for part in self.parts))

    def chance(self, n: Ints | int, c: Ints | int) -> Floats:
        """Probability that the next rollout is correct, after c correct of n."""
        return np.asarray(self.evidence(np.asarray(n) + 1, np.asarray(c) + 1) / self.evidence(n, c))

    def unsolved(self, tries: int, n_queries: int = N_QUERIES) -> float:
        """Expected queries without a correct response after so many tries each."""
        return n_queries * float(self.evidence(tries, 0))


def worlds() -> tuple[World, ...]:
    """All worlds; the first is the one of every further table."""
    return (
        World("Beta(0.45, 0.6)", (Part(1.0, 0.45, 0.6),)),
        seven_b(),
        eight_b(),
        World("two clusters", (Part(0.5, 1.5, 12.0), Part(0.5, 12.0, 1.5))),
        World("middle", (Part(1.0, 2.0, 2.0),)),
        World("10 % impossible", (Part(0.1, 0.0, 1.0), Part(0.9, 1.0, 1.0))),
    )


def seven_b() -> World:
    """Least squares of the counts' logarithms over weight and mean of the component near 0, on a fine grid."""
    weight, mean = np.meshgrid(np.linspace(0.05, 0.15, 201), np.geomspace(0.003, 0.015, 201))
    misses = np.zeros(weight.shape)
    for tries, count in SEVEN_B.items():
        tail = _evidence_of(_TAIL_SIZE * mean, _TAIL_SIZE * (1.0 - mean), tries)
        body = _evidence(Part(1.0, *_BODY), np.array(tries), np.array(0))
        misses += np.log(N_QUERIES * (weight * tail + (1.0 - weight) * body) / count) ** 2
    best = np.unravel_index(misses.argmin(), misses.shape)
    w, m = float(weight[best]), float(mean[best])
    return World("like a 7B", (Part(w, _TAIL_SIZE * m, _TAIL_SIZE * (1.0 - m)), Part(1.0 - w, *_BODY)))


def eight_b() -> World:
    """The a at which Beta(a, 0.6) expects the count, by bisection."""
    ((tries, count),) = EIGHT_B.items()
    low, high = 0.01, 2.0
    for _ in range(60):
        middle = (low + high) / 2.0
        more = World("", (Part(1.0, middle, _EASY_END),)).unsolved(tries) > count
        low, high = (middle, high) if more else (low, middle)
    return World("like an 8B", (Part(1.0, low, _EASY_END),))


def single_beta() -> World:
    """The one Beta nearest to the 7B's counts, for comparison; least squares of logarithms on a grid."""
    a, b = np.meshgrid(np.geomspace(0.05, 3.0, 200), np.geomspace(0.1, 30.0, 200))
    misses = sum(np.log(N_QUERIES * _evidence_of(a, b, tries) / count) ** 2 for tries, count in SEVEN_B.items())
    best = np.unravel_index(np.argmin(misses), a.shape)
    return World("one Beta", (Part(1.0, float(a[best]), float(b[best])),))


def _evidence(part: Part, n: Ints, c: Ints) -> Floats:
    if part.a == 0.0:
        return np.where(c == 0, 1.0, 0.0)
    log = _log_beta(part.a + c, part.b + n - c) - _log_beta(np.asarray(part.a), np.asarray(part.b))
    return np.asarray(np.exp(log))


def _evidence_of(a: Floats, b: Floats, tries: int) -> Floats:
    """No correct response in so many tries, a Beta(a, b) an entry."""
    return np.asarray(np.exp(_log_beta(a, b + tries) - _log_beta(a, b)))


def _log_beta(a: Floats, b: Floats) -> Floats:
    return np.asarray(_log_gamma(a) + _log_gamma(b) - _log_gamma(a + b))
