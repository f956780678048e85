"""A training step: how long one process takes for it.

Guarantees: from shapes, params and three speeds of the device that are timed on the spot; what several processes say to
each other is left out. Grain: one training run.

A step takes what the device needs for its matrix products and, one after the other, for moving all else through its
memory; or, where that is longer, what the host needs to call for each piece of work.
"""

from __future__ import annotations

from dataclasses import dataclass

from dast.preflight.shapes import Shape
from dast.preflight.training_memory import Run, layer_bytes, outside_parameters, trained_parameters

USED_RATE = 0.7
"""Share of the speed of a large square product that a layer's products reach."""

MOVES = 8
"""How often a byte that is held for the backward pass is moved in a step, together with those that are not held."""

WEIGHT_BYTES = 20
"""Moved for each weight of a layer in a pass forward and back: cast, three products, its gradient."""

STEPPED_BYTES = {"adamw_torch": 96, "adafactor": 80}
"""Moved for each trained parameter when the optimiser steps, clipping included: torch works tensor by tensor."""

CALLS = 250
"""Pieces of work that the host calls for in a layer, forward and back; the head and the optimiser are little beside."""

ADAPTER_CALLS = 130
"""More of them where a layer has adapters."""


@dataclass(frozen=True)
class Speed:
    """Of a device."""

    operations_per_s: float
    """In a large matrix product, in the type that training computes in."""
    bytes_per_s: float
    """Read and written, of a copy."""
    call_s: float
    """For the host to call for one small piece of work."""


@dataclass(frozen=True)
class Row:
    """Mean length of a sequence."""

    n_tokens: float
    n_answer_tokens: float
    """Those that the loss is taken of."""


def step_s(shape: Shape, run: Run, row: Row, n_batches: int, speed: Speed) -> float:
    """Seconds an optimiser step of one process's `n_batches` forward passes."""
    moved = n_batches * _moved_bytes(shape, run, row) + trained_parameters(shape, run) * STEPPED_BYTES[run.optimizer]
    device = n_batches * _operations(shape, run, row) / (speed.operations_per_s * USED_RATE) + moved / speed.bytes_per_s
    return max(device, n_batches * _calls(shape, run) * speed.call_s)


def _passes(run: Run) -> float:
    """Forward passes' worth of work on a layer: a backward pass is two, or one where weights are frozen."""
    return 1 + (2 if run.rank is None else 1) + run.checkpointing + run.asks_reference


def _operations(shape: Shape, run: Run, row: Row) -> float:
    """Of one forward pass and its backward pass; the head's logits are made a second time on the way back."""
    layers = shape.n_parameters - outside_parameters(shape) + 2 * shape.n_layers * row.n_tokens * shape.hidden
    head = shape.vocabulary * shape.hidden * ((4 if run.rank is None else 3) + run.asks_reference)
    return 2 * run.n_rows * (_passes(run) * layers * row.n_tokens + head * row.n_answer_tokens)


def _moved_bytes(shape: Shape, run: Run, row: Row) -> float:
    share = _passes(run) / 3
    activations = MOVES * run.n_rows * row.n_tokens * shape.n_layers * layer_bytes(shape, run)
    weights = WEIGHT_BYTES * (shape.n_parameters - outside_parameters(shape))
    return share * (activations + weights)


def _calls(shape: Shape, run: Run) -> float:
    each = CALLS + (ADAPTER_CALLS if run.rank is not None else 0)
    return shape.n_layers * each * _passes(run) / 3
