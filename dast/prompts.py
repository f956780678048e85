"""From a query to what the model is sent.

A prompt is a list of messages; the engine renders it with the tokenizer's own chat template, which is also what
training renders rows with, so that a prompt at inference is a prefix of a training row. A raw prompt, for an untuned
base, is one message that goes as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

from dast.engines.protocol import RAW, Message
from dast.params.sections import Prompt, PromptStyle

Solved = tuple[str, str]
"""A solved query: its text and a worked solution."""


def style_for(prompt: Prompt, policy: str) -> PromptStyle:
    """`prompt.base` for the untuned base, `prompt.tuned` for every model that this line trained."""
    return prompt.base if policy == "base" else prompt.tuned


def plain_prompt(style: PromptStyle, query: str) -> list[Message]:
    """The query alone, as training rows hold it: no exemplars."""
    return [*_system(style), _user(style, query)]


def prompt_with(style: PromptStyle, query: str, exemplars: Iterable[Solved]) -> list[Message]:
    """The query behind solved ones, each an earlier pair of turns."""
    if style.raw:
        shown = "".join(f"{_user(style, text)['content']} {response}\n\n" for text, response in exemplars)
        return [{"role": RAW, "content": shown + _user(style, query)["content"]}]
    turns = [turn for solved in exemplars for turn in (_user(style, solved[0]), _assistant(solved[1]))]
    return [*_system(style), *turns, _user(style, query)]


def sampling_prompt(style: PromptStyle, query: str) -> list[Message]:
    """The query behind the style's own fixed exemplars: what `sample` and evaluation send."""
    return prompt_with(style, query, [(shot.query, shot.response) for shot in style.exemplars])


def started(prompt: Sequence[Message], start: str) -> list[Message]:
    """The prompt with the response's start behind, which the model goes on from."""
    return [*prompt, _assistant(start)]


def completion(response: str) -> list[Message]:
    """A response as a training target."""
    return [_assistant(response)]


def prompt_digest(messages: Sequence[Message]) -> str:
    """16 hex digits that name a prompt by its content."""
    return digest([[message["role"], message["content"]] for message in messages])


def digest(content: object) -> str:
    """16 hex digits of a JSON-able value, the same on every machine."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _system(style: PromptStyle) -> list[Message]:
    return [] if style.system is None else [{"role": "system", "content": style.system}]


def _user(style: PromptStyle, query: str) -> Message:
    return {"role": "user", "content": style.user.replace("{query}", query)}


def _assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}
