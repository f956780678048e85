"""GPU memory: what sampling and training will take, held against what there is.

Guarantees: estimates from shapes and params alone. Grain: one finding a use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dast.params.engines import Generation
from dast.preflight.findings import Finding
from dast.preflight.shapes import Shape
from dast.preflight.training_memory import CONTEXT_BYTES, Run, activation_bytes, sides, training_bytes
from dast.progress import size

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}

DRAWN_BYTES = 18
"""A logit of the token that is drawn: as computed (2), as float32, scaled, its probability and its lot (4 each)."""

TIGHT_RATE = 0.9
"""Share of the memory above which an estimate that is right within a tenth may not fit."""


def key_value_bytes(shape: Shape, dtype: str) -> int:
    """What one token's keys and values take while generating."""
    return 2 * shape.n_layers * shape.key_value * BYTES[dtype]


def sequence_bytes(shape: Shape, generation: Generation) -> int:
    """What one sequence of full length takes in a batch: its keys and values and, by transformers, what passes.

    vllm takes the latter from the share that it leaves free. Passing are the logits of a token, or one layer's keys and
    values, which padded batches repeat for every head where heads share them.
    """
    tokens, each = generation.max_model_tokens, BYTES[generation.dtype]
    kept = key_value_bytes(shape, generation.dtype) * tokens // generation.tensor_parallel
    if generation.engine != "transformers":
        return kept
    repeated = 2 * tokens * shape.hidden * each if shape.key_value < shape.hidden else 0
    return kept + max(DRAWN_BYTES * shape.vocabulary, repeated)


def sampling_bytes(shape: Shape, generation: Generation) -> int:
    """Peak of one batch by transformers, whose sequences all have full length."""
    weights = shape.n_parameters * BYTES[generation.dtype]
    return CONTEXT_BYTES + weights + sequence_bytes(shape, generation) * generation.batch_rollouts


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
    one = sequence_bytes(shape, generation)
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


def _advice(run: Run) -> str:
    advice = [f"lower train.{run.method}.batch_size and raise accumulate_batches"] if run.n_rows > sides(run) else []
    advice += [] if run.checkpointing else ["set train.gradient_checkpointing"]
    advice += [] if run.optimizer == "adafactor" else [f"set train.{run.method}.optimizer to adafactor"]
    advice += [] if run.rank is not None else ["train an adapter (train.lora)"]
    advice += ["set train.dpo.precompute_ref_log_probs"] if run.n_models > 1 else []
    return ", or ".join([*advice, "lower train.max_tokens", "take a larger GPU"])
