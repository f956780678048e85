"""uniform: k_u correct responses of every query, whatever its level.

DART-Math's Uniform (Tong et al. 2024, arXiv 2407.13690): sample each query until it has k_u correct responses, or its
cap of rollouts. Parameters: `uniform.n_correct` (k_u; 40 there), `cap`.
"""

from __future__ import annotations

import numpy as np

from dast.allocation.budget import Purse
from dast.allocation.quotas import quota_wave
from dast.allocation.standings import NO_LEVEL, Standings, Targets, Wave
from dast.params.augment import Augment
from dast.params.section import per_level


class Uniform:
    """The same quota for all."""

    def __init__(self, settings: Augment) -> None:
        self._n_correct, self._cap, self._wave = settings.uniform.n_correct, settings.cap, settings.wave

    @property
    def formula(self) -> str:
        """What is done, with its numbers."""
        return f"{self._n_correct} correct responses of every query; rollouts at most: {per_level(self._cap)}"

    def targets(self, standings: Standings) -> Targets:
        """k_u correct responses."""
        return Targets(np.where(standings.level != NO_LEVEL, self._n_correct, 0), standings.by_level(self._cap))

    def plan(self, standings: Standings, purse: Purse) -> Wave:
        """A wave to all who are short."""
        return quota_wave(standings, self.targets(standings), self._wave)
