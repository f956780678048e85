"""The `train` section: optimiser, and what both methods share."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dast.params.section import (
    Count,
    NonNegativeFloat,
    PerLevelCount,
    PositiveCount,
    PositiveFloat,
    Rate,
    Section,
    Text,
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
    precompute_ref_log_probs: bool
    """Ask the reference once for every row before training, so that its weights need no memory beside the model's."""


class LevelWeights(Section):
    """How much a row of each level counts in training, beside others."""

    easy: NonNegativeFloat
    medium: NonNegativeFloat
    hard: NonNegativeFloat
    unsolved: NonNegativeFloat

    def at(self, level: str) -> float:
        """The weight of a level, by name."""
        return float(getattr(self, level))


class Lora(Section):
    """An adapter (LoRA, by peft) is trained, and is the round's model."""

    rank: PositiveCount
    alpha: PositiveFloat
    """Its changes are scaled by alpha / rank."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)]
    targets: Annotated[list[Text], Field(min_length=1)] | None
    """Names of the layers that get it, such as q_proj; null for all linear layers but the head."""
    quantized: bool
    """Hold the base's weights in 4 bits while training (QLoRA, by bitsandbytes; needs a GPU)."""
    merge: bool
    """Save the whole model instead of the adapter, for an engine that takes none."""

    @model_validator(mode="after")
    def _merged_in_full(self) -> Self:
        if self.quantized and self.merge:
            raise ValueError("merge: weights in 4 bits give no whole model; use one of quantized and merge")
        return self


class Launch(Section):
    """Processes that train together, one a GPU; a step has batch_size × accumulate_batches rows of each."""

    processes: PositiveCount
    """On all machines together."""
    machines: PositiveCount
    strategy: Literal["ddp", "fsdp"]
    """`ddp`: every process holds the whole model; `fsdp`: a share of it (dast/training/fsdp.yaml, not tried)."""

    @model_validator(mode="after")
    def _evenly(self) -> Self:
        if self.processes % self.machines:
            raise ValueError(f"processes {self.processes} is no multiple of machines {self.machines}")
        return self


class Train(Section):
    """Training by TRL."""

    sft: Sft
    dpo: Dpo
    repeat: PerLevelCount
    """Most times that a row of a level is trained on in one pass: as often as rollouts gave its text, up to this."""
    level_weights: LevelWeights | None
    """SFT: how much a row counts; null for all alike. A row without a level counts 1, one of weight 0 not at all."""
    weigh_by: Literal["rows", "loss"]
    """`rows`: it stands in a pass this many times as often, a fraction by lot; `loss`: its loss counts so many times,
    the mean weight being taken for 1. Nothing without `level_weights`."""
    max_tokens: PositiveCount
    """Longest row, prompt and completion together, in tokens; a longer row is refused."""
    checkpoint_steps: PositiveCount
    """Optimiser steps between checkpoints, from the last of which a killed run goes on."""
    bf16: bool
    """Compute in bfloat16 (weights stay float32 while training) and save in it."""
    gradient_checkpointing: bool
    """Compute activations anew in the backward pass: a third more time for far less memory."""
    packing: bool
    """SFT: rows one behind the other up to `max_tokens` instead of padded; needs FlashAttention 2 and bf16."""
    lora: Lora | None
    """Null trains every weight."""
    launch: Launch
    seed: Count

    @model_validator(mode="after")
    def _shared_whole(self) -> Self:
        if self.lora is not None and self.launch.strategy == "fsdp":
            raise ValueError("launch.strategy: fsdp saves no adapters here; use ddp, or lora: null")
        return self

    @model_validator(mode="after")
    def _weighed_apart(self) -> Self:
        if self.packing and self.level_weights is not None and self.weigh_by == "loss":
            raise ValueError("weigh_by: packed rows have one loss; use rows, or packing: false")
        return self
