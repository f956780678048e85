"""vLLM in process: the engine for GPUs.

The batch is handed over whole, so that vLLM's scheduler and its prefix cache (the K samples of a query share their
prompt) see all of it. Replay of kept rollouts, not bit-identical regeneration, is what a GPU engine can promise.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer
from vllm import LLM, SamplingParams
from vllm.platforms import current_platform

from dast.engines.protocol import Engine, FinishReason, Item, Response
from dast.engines.rendering import render
from dast.errors import ModelError
from dast.params.sections import Decoding, Generation

log = logging.getLogger(__name__)


class VllmEngine(Engine):
    """One request a rollout; a prompt without room for a response is an `error` row."""

    name = "vllm"

    def __init__(self, generation: Generation, model: Path) -> None:
        self._limit = generation.max_model_tokens
        # Per-request seeds crash vLLM on a CPU as soon as a prefill is chunked; there the engine's own seed serves.
        self._seeds_requests = not current_platform.is_cpu()
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(model)
            self._llm = LLM(
                model=str(model),
                dtype=generation.dtype,
                max_model_len=generation.max_model_tokens,
                gpu_memory_utilization=generation.gpu_memory_rate,
                tensor_parallel_size=generation.tensor_parallel,
                enable_prefix_caching=True,
                enforce_eager=current_platform.is_cpu(),  # compiling takes 37 s on two cores and serves no small run
                generation_config="vllm",  # a model's own sampling defaults would change what params say
                seed=0,
            )
        except (OSError, ValueError) as error:
            raise ModelError(f"{model}: vllm cannot load it: {' '.join(str(error).split())[:300]}") from error

    def generate(self, batch: Sequence[Item], decoding: Decoding, seed: int) -> Iterator[tuple[Item, Response]]:
        """Responses of one batch, in its order."""
        fits, refused = render(batch, self._tokenizer, self._limit)
        yield from refused
        prompts = [{"prompt_token_ids": prompt} for _, prompt in fits]
        wishes = [self._sampling(decoding, seed + index) for index in range(len(fits))]
        done = self._llm.generate(prompts, wishes, use_tqdm=False) if fits else []
        for (item, _), output in zip(fits, done, strict=True):
            yield item, _response(output)

    def _sampling(self, decoding: Decoding, seed: int) -> SamplingParams:
        return SamplingParams(
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            top_k=decoding.top_k,
            max_tokens=decoding.max_new_tokens,
            stop=list(decoding.stop) or None,
            seed=seed if self._seeds_requests else None,
        )


def _response(output: Any) -> Response:
    choice = output.outputs[0]
    reason: FinishReason = "length" if choice.finish_reason == "length" else "stop"
    return Response(choice.text, len(output.prompt_token_ids), len(choice.token_ids), reason)
