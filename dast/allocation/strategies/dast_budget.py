"""dast_budget: a stated budget where the expected gain in wanted correct responses per unit is highest.

This project's own. A query of level l wants quota[l] correct responses, the first of which is worth `first_worth` (1 is
greedy on yield alone, which abandons the unsolved). Its rate is believed to be the posterior of the step on offer, not
the point estimate, so every query has an index: the price of a rollout at which rollouts of it stop paying
(dast/allocation/worth.py). Each wave, one price is sought at which all queries together would take what is left of the
budget; those whose index is above it get as many rollouts as are taken before a look at their verdicts pays, at most
`wave`, the highest index first. Verdicts change the posteriors, and the next wave finds its price anew. A query ends
with its quota, its cap, or when its next rollout is correct with probability below `min_chance`. Parameters:
`dast_budget`, `quota`, `cap`, `wave`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dast.allocation.budget import Purse
from dast.allocation.quotas import wants_more
from dast.allocation.standings import Floats, Ints, Standings, Targets, Wave, nothing
from dast.allocation.worth import HORIZON, State, Worth, prices, worths
from dast.params.augment import Augment
from dast.params.section import per_level


@dataclass(frozen=True)
class _Groups:
    """Open queries that nothing tells apart, a row each: few, however many queries there are."""

    n_rollouts: Floats
    """Expected rollouts, a column a price."""
    take: Ints
    """Rollouts to take now, a column a price."""
    cost: Floats
    n_queries: Ints
    of: Ints
    """The group of each open query."""


class BudgetedDast:
    """One price for all. Answers about a state are kept: states come back, wave after wave."""

    def __init__(self, settings: Augment) -> None:
        self._quota, self._cap, self._wave = settings.quota, settings.cap, settings.wave
        self._own = settings.dast_budget
        self._price = prices(self._own.first_worth)
        self._known: dict[State, Worth] = {}

    @property
    def formula(self) -> str:
        """What is done, with its numbers."""
        own = self._own
        wanted = f"correct responses wanted of a query: {per_level(self._quota)}, the first worth {own.first_worth:g}"
        most = f"rollouts at most: {per_level(self._cap)}"
        served = (
            "each wave goes to the queries whose rollouts are worth the price at which all would spend what is left"
        )
        ends = f"given up below a chance of {own.min_chance:g} of the next being correct"
        return f"{wanted}; {most}; {served} (look cost {own.look_cost:g}, last wave at {own.last_rate:g}); {ends}"

    def targets(self, standings: Standings) -> Targets:
        """Quota and cap of the level; a query without one wants nothing."""
        return Targets(standings.by_level(self._quota), standings.by_level(self._cap))

    def plan(self, standings: Standings, purse: Purse) -> Wave:
        """Rollouts for the queries whose index is above the price that spends what is left."""
        targets = self.targets(standings)
        open_ = np.flatnonzero(wants_more(standings, targets) & (standings.chance >= self._own.min_chance))
        if not open_.size or not purse.rollouts:
            return nothing(standings.size)
        groups = self._groups(standings, targets, open_)
        relative = groups.cost / standings.cost[open_].mean()
        place = self._places(relative)  # groups × prices: the grid's place of the price times the group's own cost
        total = (groups.n_queries * groups.cost) @ np.take_along_axis(groups.n_rollouts, place, axis=1)
        at = max(int((total >= purse.left).sum()) - 1, 0)
        now = np.take_along_axis(groups.take, place[:, at, None], axis=1)[:, 0][groups.of]
        if purse.left <= self._own.last_rate * purse.total:
            now = np.where(now > 0, np.minimum(self._wave, targets.cap[open_] - standings.spent[open_]), 0)
        counts = np.zeros(standings.size, dtype=np.int64)
        counts[open_] = np.minimum(now, standings.room[open_])
        index = self._price[np.maximum((groups.take > 0).sum(axis=1) - 1, 0)] / relative
        first = np.lexsort((standings.turn[open_], -index[groups.of]))
        closed = np.ones(standings.size, dtype=np.bool_)
        closed[open_] = False
        return Wave(counts, np.concatenate([open_[first], np.flatnonzero(closed)]))

    def _places(self, relative: Floats) -> Ints:
        wanted = self._price[None, :] * relative[:, None]
        places: Ints = np.minimum(np.searchsorted(self._price, wanted), self._price.size - 1)
        return places

    def _groups(self, standings: Standings, targets: Targets, open_: Ints) -> _Groups:
        most = np.minimum(np.minimum(targets.cap - standings.spent, standings.room), HORIZON)
        need = targets.wanted - standings.got
        columns = (standings.a, standings.b, need, standings.got == 0, most, standings.cost)
        table = np.stack([column[open_].astype(np.float64) for column in columns])
        different, of = _different(table)
        states = [State(a, b, int(n), bool(first), int(left)) for a, b, n, first, left, _ in different.T.tolist()]
        new = list(dict.fromkeys(state for state in states if state not in self._known))
        own = self._own
        self._known.update(zip(new, worths(new, self._wave, own.first_worth, own.look_cost), strict=True))
        answers = [self._known[state] for state in states]
        n_rollouts, take = np.stack([one.n_rollouts for one in answers]), np.stack([one.take for one in answers])
        return _Groups(n_rollouts, take, different[-1], np.bincount(of), of)


def _different(table: Floats) -> tuple[Floats, Ints]:
    """The columns that differ, sorted, and which of them each is. (`np.unique` by axis took most of a plan's time.)"""
    order = np.lexsort(table)
    rising = table[:, order]
    begins = np.concatenate([[True], (rising[:, 1:] != rising[:, :-1]).any(axis=0)])
    of = np.empty(order.size, dtype=np.int64)
    of[order] = np.cumsum(begins) - 1
    return rising[:, begins], of
