"""From a batch's messages to the tokens that engines read: by the tokenizer's own chat template, or as they are.

Guarantees: a started response (`dast/engines/starts.py`) is rendered as training renders the whole of it, up to the
start's last character, and no end of turn follows. Grain: one prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dast.engines.protocol import RAW, Item, Message, Response
from dast.engines.starts import start_of
from dast.errors import ModelError


def render(
    batch: Sequence[Item], tokenizer: Any, limit: int
) -> tuple[list[tuple[Item, list[int]]], list[tuple[Item, Response]]]:
    """Items with their prompt's tokens, and the `error` rows of those that leave no room for a response.

    Args:
        batch: items of one batch; a prompt that several share is rendered once.
        tokenizer: a transformers tokenizer with a chat template.
        limit: most tokens of prompt and response together.

    Raises:
        ModelError: a chat template that does not render a started response as it is.
    """
    ids: dict[str, list[int]] = {}
    for item in batch:
        if item.prompt_digest not in ids:
            ids[item.prompt_digest] = _tokens(item.messages, tokenizer)
    prompts = [(item, ids[item.prompt_digest]) for item in batch]
    fits = [(item, prompt) for item, prompt in prompts if len(prompt) < limit]
    refused = [(item, Response("", len(prompt), 0, "error")) for item, prompt in prompts if len(prompt) >= limit]
    return fits, refused


def continued(prompt: Sequence[int], row: Sequence[int], tokenizer: Any) -> str:
    """The text of a row's tokens behind its prompt's, with the white space that decoding the row alone may drop."""
    before = tokenizer.decode(prompt, skip_special_tokens=True)
    whole = tokenizer.decode([*prompt, *row], skip_special_tokens=True)
    if whole.startswith(before):
        return str(whole[len(before) :])
    return str(tokenizer.decode(row, skip_special_tokens=True))  # a decoder that changes what came before


def _tokens(messages: Sequence[Message], tokenizer: Any) -> list[int]:
    start = start_of(messages)
    if messages[0]["role"] == RAW:  # with what the tokenizer puts before any text, such as a BOS token
        text = messages[0]["content"] if start is None else f"{messages[0]['content']} {start}"
        return list(tokenizer(text)["input_ids"])
    if start is not None:
        return list(tokenizer(_started(messages, start, tokenizer), add_special_tokens=False)["input_ids"])
    rendered = tokenizer.apply_chat_template(
        list(messages), add_generation_prompt=True, tokenize=True, return_dict=True
    )
    return list(rendered["input_ids"])


def _started(messages: Sequence[Message], start: str, tokenizer: Any) -> str:
    """The rendered text; white space that a template trims from a turn's end is given back, since more will follow."""
    try:
        text = str(tokenizer.apply_chat_template(list(messages), continue_final_message=True, tokenize=False))
        end = text.rindex(start.strip()) + len(start.strip())
    except ValueError as error:
        told = " ".join(str(error).split())[:160]
        raise ModelError(f"the chat template does not render a started response; leave hinted out ({told})") from error
    return text[:end] + start[len(start.rstrip()) :]
