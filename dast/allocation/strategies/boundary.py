"""boundary: the whole rest of the budget, evenly, to queries that are neither mastered nor out of reach.

HS-STaR (Xiong et al. 2025, arXiv 2505.19866) without its process reward model: after K pilot rollouts, the boundary
queries are those with `boundary.above` < pass rate < `boundary.below`; each gets (budget - spent) / |boundary| further
rollouts, the remainder one by one. Its own bounds need a reward model; with 0 and 1 the boundary is every query that is
neither always nor never solved. No quota, no cap.
"""

from __future__ import annotations

import numpy as np

from dast.allocation.budget import Purse
from dast.allocation.quotas import UNLIMITED, even_wave
from dast.allocation.standings import Flags, Standings, Targets, Wave
from dast.params.augment import Augment


class BoundaryOnly:
    """Even shares for queries between two pass rates."""

    def __init__(self, settings: Augment) -> None:
        self._bounds, self._wave = settings.boundary, settings.wave

    @property
    def formula(self) -> str:
        """What is done, with its numbers."""
        bounds = f"{self._bounds.above:g} < pass rate < {self._bounds.below:g}"
        return f"queries with {bounds} share what `sample` left of the budget evenly"

    def targets(self, standings: Standings) -> Targets:
        """As many correct responses as there may be, for boundary queries."""
        inside = self._inside(standings)
        return Targets(np.where(inside, UNLIMITED, 0), np.where(inside, UNLIMITED, standings.spent))

    def plan(self, standings: Standings, purse: Purse) -> Wave:
        """Each boundary query's share of what is left, at most `wave` of it at once."""
        return even_wave(standings, self._inside(standings), purse, self._wave)

    def _inside(self, standings: Standings) -> Flags:
        rate = standings.n_solved / np.maximum(standings.n_graded, 1)
        inside: Flags = (standings.n_graded > 0) & (rate > self._bounds.above) & (rate < self._bounds.below)
        return inside
