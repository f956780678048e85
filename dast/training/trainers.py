"""TRL's trainers, with losses that may be weighed row by row, and that end the run where they are not finite.

Guarantees: an SFT step's loss is the same whatever accumulated batches and processes it is made of. Grain: one step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from trl import DPOTrainer, SFTTrainer

from dast.errors import ModelError
from dast.training.sets import WEIGHT

Rows = list[dict[str, Any]]
Batch = dict[str, Any]


class Sft(SFTTrainer):  # type: ignore[misc]
    """SFT by TRL. With a column `weight` each row's loss counts so many times; it is divided by tokens, as without."""

    _signature_columns: list[str]

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        weight = inputs.pop(WEIGHT, None)
        if weight is None:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        told = model(**inputs, use_cache=False, fused_lm_head=True)
        # Tokens of all accumulated batches on all processes, whose gradients are then averaged; where the model's
        # forward takes no such number, those of the batch alone, and the trainer averages over accumulated batches.
        n_tokens = told.label_mask.sum() if num_items_in_batch is None else num_items_in_batch
        n_averaged = 1 if num_items_in_batch is None else self.accelerator.num_processes
        return -(told.log_probs * weight[:, None]).sum() * n_averaged / n_tokens

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        self._signature_columns = list(dict.fromkeys([*self._signature_columns, WEIGHT]))

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        return _finite(super().training_step(*args, **kwargs), "sft", self.state.global_step)


class Dpo(DPOTrainer):  # type: ignore[misc]
    """DPO by TRL."""

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        return _finite(super().training_step(*args, **kwargs), "dpo", self.state.global_step)


def with_weights(collate: Callable[[Rows], Batch]) -> Callable[[Rows], Batch]:
    """A collator that hands the rows' weights on."""
    return lambda rows: {**collate(rows), WEIGHT: torch.tensor([row[WEIGHT] for row in rows])}


def _finite(loss: torch.Tensor, method: str, step: int) -> torch.Tensor:
    if not torch.isfinite(loss):
        raise ModelError(f"{method}: the loss of step {step + 1} is {loss.item()}; lower train.{method}.learning_rate")
    return loss
