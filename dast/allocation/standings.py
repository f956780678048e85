"""What is known of every query while a round's budget is spent.

Guarantees: pure data, in columns; entry i of every column is one query. A round holds one, and so does every simulated
round of a forecast. Grain: one entry a train query.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dast.params.section import PerLevelCount
from dast.tables import LEVELS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

NO_LEVEL = -1
"""Code of a query that has no level, since nothing of it could be graded; the others are places in `LEVELS`."""


@dataclass(frozen=True)
class Standings:
    """One round's queries, in the order of their ids."""

    level: Ints
    """Code of the difficulty level that steers the round."""
    turn: Ints
    """Every query's place among equals: a permutation that follows from the seed and the ids alone."""
    n_graded: Ints
    """`sample`'s graded rollouts of this round's policy."""
    n_solved: Ints
    """Correct ones among them."""
    spent: Ints
    """Rollouts, of every step and verdict."""
    paid: Floats
    """What they have cost, in the budget's unit."""
    got: Ints
    """Correct responses, hinted ones left out."""
    a: Floats
    """With `b`: the posterior Beta(a, b) of the rate at which the step on offer is correct."""
    b: Floats
    cost: Floats
    """What a rollout of the step on offer will probably cost, in the budget's unit."""
    room: Ints
    """Most rollouts that the engine can still give; `spent` moves it down."""

    @property
    def size(self) -> int:
        """Queries."""
        return self.level.size

    @property
    def chance(self) -> Floats:
        """Posterior probability that the next rollout of the step on offer is correct."""
        return self.a / (self.a + self.b)

    def with_columns(self, **columns: Any) -> Standings:
        """A copy with these columns replaced."""
        return replace(self, **columns)

    def by_level(self, counts: PerLevelCount) -> Ints:
        """Each query's entry of a number a level; 0 where it has no level."""
        table = np.array([*(counts.at(level) for level in LEVELS), 0], dtype=np.int64)
        return table[self.level]


@dataclass(frozen=True)
class Targets:
    """What each query may get."""

    wanted: Ints
    """Correct responses, `sample`'s included; 0 asks for no further rollout."""
    cap: Ints
    """Rollouts, `sample`'s included."""


@dataclass(frozen=True)
class Wave:
    """The rollouts that a strategy wants next, and who is served first if not all can be."""

    counts: Ints
    order: Ints
    """Places of the queries, the first served first."""


def nothing(size: int) -> Wave:
    """A wave without a rollout: the strategy has ended."""
    return Wave(np.zeros(size, dtype=np.int64), np.arange(size))
