"""Strategies by name. A new one is a file in `strategies/`, a line here, and its name in the `augment` section."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dast.allocation.budget import Purse
from dast.allocation.standings import Standings, Targets, Wave
from dast.allocation.strategies.boundary import BoundaryOnly
from dast.allocation.strategies.dast import Dast
from dast.allocation.strategies.dast_budget import BudgetedDast
from dast.allocation.strategies.prop2diff import Prop2Diff
from dast.allocation.strategies.uniform import Uniform
from dast.allocation.strategies.vanilla import Vanilla
from dast.params.augment import Augment


class Strategy(Protocol):
    """Pure: equal standings and purse give equal answers."""

    @property
    def formula(self) -> str:
        """What is done, with its numbers, as the card and the report tell it."""
        ...

    def targets(self, standings: Standings) -> Targets:
        """What each query may get."""
        ...

    def plan(self, standings: Standings, purse: Purse) -> Wave:
        """The next wave, at most `augment.wave` rollouts a query; one without a rollout ends the round.

        It may want more than the purse pays for: `budget.affordable` cuts it in its own order.
        """
        ...


STRATEGIES: dict[str, Callable[[Augment], Strategy]] = {
    "vanilla": Vanilla,
    "uniform": Uniform,
    "prop2diff": Prop2Diff,
    "boundary": BoundaryOnly,
    "dast": Dast,
    "dast_budget": BudgetedDast,
}


def strategy_of(settings: Augment) -> Strategy:
    """The strategy that the params name."""
    return STRATEGIES[settings.strategy](settings)
