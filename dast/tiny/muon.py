"""Muon: momentum whose update is made orthogonal, for the weight matrices inside a network.

On the tiny base it halves the optimiser steps, and it alone learns to answer the last of several queries in that
time. ``torch.optim.Muon`` computes in bfloat16, which takes five times as long on a CPU without bfloat16 units; this
one computes in the type of the weights, and all matrices of one shape at once.

Method: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/; the step is scaled to the size of an AdamW step
as in Liu et al. 2025, https://arxiv.org/abs/2502.16982.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Quintic that brings all singular values to between about 0.7 and 1.2 in five rounds."""

ROUNDS = 5
RMS_OF_ADAMW = 0.2


class Muon(torch.optim.Optimizer):
    """For matrices only; give embeddings and vectors to AdamW."""

    def __init__(
        self, matrices: Iterable[torch.Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.01
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            by_shape: dict[tuple[int, int], list[torch.Tensor]] = {}
            for matrix in group["params"]:
                by_shape.setdefault((min(matrix.shape), max(matrix.shape)), []).append(matrix)
            for (_, longest), matrices in by_shape.items():
                scale = group["lr"] * RMS_OF_ADAMW * longest**0.5
                updates = orthogonal(torch.stack([self._lying(m, group["momentum"]) for m in matrices]))
                for matrix, update in zip(matrices, updates, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"])
                    matrix.sub_(update.T if matrix.size(0) > matrix.size(1) else update, alpha=scale)

    def _lying(self, matrix: torch.Tensor, momentum: float) -> torch.Tensor:
        """Nesterov's momentum, transposed where the matrix is higher than wide."""
        assert matrix.grad is not None
        average = self.state[matrix].setdefault("average", torch.zeros_like(matrix))
        average.lerp_(matrix.grad, 1 - momentum)
        ahead = matrix.grad.lerp(average, momentum)
        return ahead.T if matrix.size(0) > matrix.size(1) else ahead


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """Matrices with nearly orthonormal rows, by Newton-Schulz; takes a batch, none higher than wide."""
    a, b, c = COEFFICIENTS
    x: torch.Tensor = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ROUNDS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x
