"""The `train` section: optimiser, and what both methods share."""

from __future__ import annotations

from typing import Literal

from dast.params.section import (
    Count,
    NonNegativeFloat,
    PerLevelCount,
    PositiveCount,
    PositiveFloat,
    Rate,
    Section,
)


class Optimiser(Section):
    """Settings of one training run."""

    steps: PositiveCount | None
    """Optimiser steps; null trains for `epochs`."""
    epochs: PositiveFloat
    """Passes over the set, `repeat` counted in; used when `steps` is null."""
    batch_size: PositiveCount
    """Rows of one forward pass."""
    accumulate_batches: PositiveCount
    """Forward passes of one optimiser step."""
    optimizer: Literal["adamw_torch", "adafactor"]
    """adafactor holds no second float32 copy of every weight: for a GPU that AdamW does not fit on."""
    learning_rate: PositiveFloat
    schedule: Literal["linear", "cosine", "constant_with_warmup"]
    warmup_steps: Count
    weight_decay: NonNegativeFloat
    adam_beta2: Rate
    max_grad_norm: PositiveFloat


class Sft(Optimiser):
    """Supervised training on kept responses."""


class Dpo(Optimiser):
    """Preference training on pairs."""

    beta: PositiveFloat
    nll_weight: NonNegativeFloat
    """Weight of the chosen response's negative log-likelihood beside the preference loss; 0 is plain DPO."""


class Train(Section):
    """Training by TRL."""

    sft: Sft
    dpo: Dpo
    repeat: PerLevelCount
    """Most times that a row of a level is trained on in one pass: as often as rollouts gave its text, up to this."""
    max_tokens: PositiveCount
    """Longest row, prompt and completion together, in tokens; a longer row is refused."""
    checkpoint_steps: PositiveCount
    """Optimiser steps between checkpoints, from the last of which a killed run goes on."""
    bf16: bool
    """Compute in bfloat16 (weights stay float32 while training) and save in it."""
    gradient_checkpointing: bool
    seed: Count
