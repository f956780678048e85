"""A training step: what one process holds on its GPU at the worst moment.

Guarantees: from shapes and params alone. Grain: one training run.

In bytes. Weights, gradients and the optimiser's state are in float32. Under bf16, autocast holds copies of the layers'
weights in bfloat16 from the forward pass to the end of the backward pass, those of the reference of DPO, a second
model, for its own pass. Of an adapter, gradients and state are its own alone, its base may be held in 4 bits, and the
reference is the base. Gradients are made while activations are given back, so the two never stand side by side, but
where several batches make a step. TRL takes the loss through the head tile by tile and never has all logits.
"""

from __future__ import annotations

from dataclasses import dataclass

from dast.params.sections import Settings
from dast.preflight.shapes import Shape

CONTEXT_BYTES = 800_000_000
"""CUDA's context, kernels and workspaces, before anything of ours."""

STATE_BYTES = {"adamw_torch": 8.0, "adafactor": 0.1}
"""Of the optimiser, a parameter: two float32 moments, or factored ones."""

QUANTIZED_BYTES = 0.52
"""A weight in 4 bits, with the scales of its block."""

TILE = (4096, 32_768)
"""Most tokens and words of the vocabulary whose logits TRL 1.16 has at once."""


@dataclass(frozen=True)
class Run:
    """A training run: what its memory depends on beside the model."""

    method: str
    n_rows: int
    """Sequences of one forward pass: for DPO the chosen and the rejected."""
    n_tokens: int
    """Longest sequence."""
    optimizer: str
    accumulates: bool
    """Whether a step has several forward passes."""
    bf16: bool
    checkpointing: bool
    n_models: int
    """2 where a reference stands beside the model."""
    asks_reference: bool
    """Whether every step asks it, or the base under an adapter."""
    rank: int | None
    """Of the adapter that is trained; None where every weight is."""
    quantized: bool
    """Whether the adapter's base is held in 4 bits."""
    n_processes: int
    sharded: bool
    """Whether each process holds its share of the model alone."""


def run_of(settings: Settings, method: str) -> Run:
    """The run that a round of this method makes."""
    train = settings.train
    wish = train.dpo if method == "dpo" else train.sft
    asks = method == "dpo" and not train.dpo.precompute_ref_log_probs
    return Run(
        method=method,
        n_rows=wish.batch_size * (2 if method == "dpo" else 1),
        n_tokens=train.max_tokens,
        optimizer=wish.optimizer,
        accumulates=wish.accumulate_batches > 1,
        bf16=train.bf16,
        checkpointing=train.gradient_checkpointing,
        n_models=1 + (asks and train.lora is None),
        asks_reference=asks,
        rank=train.lora.rank if train.lora is not None else None,
        quantized=train.lora is not None and train.lora.quantized,
        n_processes=train.launch.processes,
        sharded=train.launch.strategy == "fsdp",
    )


def sides(run: Run) -> int:
    """Sequences of a row."""
    return 2 if run.method == "dpo" else 1


def training_bytes(shape: Shape, run: Run) -> int:
    """Peak of one process while training: of the forward pass, the backward pass, or the optimiser's step."""
    n_trained = trained_parameters(shape, run)
    share = run.n_processes if run.sharded else 1
    # Processes that hold the whole model sum their gradients in buckets of their own.
    bucket = 4 if run.n_processes > 1 and not run.sharded else 0
    held = _weight_bytes(shape, run) * run.n_models + n_trained * (STATE_BYTES[run.optimizer] + bucket)
    gradients = 4 * n_trained
    step = (gradients + _stepping_bytes(shape, run)) / share
    passes = max(_forward_bytes(shape, run), _backward_bytes(shape, run)) + gradients * run.accumulates / share
    return int(CONTEXT_BYTES + held / share + max(step, passes))


def trained_parameters(shape: Shape, run: Run) -> int:
    """The model's, or the adapter's."""
    return shape.n_parameters if run.rank is None else adapter_parameters(shape, run.rank)


def adapter_parameters(shape: Shape, rank: int) -> int:
    """Of an adapter on every linear layer but the head: rank × (width in + width out) of each."""
    attention = 6 * shape.hidden + 2 * shape.key_value
    return rank * shape.n_layers * (attention + 3 * (shape.hidden + shape.feed_forward))


def _weight_bytes(shape: Shape, run: Run) -> float:
    """One model's weights; of a base in 4 bits embeddings and head stay whole."""
    outside = outside_parameters(shape) if run.quantized else shape.n_parameters
    return outside * 4 + (shape.n_parameters - outside) * QUANTIZED_BYTES


def outside_parameters(shape: Shape) -> int:
    """Of embeddings and head, which TRL casts tile by tile."""
    return min(shape.n_parameters, shape.vocabulary * shape.hidden * (1 if shape.tied else 2))


def _forward_bytes(shape: Shape, run: Run) -> float:
    """At the end of the forward pass, or of the reference's."""
    own = 0 if run.checkpointing and run.n_models > 1 else _copy_bytes(shape, run)
    reference = _copy_bytes(shape, run) * (run.n_models - 1)
    return _held_bytes(shape, run) + own + reference + _head_bytes(shape, run)


def _backward_bytes(shape: Shape, run: Run) -> float:
    """At the start of the backward pass, in the head or in the last layer, once the head's gradient is made."""
    tokens, wide = run.n_rows * run.n_tokens, 2 if run.bf16 else 4
    held = _held_bytes(shape, run) + (0 if run.checkpointing else _copy_bytes(shape, run))
    held += 4 * shape.vocabulary * shape.hidden if run.rank is None else 0
    layer = activation_bytes(shape, run) - _held_bytes(shape, run)
    layer += tokens * (8 * shape.hidden + 3 * wide * shape.feed_forward)  # gradients that pass
    return held + max(layer, _head_bytes(shape, run) + 4 * tokens * shape.hidden)


def _copy_bytes(shape: Shape, run: Run) -> float:
    """The layers' weights in bfloat16; those of frozen ones are made layer by layer where nothing else is held."""
    if not run.bf16 or run.quantized or (run.rank is not None and run.checkpointing):
        return 0
    return 2 * (shape.n_parameters - outside_parameters(shape))


def _stepping_bytes(shape: Shape, run: Run) -> float:
    """What the optimiser makes on its way: AdamW one float32 of every weight, Adafactor two of its largest matrix."""
    if run.optimizer == "adamw_torch":
        return 4 * trained_parameters(shape, run)
    words = shape.vocabulary * shape.hidden if run.rank is None else 0
    return 8 * max(words, shape.hidden * shape.feed_forward if run.rank is None else shape.feed_forward * run.rank)


def _head_bytes(shape: Shape, run: Run) -> int:
    """A tile of logits, and the copy of the weights that it is made with."""
    cast = 2 * min(shape.vocabulary, TILE[1]) * shape.hidden if run.bf16 else 0
    return min(run.n_rows * run.n_tokens, TILE[0]) * TILE[1] * (2 if run.bf16 else 4) + cast


def activation_bytes(shape: Shape, run: Run) -> int:
    """What is held of a forward pass for its backward pass; with checkpointing one layer is whole at a time."""
    again = layer_bytes(shape, run) if run.checkpointing else 0
    return _held_bytes(shape, run) + run.n_rows * run.n_tokens * again


def _held_bytes(shape: Shape, run: Run) -> int:
    layer = 4 * shape.hidden if run.checkpointing else layer_bytes(shape, run)
    end = (12 if run.rank is None else 8) * shape.hidden  # the last norm, and what of it the loss is taken of
    return run.n_rows * run.n_tokens * (shape.n_layers * layer + end)


def layer_bytes(shape: Shape, run: Run) -> int:
    """Activations of one token in one layer.

    Both norms hold what they got and, where they are trained, what they normalised, in float32. Under bf16 the inputs
    of the five projections that follow a norm are cast anew for each, an adapter's also behind attention. Attention
    holds queries and result, keys and values for every head (a batch with padding has them repeated), and its mask; the
    gated inner part four times its width; an adapter its rank seven times.
    """
    wide, adapter = 2 if run.bf16 else 4, run.rank is not None
    norms = (8 if adapter else 16) * shape.hidden
    inputs = (8 if not run.bf16 else 12 if adapter else 10) * shape.hidden
    attention = 4 * shape.hidden + run.n_tokens
    return norms + inputs + wide * (attention + 4 * shape.feed_forward + 7 * (run.rank or 0))
