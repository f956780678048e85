"""What no strategy can exceed that does not know the rates, even with the world's exact distribution of them.

Weak duality: give up the common budget and let every rollout cost λ instead. Any strategy that keeps the budget B is
allowed there too, so its expected yield is at most Σ V_λ(query) + λ B for every λ ≥ 0, where V_λ is the value of going
on optimally with one query alone: a stopping problem, solved backwards over all its states within the cap. The least of
these numbers over λ is the bound. It takes no look or wave into account, so it holds for every size of wave. With a
worth of newly solved queries the same bounds yield + (worth - 1) × newly solved. Grain: one number a round.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from benchmarks.allocation.rounds import CAP, QUOTA, Ground, counting
from benchmarks.allocation.worlds import World
from dast.allocation.standings import Floats

PRICES = np.concatenate([[0.0], np.geomspace(5e-4, 1.0, 300)])
"""Values of λ; each gives a valid bound, so a coarse grid only loosens it."""


def bound(world: World, truth: Ground, pilot: int, budget: int, first_worth: float = 1.0) -> float:
    """Most that can be expected of yield + (first_worth - 1) × newly solved, given the pilot's counts."""
    right, among = truth.after(pilot), counting(truth, pilot)
    held = np.bincount(right[among], minlength=QUOTA)[:QUOTA]
    values = np.zeros(PRICES.size)
    for got, count in enumerate(held.tolist()):
        values += count * worth(world, pilot, got, first_worth)
    left = (budget - pilot) * truth.rate.size
    return float((values + PRICES * left).min()) + int(np.minimum(right[among], QUOTA).sum())


@cache
def worth(world: World, pilot: int, got: int, first_worth: float) -> Floats:
    """V at every price, of a query with `got` correct of the pilot."""
    need = QUOTA - got
    value = np.zeros((need + 1, PRICES.size))
    more = np.arange(need)
    reward = np.where((more == 0) & (got == 0), first_worth, 1.0)[:, None]
    for spent in range(CAP - 1, pilot - 1, -1):
        # States that the history cannot have reached get a chance, too; they are never entered.
        chance = world.chance(np.full(need, spent), np.minimum(got + more, spent))[:, None]
        go_on = chance * (reward + value[1:]) + (1.0 - chance) * value[:-1] - PRICES
        value = np.concatenate([np.maximum(go_on, 0.0), np.zeros((1, PRICES.size))])
    return np.asarray(value[0])
