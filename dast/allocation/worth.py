"""What further rollouts of one query are worth, when each has a price: a stopping problem, solved exactly.

A query whose rate is believed to be Beta(a, b) wants `need` more correct responses. The first one is worth
`first_worth` if the query has none yet, every other one 1, those beyond `need` nothing. Rollouts come one by one, cost
λ each, and may be stopped after any. With k rollouts seen, j of them correct, the chance of the next is
p = (a + j) / (a + b + k), and the value of going on optimally is

    V(k, j) = max(0, p (w_j + V(k+1, j+1)) + (1 - p) V(k+1, j) - λ),   V = 0 at the horizon and once j = need.

The largest λ at which the first rollout is still taken is the query's index: what its rollouts bring at best, each,
learning included (Gittins' index for a stopping problem; Whittle's relaxation of a common budget). Which λ spends a
budget follows from the expected number of rollouts that the same rule takes. Grain: one row a different state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dast.allocation.standings import Floats, Ints

N_PRICES = 160
CHEAPEST = 0.002
"""Lowest price looked at: one correct response in 500 rollouts."""
HORIZON = 128
"""Most rollouts looked ahead. The price that spends 16 rollouts a query is the same at 256; the one that spends 48 is
a quarter lower than there, which each wave corrects."""

_ROUNDING = 1e-12
"""Values this near are equal: at a `look_cost` of 0, rollouts that are taken anyhow still come at once."""


@dataclass(frozen=True)
class State:
    """What a query's further rollouts are worth depends on this alone."""

    a: float
    b: float
    need: int
    """Correct responses still wanted, at least 1."""
    first: bool
    """The query has no correct response yet."""
    most: int
    """Rollouts that it may still get, at least 1."""


@dataclass(frozen=True)
class Worth:
    """One state's answers, an entry a price of the grid."""

    n_rollouts: Floats
    """Expected rollouts if each costs the price."""
    take: Ints
    """Rollouts to take before the next look; 0 where the price is above the index."""


def prices(first_worth: float) -> Floats:
    """The grid, rising: no rollout is worth more than `first_worth`."""
    return np.geomspace(CHEAPEST, first_worth, N_PRICES)


def worths(states: list[State], wave: int, first_worth: float, look_cost: float) -> list[Worth]:
    """What further rollouts of each state are worth.

    Args:
        states: Different states.
        wave: Most rollouts between two looks.
        first_worth: Worth of a query's first correct response.
        look_cost: How much less than one by one, in rollouts at their price, taking several at once may bring.
    """
    if not states:
        return []
    most = np.array([min(state.most, HORIZON) for state in states])
    solver = _Solver(states, most, prices(first_worth), first_worth)
    early, n_rollouts = solver.solve(wave)
    take = solver.take(early, look_cost)
    return [Worth(*entry) for entry in zip(n_rollouts, take, strict=True)]


class _Solver:
    """Backward induction over all states and prices at once: axes state, correct responses so far, price."""

    def __init__(self, states: list[State], most: Ints, price: Floats, first_worth: float) -> None:
        self._a = np.array([state.a for state in states])[:, None]
        self._total = self._a + np.array([state.b for state in states])[:, None]
        need = np.array([state.need for state in states])
        self._most, self._price = most, price
        self._correct = np.arange(need.max())[None, :]
        first = np.array([state.first for state in states])[:, None] & (self._correct == 0)
        self._reward = np.where(first, first_worth, 1.0)[..., None]
        self._open = (self._correct < need[:, None])[..., None]

    def solve(self, wave: int) -> tuple[list[Floats], Floats]:
        """Values after 0 to `wave` rollouts, and the expected number of rollouts from the start."""
        shape = (self._most.size, self._correct.size + 1, self._price.size)
        value, count = np.zeros(shape), np.zeros(shape)
        early: list[Floats] = [value] * (wave + 1)
        for k in range(int(self._most.max()), -1, -1):
            if k < self._most.max():
                value, count = self._step(k, value, count)
            if k <= wave:
                early[k] = value
        return early, count[:, 0]

    def _step(self, k: int, value: Floats, count: Floats) -> tuple[Floats, Floats]:
        chance = self._chance(k)
        go_on = chance * (self._reward + value[:, 1:]) + (1.0 - chance) * value[:, :-1] - self._price
        taken = (go_on > 0.0) & self._open & (k < self._most)[:, None, None]
        counts = 1.0 + chance * count[:, 1:] + (1.0 - chance) * count[:, :-1]
        new_value, new_count = np.zeros_like(value), np.zeros_like(count)
        new_value[:, :-1], new_count[:, :-1] = np.where(taken, go_on, 0.0), np.where(taken, counts, 0.0)
        return new_value, new_count

    def take(self, early: list[Floats], look_cost: float) -> Ints:
        """The largest number that, taken at once and gone on from optimally, is within `look_cost` of the best."""
        best = early[0][:, 0]
        taken = np.where(best > 0.0, 1, 0)
        reached = np.zeros((self._most.size, self._correct.size + 1))
        reached[:, 0] = 1.0
        gained = np.zeros_like(best)
        for k in range(len(early) - 1):
            chance = self._chance(k)[..., 0]
            earned = (reached[:, :-1] * chance * (self._reward * self._open)[..., 0]).sum(axis=1)
            gained = gained + earned[:, None] - self._price
            stayed, moved = reached[:, :-1] * (1.0 - chance), reached[:, :-1] * chance
            reached = np.pad(stayed, ((0, 0), (0, 1))) + np.pad(moved, ((0, 0), (1, 0)))
            total = gained + (reached[..., None] * early[k + 1]).sum(axis=1)
            near = (best - total <= look_cost * self._price + _ROUNDING) & (best > 0.0) & (k < self._most)[:, None]
            taken = np.where(near, k + 1, taken)
        return taken

    def _chance(self, k: int) -> Floats:
        rate: Floats = (self._a + np.minimum(self._correct, k)) / (self._total + k)
        return rate[..., None]
