"""prop2diff: correct responses in proportion to a query's fail rate, and at least one.

DART-Math's Prop2Diff (Tong et al. 2024, arXiv 2407.13690): the query with the highest fail rate wants k_p correct
responses, query i wants max(1, ceil(k_p × fail_i / max_j fail_j)), where fail is the share of `sample`'s graded
rollouts that are not correct. The rounding up is what its documentation says. Parameters: `prop2diff.n_correct` (k_p;
192 there), `cap`.
"""

from __future__ import annotations

import numpy as np

from dast.allocation.budget import Purse
from dast.allocation.quotas import quota_wave
from dast.allocation.standings import NO_LEVEL, Standings, Targets, Wave
from dast.params.augment import Augment
from dast.params.section import per_level

_ROUNDING = 1e-9
"""Keeps k_p × 3/4 ÷ 1 from being rounded up by its last digit."""


class Prop2Diff:
    """Quotas by fail rate."""

    def __init__(self, settings: Augment) -> None:
        self._n_correct, self._cap, self._wave = settings.prop2diff.n_correct, settings.cap, settings.wave

    @property
    def formula(self) -> str:
        """What is done, with its numbers."""
        wanted = f"max(1, ceil({self._n_correct} × fail rate / highest fail rate)) correct responses of a query"
        return f"{wanted}; rollouts at most: {per_level(self._cap)}"

    def targets(self, standings: Standings) -> Targets:
        """The formula above; a query without a graded rollout wants nothing."""
        levelled = (standings.level != NO_LEVEL) & (standings.n_graded > 0)
        fails = 1.0 - standings.n_solved / np.maximum(standings.n_graded, 1)
        highest = max(float(fails[levelled].max(initial=0.0)), _ROUNDING)
        wanted = np.maximum(1, np.ceil(self._n_correct * fails / highest - _ROUNDING)).astype(np.int64)
        return Targets(np.where(levelled, wanted, 0), standings.by_level(self._cap))

    def plan(self, standings: Standings, purse: Purse) -> Wave:
        """A wave to all who are short."""
        return quota_wave(standings, self.targets(standings), self._wave)
