"""GPU memory: what sampling and training will take, held against what there is.

Guarantees: estimates from shapes and params alone. Grain: one finding a use.

Training, in bytes: weights, gradients and the optimiser's state in float32; under bf16 also a bfloat16 copy of the
weights while a step runs; for DPO a second model, the reference. Of an adapter, gradients and state are its own alone,
its base may be held in 4 bits, and the reference is the base. Activations of a token in a Llama layer of width h,
keys k and inner width f: see `_layer_bytes`; with gradient checkpointing only every layer's input is held, and one
layer's whole. Logits are held several times over in float32 while the loss is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dast.params.engines import Generation
from dast.params.sections import Settings
from dast.preflight.findings import Finding
from dast.preflight.shapes import Shape
from dast.progress import size

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}

CONTEXT_BYTES = 800_000_000
"""CUDA's context, kernels and workspaces, before anything of ours."""

STATE_BYTES = {"adamw_torch": 8.0, "adafactor": 0.1}
"""Of the optimiser, a parameter: two float32 moments, or factored ones."""

QUANTIZED_BYTES = 0.52
"""A weight in 4 bits, with the scales of its block."""

STEP_BYTES = 4
"""A parameter, while the optimiser steps: torch's fused-over-tensors form holds a copy of what it works on."""

LOGIT_BYTES = 14
"""A logit, at the loss: as computed (2), as float32 (4), its log-probability (4) and its gradient (4)."""

TIGHT_RATE = 0.9
"""Share of the memory above which an estimate that is right within a tenth may not fit."""


@dataclass(frozen=True)
class Run:
    """A training run: what its memory depends on beside the model."""

    method: str
    n_rows: int
    """Sequences of one forward pass: for DPO the chosen and the rejected."""
    n_tokens: int
    """Longest sequence."""
    optimizer: str
    bf16: bool
    checkpointing: bool
    n_models: int
    """2 where a reference stands beside the model."""
    rank: int | None
    """Of the adapter that is trained; None where every weight is."""
    quantized: bool
    """Whether the adapter's base is held in 4 bits."""
    n_processes: int
    sharded: bool
    """Whether each process holds its share of the model alone."""


def run_of(settings: Settings, method: str) -> Run:
    """The run that a round of this method makes."""
    train, sides = settings.train, 2 if method == "dpo" else 1
    wish = train.dpo if method == "dpo" else train.sft
    beside = method == "dpo" and train.lora is None and not train.dpo.precompute_ref_log_probs
    return Run(
        method=method,
        n_rows=wish.batch_size * sides,
        n_tokens=train.max_tokens,
        optimizer=wish.optimizer,
        bf16=train.bf16,
        checkpointing=train.gradient_checkpointing,
        n_models=1 + beside,
        rank=train.lora.rank if train.lora is not None else None,
        quantized=train.lora is not None and train.lora.quantized,
        n_processes=train.launch.processes,
        sharded=train.launch.strategy == "fsdp",
    )


def training_bytes(shape: Shape, run: Run) -> int:
    """Peak of one process while training: of the backward pass, or of the optimiser's step."""
    n_trained = shape.n_parameters if run.rank is None else adapter_parameters(shape, run.rank)
    # Processes that hold the whole model sum their gradients in buckets of their own.
    bucket = 4 if run.n_processes > 1 and not run.sharded else 0
    kept = n_trained * (4 + STATE_BYTES[run.optimizer] + bucket)  # gradients and moments
    share = run.n_processes if run.sharded else 1
    held = (_weight_bytes(shape, run) * run.n_models + kept) / share
    return int(CONTEXT_BYTES + held + max(n_trained * STEP_BYTES / share, activation_bytes(shape, run)))


def adapter_parameters(shape: Shape, rank: int) -> int:
    """Of an adapter on every linear layer but the head: rank × (width in + width out) of each."""
    attention = 6 * shape.hidden + 2 * shape.key_value
    return rank * shape.n_layers * (attention + 3 * (shape.hidden + shape.feed_forward))


def _weight_bytes(shape: Shape, run: Run) -> float:
    """The model's weights and, under bf16, their copies; of a base in 4 bits embeddings and head stay whole."""
    # Autocast keeps the copies of weights that are trained; those of frozen ones live as long as their layer's work.
    copies = 2 if run.bf16 and (run.rank is None or not run.checkpointing) else 0
    if not run.quantized:
        return shape.n_parameters * (4 + copies)
    outside = 2 * shape.vocabulary * shape.hidden
    return outside * 4 + max(0, shape.n_parameters - outside) * (QUANTIZED_BYTES + copies)


def activation_bytes(shape: Shape, run: Run) -> int:
    """What a forward pass holds for its backward pass, logits included."""
    layer, end = _layer_bytes(shape, run.bf16), (10 if run.bf16 else 12) * shape.hidden  # the last norm
    layers = shape.n_layers * 4 * shape.hidden + layer if run.checkpointing else shape.n_layers * layer
    return run.n_rows * run.n_tokens * (layers + end + LOGIT_BYTES * shape.vocabulary)


def _layer_bytes(shape: Shape, bf16: bool) -> int:
    """Activations of one token in one layer.

    Both norms hold what they got and what they normalised, in float32 (16 h). Under bf16 the inputs of the five
    projections that follow a norm are cast anew for each (10 h). Attention holds queries, keys, values and its result;
    the gated inner part four times its width.
    """
    wide = 2 if bf16 else 4
    inputs = 10 * shape.hidden if bf16 else 8 * shape.hidden
    return 16 * shape.hidden + inputs + wide * (2 * shape.hidden + 2 * shape.key_value + 4 * shape.feed_forward)


def key_value_bytes(shape: Shape, dtype: str) -> int:
    """What one token's keys and values take while generating."""
    return 2 * shape.n_layers * shape.key_value * BYTES[dtype]


def memory_findings(
    shape: Shape, generation: Generation, runs: Sequence[Run], gpu_bytes: int | None
) -> Iterator[Finding]:
    """Sampling, and each different training run; `gpu_bytes` is None on a machine without a GPU."""
    yield sampling_finding(shape, generation, gpu_bytes)
    for run in runs:
        yield training_finding(shape, run, gpu_bytes)


def sampling_finding(shape: Shape, generation: Generation, gpu_bytes: int | None) -> Finding:
    """Whether the weights fit with the sequences that must stand beside them; `generation.engine` is not `auto`.

    vllm needs room for one whole sequence, and has others wait; transformers decodes a batch together.
    """
    weights = shape.n_parameters * BYTES[generation.dtype] // generation.tensor_parallel
    one = key_value_bytes(shape, generation.dtype) * generation.max_model_tokens // generation.tensor_parallel
    together = generation.batch_rollouts if generation.engine == "transformers" else 1
    parts = f"weights {size(weights)}, {size(one)} for each sequence of {generation.max_model_tokens:,} tokens"
    subject = "memory, sampling"
    if generation.engine == "server":
        return Finding("info", subject, f"the server's; it holds {parts}")
    if gpu_bytes is None:
        return Finding("info", subject, f"no GPU here; one would hold {parts}")
    room = int(gpu_bytes * generation.gpu_memory_rate) - CONTEXT_BYTES - weights
    fit = max(room, 0) // max(one, 1)
    told = f"{parts}: {fit:,} of them fit in {generation.gpu_memory_rate:.0%} of {size(gpu_bytes)}"
    if fit < 1:
        advice = "raise generation.tensor_parallel, lower max_model_tokens, or take a larger GPU"
        return Finding("error", subject, f"{told}; {advice}")
    if fit < together:
        return Finding(
            "warning", subject, f"{told}, a batch is {together:,}; lower generation.batch_rollouts, or use vllm"
        )
    return Finding("ok", subject, told)


def training_finding(shape: Shape, run: Run, gpu_bytes: int | None) -> Finding:
    """Whether a step of the longest rows fits."""
    need, activations = training_bytes(shape, run), activation_bytes(shape, run)
    subject = f"memory, {run.method}"
    told = (
        f"about {size(need)} ({size(activations)} of it activations) for {run.n_rows} rows of {run.n_tokens:,} tokens"
    )
    if gpu_bytes is None:
        return Finding("info", subject, f"no GPU here; one would need {told}")
    if need <= gpu_bytes * TIGHT_RATE:
        return Finding("ok", subject, f"{told}, of {size(gpu_bytes)}")
    if need > gpu_bytes:
        return Finding("error", subject, f"{told}: does not fit in {size(gpu_bytes)}; {_advice(run)}")
    return Finding("warning", subject, f"{told}: may not fit in {size(gpu_bytes)}; {_advice(run)}")


def _sides(run: Run) -> int:
    return 2 if run.method == "dpo" else 1


def _advice(run: Run) -> str:
    advice = [f"lower train.{run.method}.batch_size and raise accumulate_batches"] if run.n_rows > _sides(run) else []
    advice += [] if run.checkpointing else ["set train.gradient_checkpointing"]
    advice += [] if run.optimizer == "adafactor" else [f"set train.{run.method}.optimizer to adafactor"]
    advice += [] if run.rank is not None else ["train an adapter (train.lora)"]
    advice += ["set train.dpo.precompute_ref_log_probs"] if run.n_models > 1 else []
    return ", or ".join([*advice, "lower train.max_tokens", "take a larger GPU"])
