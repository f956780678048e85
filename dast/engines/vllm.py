"""vLLM in process: the engine for GPUs.

The batch is handed over whole, the samples of one prompt as one request, so that vLLM's scheduler and its prefix cache
see all of it. What a batch gives does not depend on the batches before it: the prefix cache is emptied and the draws
are seeded anew. Float arithmetic on a GPU is another matter: replay of kept rollouts, not bit-identical regeneration,
is what can be promised there. Grain: one response an item.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from transformers import AutoTokenizer

os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")  # read on import; its INFO is a hundred lines a start
from vllm import LLM, SamplingParams
from vllm.config.lora import MaxLoRARanks
from vllm.lora.request import LoRARequest
from vllm.platforms import current_platform
from vllm.v1.engine.exceptions import EngineDeadError

from dast.engines.adapters import Adapter, read_adapter, tokenizer_folder
from dast.engines.protocol import Engine, FinishReason, Item, Response
from dast.engines.rendering import render
from dast.engines.seeding import SeededWorker
from dast.errors import EngineError, ModelError
from dast.params.decoding import Decoding
from dast.params.engines import Generation

log = logging.getLogger(__name__)

CPU_CACHE_BYTES = 2 << 30
"""Keys and values on a CPU, where vLLM would else take `gpu_memory_rate` of all memory."""
CPU_BLOCK_TOKENS = 32
"""Tokens that a prefix is shared by on a CPU; vLLM's 128 there share nothing of a short prompt."""
CPU_SEQUENCES = 1024
"""Responses at the same time on a CPU: with vLLM's 256 there, a half-million-parameter model was a quarter slower."""


class Request(NamedTuple):
    """The items that share a prompt, its tokens, and how they are drawn."""

    items: list[Item]
    prompt: list[int]
    wish: SamplingParams


class VllmEngine(Engine):
    """One request a prompt; a prompt without room for a response is an `error` row."""

    name = "vllm"

    def __init__(self, generation: Generation, model: Path) -> None:
        self._limit = generation.max_model_tokens
        # A seed of a request's own crashes vLLM on a CPU as soon as its prefill is chunked; there one seeds the batch.
        self._seeds_requests = not current_platform.is_cpu()
        adapter = read_adapter(model)
        self._lora = LoRARequest(model.name, 1, str(model.resolve())) if adapter else None
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder(model, adapter))
            self._llm = _start(generation, adapter.base if adapter else model, adapter)
        except (OSError, ValueError) as error:
            raise ModelError(
                f"{model}: vllm cannot load it: {_one_line(error)}; name another model, or set "
                "generation.engine: transformers"
            ) from error
        except RuntimeError as error:
            raise EngineError(
                f"generation: vllm does not start: {_one_line(error)}; its own lines above say why. Short of memory: "
                "change generation.gpu_memory_rate or max_model_tokens"
            ) from error
        log.info("vllm engine: %s on %s × %d", model, current_platform.device_type, generation.tensor_parallel)

    def generate(self, batch: Sequence[Item], decoding: Decoding, seed: int) -> Iterator[tuple[Item, Response]]:
        """Responses of one batch, prompt by prompt, the longest first."""
        fits, refused = render(batch, self._tokenizer, self._limit)
        yield from refused
        asked = self._requests(fits, decoding, seed)
        self._llm.reset_prefix_cache()
        if not self._seeds_requests:
            self._llm.collective_rpc("seed_draws", args=(seed,))
        for (items, prompt, _), output in zip(asked, self._run(asked), strict=True):
            choices = sorted(output.outputs, key=lambda choice: choice.index)
            for item, choice in zip(items, choices, strict=True):
                yield item, _response(len(prompt), choice)

    def _run(self, asked: Sequence[Request]) -> Any:
        if not asked:
            return []
        prompts = [{"prompt_token_ids": request.prompt} for request in asked]
        wishes = [request.wish for request in asked]
        try:
            return self._llm.generate(prompts, wishes, lora_request=self._lora, use_tqdm=False)
        except EngineDeadError as error:
            raise EngineError(f"vllm: its engine died ({_one_line(error)}); its own lines above say why") from error

    def _requests(self, fits: Sequence[tuple[Item, list[int]]], decoding: Decoding, seed: int) -> list[Request]:
        """Longest prompts first: their responses tend to be longer, and the batch would else end in a tail of them."""
        groups = _groups(fits, together=decoding.temperature > 0)
        starts = accumulate((len(items) for items, _ in groups), initial=seed)
        asked = [
            Request(items, prompt, self._wish(decoding, len(items), start))
            for (items, prompt), start in zip(groups, starts, strict=False)
        ]
        return sorted(asked, key=lambda request: -len(request.prompt))

    def _wish(self, decoding: Decoding, n: int, seed: int) -> SamplingParams:
        return SamplingParams(
            n=n,  # sample i of a request is drawn with seed + i
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            top_k=decoding.top_k,
            max_tokens=decoding.max_new_tokens,
            stop=list(decoding.stop) or None,
            seed=seed if self._seeds_requests else None,
        )


def _start(generation: Generation, model: Path, adapter: Adapter | None) -> LLM:
    options: dict[str, Any] = {}
    if adapter:
        options = {"enable_lora": True, "max_loras": 1, "max_lora_rank": _lora_rank(adapter)}
    if current_platform.is_cpu():
        options |= _cpu_options()
    return LLM(
        model=str(model),
        dtype=generation.dtype,
        max_model_len=generation.max_model_tokens,
        gpu_memory_utilization=generation.gpu_memory_rate,
        tensor_parallel_size=generation.tensor_parallel,
        enable_prefix_caching=True,
        generation_config="vllm",  # a model's own sampling defaults would change what params say
        worker_extension_cls=f"{SeededWorker.__module__}.{SeededWorker.__qualname__}",
        seed=0,
        **options,
    )


def _cpu_options() -> dict[str, Any]:
    """In this process, eager, threads left to the system: 7 s to start rather than 37 s on two cores."""
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    # Threads bound to cores wait for each other when anything else runs there: a fourth of the speed and less.
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    options: dict[str, Any] = {
        "enforce_eager": True,
        "block_size": CPU_BLOCK_TOKENS,
        "max_num_seqs": CPU_SEQUENCES,
    }
    if not os.environ.get("VLLM_CPU_KVCACHE_SPACE"):
        options["kv_cache_memory_bytes"] = CPU_CACHE_BYTES
    return options


def _lora_rank(adapter: Adapter) -> int:
    """The smallest rank that vLLM has kernels for and the adapter fits in."""
    ranks: tuple[int, ...] = MaxLoRARanks.__args__
    fitting = [rank for rank in ranks if rank >= adapter.rank]
    if not fitting:
        raise ModelError(f"{adapter.folder}: an adapter of rank {adapter.rank}; vllm takes up to {max(ranks)}")
    return min(fitting)


def _groups(fits: Sequence[tuple[Item, list[int]]], *, together: bool) -> list[tuple[list[Item], list[int]]]:
    """Items with the same prompt as one request each (vLLM refuses several greedy samples of one)."""
    if not together:
        return [([item], prompt) for item, prompt in fits]
    groups: dict[str, tuple[list[Item], list[int]]] = {}
    for item, prompt in fits:
        groups.setdefault(item.prompt_digest, ([], prompt))[0].append(item)
    return list(groups.values())


def _response(n_prompt_tokens: int, choice: Any) -> Response:
    reasons: dict[str, FinishReason] = {"stop": "stop", "length": "length"}
    reason = reasons.get(choice.finish_reason)
    if reason is None:  # a fault of the engine's own, which may pass: to be asked for again
        return Response(choice.text, n_prompt_tokens, None, "error")
    return Response(choice.text, n_prompt_tokens, len(choice.token_ids), reason)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
