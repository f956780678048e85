"""Started responses: a prompt whose last message is the assistant's is a start that the model goes on from.

Guarantees: what an engine gives for such a prompt is the continuation alone; start and continuation together are the
response that the model would have written whole. Grain: one prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

from dast.engines.protocol import Message

_STEP_MARKS = tuple(".;:,!?")


def start_of(messages: Sequence[Message]) -> str | None:
    """The start that a prompt ends in; None for a plain prompt, which the model answers from its first word on."""
    return messages[-1]["content"] if messages and messages[-1]["role"] == "assistant" else None


def joined(start: str, continuation: str) -> str:
    """The whole response.

    An endpoint, or a tokenizer that decodes the continuation alone, may have dropped the space that it begins with: one
    is put between the mark that ends a step and a word or `####`. Other text is taken as the model wrote it.
    """
    glued = start.endswith(_STEP_MARKS) and (continuation[:1].isalpha() or continuation.startswith("####"))
    return f"{start} {continuation}" if glued else start + continuation
