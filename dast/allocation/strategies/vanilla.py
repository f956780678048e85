"""vanilla: the whole budget spread evenly over all queries, whatever they have got.

Rejection sampling with a fixed number of samples, as in ReST-EM (Singh et al. 2024) and RFT (Yuan et al. 2023): with
budget B and n queries, k_i = B / n rollouts each, `sample`'s included. No parameters; no quota, and no cap.
"""

from __future__ import annotations

import numpy as np

from dast.allocation.budget import Purse
from dast.allocation.quotas import UNLIMITED, even_wave
from dast.allocation.standings import NO_LEVEL, Standings, Targets, Wave
from dast.params.augment import Augment


class Vanilla:
    """Even shares."""

    def __init__(self, settings: Augment) -> None:
        self._wave = settings.wave

    @property
    def formula(self) -> str:
        """What is done, with its numbers."""
        return "every query gets an even share of the budget, whatever it has got"

    def targets(self, standings: Standings) -> Targets:
        """As many correct responses as there may be."""
        levelled = standings.level != NO_LEVEL
        return Targets(np.where(levelled, UNLIMITED, 0), np.where(levelled, UNLIMITED, standings.spent))

    def plan(self, standings: Standings, purse: Purse) -> Wave:
        """Everyone's share of what is left, at most `wave` of it at once."""
        return even_wave(standings, standings.level != NO_LEVEL, purse, self._wave)
