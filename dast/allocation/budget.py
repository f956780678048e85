"""The budget as a hard bound: what is left of it, and which part of a wave it still pays for.

A rollout costs 1, or its generated tokens. Those are known only afterwards, so a token budget sets aside the longest
response that the decoding allows for every rollout of a wave; what was not needed is there again for the next wave.
Grain: one number a round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dast.allocation.standings import Ints, Wave
from dast.params.augment import Budget


@dataclass(frozen=True)
class Purse:
    """A round's budget. `reserve` is the most that one rollout can cost."""

    total: int
    spent: int
    reserve: int

    @property
    def left(self) -> int:
        """Units; 0 when nothing is left, or `sample` alone spent more."""
        return max(0, self.total - self.spent)

    @property
    def rollouts(self) -> int:
        """Rollouts that are paid for whatever they cost."""
        return self.left // self.reserve

    def pay(self, units: int) -> Purse:
        """The purse after a wave that cost so much."""
        return Purse(self.total, self.spent + units, self.reserve)


def total_units(budget: Budget, n_queries: int) -> int:
    """The whole round's budget, `sample`'s part included."""
    return int(budget.per_query * n_queries)


def affordable(wave: Wave, purse: Purse) -> Ints:
    """Rollouts of the wave that the purse pays for, in the wave's order."""
    wanted = wave.counts[wave.order]
    before = np.cumsum(wanted) - wanted
    counts = np.zeros_like(wave.counts)
    counts[wave.order] = np.clip(purse.rollouts - before, 0, wanted)
    return counts
