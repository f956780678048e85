"""What an engine is given, and what it gives back.

An engine knows nothing of tables, rounds or keeping: it is handed one batch at a time and yields each response with
the item that asked for it, in any order. It may yield fewer (a pool that is exhausted); it never invents one. A prompt
that is too long for `generation.max_model_tokens` is a response with finish reason `error` and 0 tokens, not an
exception: it would end so again. A request that failed, or that a server refused by limits of its own, is one whose
tokens are None: it may be asked again. An engine that can give no more raises EngineError, after all responses that it
has; those are good.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from dast.params.decoding import Decoding

FinishReason = Literal["stop", "length", "recorded", "error"]
Message = dict[str, str]
"""One turn: {role, content}. A last turn of the assistant's is a start that the response continues."""
RAW = "raw"
"""Role of a prompt's only message that is sent as it is, without the chat template."""


@dataclass(frozen=True)
class Item:
    """One wanted rollout: the query, its prompt, and which sample of that query it is (0, 1, … over all steps)."""

    query_id: str
    step: str
    sample_index: int
    prompt_digest: str
    messages: Sequence[Message]


@dataclass(frozen=True)
class Response:
    """What the model wrote. Token counts are None where the engine cannot know them (recorded text)."""

    text: str
    n_prompt_tokens: int | None
    n_tokens: int | None
    finish_reason: FinishReason


class Engine(Protocol):
    """Generates responses; see the module's guarantees."""

    name: str

    def generate(self, batch: Sequence[Item], decoding: Decoding, seed: int) -> Iterator[tuple[Item, Response]]:
        """Responses to one batch, in any order; the same batch and seed give the same text on one device."""
        ...
