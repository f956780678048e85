"""The engine that runs anywhere: batched `generate` of transformers, on the CPU or one GPU."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedTokenizerBase,
    StoppingCriteria,
)
from transformers.utils import logging as transformers_logging

from dast.engines.adapters import Adapter, read_adapter, tokenizer_folder
from dast.engines.decoding import Wish, decode
from dast.engines.protocol import Engine, FinishReason, Item, Response
from dast.engines.rendering import continued, render
from dast.engines.starts import start_of
from dast.errors import EngineError, ModelError
from dast.params.decoding import Decoding
from dast.params.engines import Generation

log = logging.getLogger(__name__)


class TransformersEngine(Engine):
    """Left-padded batches; a prompt without room for a response is an `error` row."""

    name = "transformers"

    def __init__(self, generation: Generation, model: Path) -> None:
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        self._limit = generation.max_model_tokens
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        if self._device == "cuda":
            # Tensors that grow with every token fit in no block that was freed before: a model of 0.5B parameters that
            # needed 7.5 GB took 62, and asked the driver for more at every token.
            os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
        adapter = read_adapter(model)
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder(model, adapter), padding_side="left")
            whole = adapter.base if adapter else model
            loaded = AutoModelForCausalLM.from_pretrained(whole, dtype=getattr(torch, generation.dtype))
            if adapter:
                loaded = _with_adapter(loaded, adapter)
        except (OSError, ValueError) as error:
            raise ModelError(
                f"{model}: cannot be loaded as a model with its tokenizer: {_first_line(error)}; name a folder that "
                "transformers can load, or make it again (dvc repro)"
            ) from error
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._model = loaded.to(self._device).eval()
        ends = loaded.generation_config.eos_token_id or self._tokenizer.eos_token_id
        # A model's own defaults, such as a repetition penalty, would fill in for everything that params do not name.
        self._model.generation_config = GenerationConfig(eos_token_id=ends)
        self._ends = frozenset(_as_set(ends) | {self._tokenizer.eos_token_id, self._tokenizer.pad_token_id})
        log.info("transformers engine: %s on %s, %d threads", model, self._device, torch.get_num_threads())

    def generate(self, batch: Sequence[Item], decoding: Decoding, seed: int) -> Iterator[tuple[Item, Response]]:
        """Responses of one batch, decoded together."""
        fits, refused = render(batch, self._tokenizer, self._limit)
        yield from refused
        if fits:
            rows = self._decode([prompt for _, prompt in fits], decoding, seed)
            for (item, prompt), row in zip(fits, rows, strict=True):
                yield item, self._response(item, prompt, row, decoding.stop)

    def _decode(self, prompts: list[list[int]], decoding: Decoding, seed: int) -> list[list[int]]:
        different = list(dict.fromkeys(map(tuple, prompts)))
        place = {prompt: index for index, prompt in enumerate(different)}
        padded = self._tokenizer.pad({"input_ids": [list(prompt) for prompt in different]}, return_tensors="pt")
        ids, mask = padded["input_ids"].to(self._device), padded["attention_mask"].to(self._device)
        stop = _StopTexts(self._tokenizer, decoding.stop, ids.shape[1]) if decoding.stop else None
        rooms = [min(decoding.max_new_tokens, self._limit - len(prompt)) for prompt in prompts]
        wish = Wish(self._config(decoding), rooms, self._ends, stop)
        torch.manual_seed(seed)
        with torch.inference_mode():
            return decode(self._model, ids, mask, [place[tuple(prompt)] for prompt in prompts], wish)

    def _config(self, decoding: Decoding) -> GenerationConfig:
        chosen: dict[str, Any] = {"do_sample": False}
        if decoding.temperature > 0:
            chosen = {
                "do_sample": True,
                "temperature": decoding.temperature,
                "top_p": decoding.top_p,
                "top_k": decoding.top_k,
            }
        return GenerationConfig(
            **chosen,
            pad_token_id=self._tokenizer.pad_token_id,
            eos_token_id=self._model.generation_config.eos_token_id,
        )

    def _response(self, item: Item, prompt: list[int], row: list[int], stop: list[str]) -> Response:
        length = next((index for index, token in enumerate(row) if token in self._ends), None)
        reason: FinishReason = "length" if length is None else "stop"
        n_tokens = len(row) if length is None else length + 1
        text = self._text(item, prompt, row[:length])
        cuts = [text.index(mark) for mark in stop if mark in text]
        if cuts:  # what follows the stop text in its row, if anything, is padding and no token of the model's
            text, reason, n_tokens = text[: min(cuts)], "stop", len(row[:length])
        return Response(text, len(prompt), n_tokens, reason)

    def _text(self, item: Item, prompt: list[int], row: list[int]) -> str:
        if start_of(item.messages) is not None:
            return continued(prompt, row, self._tokenizer)
        return str(self._tokenizer.decode(row, skip_special_tokens=True))


def _with_adapter(model: Any, adapter: Adapter) -> Any:
    """The base with the adapter's changes added to its weights, which costs nothing while generating."""
    if importlib.util.find_spec("peft") is None:
        raise EngineError(f"{adapter.folder}: an adapter, and peft is not installed; pip install peft, or use vllm")
    from peft import PeftModel

    return PeftModel.from_pretrained(model, adapter.folder).merge_and_unload()


class _StopTexts(StoppingCriteria):  # type: ignore[misc]
    """Ends a row whose response holds a stop text (transformers' own criterion fails on word-level vocabularies)."""

    _TAIL_TOKENS = 24
    """Looked at on each step: longer than any stop text in use, short enough to decode on every step."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: Sequence[str], width: int) -> None:
        self._tokenizer, self._stop, self._width = tokenizer, stop, width

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        tail = input_ids[:, max(self._width, input_ids.shape[1] - self._TAIL_TOKENS) :]
        texts = self._tokenizer.batch_decode(tail, skip_special_tokens=True)
        ended = [any(mark in text for mark in self._stop) for text in texts]
        return torch.tensor(ended, device=input_ids.device)


def _as_set(value: int | list[int] | None) -> set[int]:
    if value is None:
        return set()
    return set(value) if isinstance(value, list) else {value}


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
