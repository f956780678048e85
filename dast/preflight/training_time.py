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

CALL_RATE = 4.1
"""Calls that are timed in the time of one in training, which goes through modules, autocast and autograd. Fitted to the
steps of benchmarks/results/gpu.md, which says how far a fit to one model is off on the other."""

FORWARD_CALLS = 53
"""Pieces of work that the host calls for in a layer's forward pass; these counts are of TRL 1.16's own steps."""

BACKWARD_CALLS = 88

ADAPTER_CALLS = (47, 51)
"""More of both where the layer has adapters: frozen weights save products, hardly calls."""

OUTER_CALLS = 200
"""Outside the layers, in both passes: embeddings, head and loss."""

STEPPED_CALLS = {"adamw_torch": 0, "adafactor": 207}
"""For a layer's nine weights when the optimiser steps: torch's AdamW takes many at once, Adafactor one by one. Neither
goes through what makes training's other calls slow."""


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
    calls = n_batches * _calls(shape, run) * CALL_RATE + shape.n_layers * STEPPED_CALLS[run.optimizer]
    return max(device, calls * speed.call_s)


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


def _calls(shape: Shape, run: Run) -> int:
    more_forward, more_backward = ADAPTER_CALLS if run.rank is not None else (0, 0)
    own = (1 + run.checkpointing) * (FORWARD_CALLS + more_forward) + BACKWARD_CALLS + more_backward
    return shape.n_layers * (own + FORWARD_CALLS * run.asks_reference) + OUTER_CALLS
