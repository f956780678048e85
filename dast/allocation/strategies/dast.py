"""dast: a quota of correct responses by level, more for harder ones: proportion control (DAST-P).

Difficulty-aware self-training (Xue et al. 2025, arXiv 2503.09029) raises the share of challenging queries; its quotas
are not known, so every number is a parameter. A query of level l wants quota[l] correct responses and may have cap[l]
rollouts; waves go to all who are short, those with the fewest rollouts first, until quota, cap or budget.
"""

from __future__ import annotations

from dast.allocation.budget import Purse
from dast.allocation.quotas import quota_wave
from dast.allocation.standings import Standings, Targets, Wave
from dast.params.augment import Augment
from dast.params.section import per_level


class Dast:
    """Quotas by level."""

    def __init__(self, settings: Augment) -> None:
        self._quota, self._cap, self._wave = settings.quota, settings.cap, settings.wave

    @property
    def formula(self) -> str:
        """What is done, with its numbers."""
        wanted = f"correct responses wanted of a query: {per_level(self._quota)}"
        return f"{wanted}; rollouts at most: {per_level(self._cap)}; the fewest rollouts first"

    def targets(self, standings: Standings) -> Targets:
        """Quota and cap of the level; a query without one wants nothing."""
        return Targets(standings.by_level(self._quota), standings.by_level(self._cap))

    def plan(self, standings: Standings, purse: Purse) -> Wave:
        """A wave to all who are short."""
        return quota_wave(standings, self.targets(standings), self._wave)
