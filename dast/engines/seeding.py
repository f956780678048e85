"""What vLLM's workers are asked to do besides generating; vLLM mixes this class into its own worker.

Grain: one call a batch and worker.
"""

from __future__ import annotations

import torch


class SeededWorker:
    """Gives a worker a seed for all that it draws from here on."""

    def seed_draws(self, seed: int) -> None:
        """Seeds the generators of this process, on every device."""
        torch.manual_seed(seed)
