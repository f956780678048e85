"""The engine for an endpoint with OpenAI's interface: vLLM's own server, or any other.

Guarantees: one request a rollout, at most `concurrency` at the same time, each with a seed of its own; a response comes
as soon as it is there. A prompt that is too long by params is an `error` row with no tokens; a request that the server
refuses, by limits of its own that may change, or that failed again and again while it answers others, is one whose
tokens are not known (None), so that it can be told from the former and asked again. A server that is down, or refuses
everything, is an EngineError, after all responses that it had given. Grain: one response an item.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from transformers import AutoTokenizer

from dast.engines.endpoint import Endpoint, Refusal
from dast.engines.protocol import RAW, Engine, Item, Response
from dast.engines.rendering import render
from dast.engines.starts import start_of
from dast.errors import EngineError, ModelError
from dast.params.decoding import Decoding
from dast.params.engines import Generation

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wish:
    """One request: who wants it, what is sent, and the prompt's tokens where they are known."""

    item: Item
    body: dict[str, Any]
    n_prompt_tokens: int | None


class ServerEngine(Engine):
    """See the module's guarantees."""

    name = "server"

    def __init__(self, generation: Generation, model: Path) -> None:
        self._server, self._limit = generation.server, generation.max_model_tokens
        self._model = self._server.model.replace("{policy}", model.name)
        self._tokenizer = _tokenizer(model) if self._server.api == "completions" else None
        self._endpoint = Endpoint(self._server)
        served = self._endpoint.models()
        if served is not None and self._model not in served:
            raise EngineError(
                f"generation.server.model: {self._model} is not served at {self._server.url}, "
                f"which has {', '.join(served) or 'none'}; name one of those, or serve it under that name"
            )
        log.info(
            "server engine: %s at %s, %d requests at a time", self._model, self._server.url, self._server.concurrency
        )

    def generate(self, batch: Sequence[Item], decoding: Decoding, seed: int) -> Iterator[tuple[Item, Response]]:
        """Responses of one batch, as they come."""
        common = self._common(decoding)
        if self._tokenizer is None:
            self._check_chat(batch, decoding)
            wishes = [Wish(item, {**common, **_chat(item)}, None) for item in batch]
        else:
            fits, refused = render(batch, self._tokenizer, self._limit)
            yield from refused
            wishes = [
                Wish(item, {**common, "prompt": prompt, "max_tokens": self._room(prompt, decoding)}, len(prompt))
                for item, prompt in fits
            ]
        yield from self._ask_all(wishes, seed)

    def _check_chat(self, batch: Sequence[Item], decoding: Decoding) -> None:
        if any(message["role"] == RAW for item in batch for message in item.messages):
            raise EngineError(
                "prompt.base.raw: a chat endpoint takes no raw text; set generation.server.api: completions"
            )
        # Prompts are counted by the server alone, which refuses each whose response would not fit as a whole.
        if decoding.max_new_tokens >= self._limit:
            raise EngineError(
                f"decoding.max_new_tokens: {decoding.max_new_tokens} leaves no room for a prompt in "
                f"generation.max_model_tokens {self._limit}; lower the one or raise the other"
            )

    def _room(self, prompt: Sequence[int], decoding: Decoding) -> int:
        return min(decoding.max_new_tokens, self._limit - len(prompt))

    def _ask_all(self, wishes: Sequence[Wish], seed: int) -> Iterator[tuple[Item, Response]]:
        todo: SimpleQueue[Wish | None] = SimpleQueue()
        done: SimpleQueue[tuple[Item, Response | Exception]] = SimpleQueue()
        n_threads = min(self._server.concurrency, len(wishes))
        for index, wish in enumerate(wishes):
            wish.body["seed"] = (seed + index) & 0x7FFFFFFF
            todo.put(wish)
        for _ in range(n_threads):
            todo.put(None)
            # A daemon: when the server hangs, the stage must not wait for its last answers before it can end.
            Thread(target=self._work, args=(todo, done), daemon=True).start()
        try:
            yield from _collect(done, len(wishes))
        except BaseException:
            self._endpoint.stop()
            raise

    def _work(self, todo: SimpleQueue[Wish | None], done: SimpleQueue[tuple[Item, Response | Exception]]) -> None:
        while (wish := todo.get()) is not None:
            try:
                done.put((wish.item, self._ask(wish)))
            except Exception as error:  # the main thread raises it
                done.put((wish.item, error))

    def _ask(self, wish: Wish) -> Response:
        path = "/chat/completions" if self._tokenizer is None else "/completions"
        answer = self._endpoint.ask(path, wish.body)
        if isinstance(answer, Refusal):
            return Response("", wish.n_prompt_tokens, None, "error")
        return _response(answer, wish.n_prompt_tokens)

    def _common(self, decoding: Decoding) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "max_tokens": decoding.max_new_tokens,
        }
        # Not in OpenAI's own interface, which refuses it, so it is sent only where params ask for it.
        if decoding.top_k:
            body["top_k"] = decoding.top_k
        if decoding.stop:
            body["stop"] = list(decoding.stop)
        return body


def _chat(item: Item) -> dict[str, Any]:
    """The messages; vLLM's own server goes on from a start when told to, others may refuse these two words."""
    body: dict[str, Any] = {"messages": list(item.messages)}
    if start_of(item.messages) is not None:
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    return body


def _collect(done: SimpleQueue[tuple[Item, Response | Exception]], n: int) -> Iterator[tuple[Item, Response]]:
    """The next `n` outcomes; at the first error those that are already there, and then the error."""
    for _ in range(n):
        item, outcome = done.get()
        if isinstance(outcome, Exception):
            yield from _leftovers(done)
            raise outcome
        yield item, outcome


def _leftovers(done: SimpleQueue[tuple[Item, Response | Exception]]) -> Iterator[tuple[Item, Response]]:
    while True:
        try:
            item, outcome = done.get_nowait()
        except Empty:
            return
        if isinstance(outcome, Response):
            yield item, outcome


def _response(answer: dict[str, Any], n_prompt_tokens: int | None) -> Response:
    """The response in an answer; one that ended in no known way is an `error` row, to be asked for again."""
    choice, usage = answer["choices"][0], answer.get("usage") or {}
    text = choice["message"].get("content") if "message" in choice else choice.get("text")
    if isinstance(text, str):  # half of a sign of two, which an endpoint cut at its limit, cannot be kept
        text = text.encode("utf-8", "replace").decode()
    n_prompt_tokens, n_tokens = usage.get("prompt_tokens", n_prompt_tokens), usage.get("completion_tokens")
    match choice.get("finish_reason"):
        case "stop" | "length" as reason if isinstance(text, str):
            return Response(text, n_prompt_tokens, n_tokens, reason)
        case "content_filter":
            return Response(text or "", n_prompt_tokens, n_tokens or 0, "error")
    return Response(text or "", n_prompt_tokens, None, "error")


def _tokenizer(model: Path) -> Any:
    try:
        return AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError) as error:
        told = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{model}: no tokenizer for generation.server.api completions; chat needs none ({told})"
        ) from error
