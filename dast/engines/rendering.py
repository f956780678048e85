"""From a batch's messages to the tokens that engines read: by the tokenizer's own chat template, or as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dast.engines.protocol import RAW, Item, Message, Response


def render(
    batch: Sequence[Item], tokenizer: Any, limit: int
) -> tuple[list[tuple[Item, list[int]]], list[tuple[Item, Response]]]:
    """Items with their prompt's tokens, and the `error` rows of those that leave no room for a response.

    Args:
        batch: items of one batch; a prompt that several share is rendered once.
        tokenizer: a transformers tokenizer with a chat template.
        limit: most tokens of prompt and response together.
    """
    ids: dict[str, list[int]] = {}
    for item in batch:
        if item.prompt_digest not in ids:
            ids[item.prompt_digest] = _tokens(item.messages, tokenizer)
    prompts = [(item, ids[item.prompt_digest]) for item in batch]
    fits = [(item, prompt) for item, prompt in prompts if len(prompt) < limit]
    refused = [(item, Response("", len(prompt), 0, "error")) for item, prompt in prompts if len(prompt) >= limit]
    return fits, refused


def _tokens(messages: Sequence[Message], tokenizer: Any) -> list[int]:
    if messages[0]["role"] == RAW:  # with what the tokenizer puts before any text, such as a BOS token
        return list(tokenizer(messages[0]["content"])["input_ids"])
    rendered = tokenizer.apply_chat_template(
        list(messages), add_generation_prompt=True, tokenize=True, return_dict=True
    )
    return list(rendered["input_ids"])
