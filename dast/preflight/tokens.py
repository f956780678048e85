"""Whether tokenizer and chat template carry this data: round trips, special tokens in texts, and where turns end.

Guarantees: what is compared is what the engines send and what training renders. Grain: one finding a property.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from transformers import AutoTokenizer

from dast.engines.protocol import Message
from dast.errors import ModelError
from dast.params.sections import PromptStyle
from dast.preflight.findings import Finding, first_line, plural
from dast.prompts import completion, plain_prompt, sampling_prompt

N_ROWS = 10
"""Texts that are encoded and decoded again: enough to meet digits, formulas and line breaks."""

_SHOWN = 40
_N_NAMED = 6


def load_tokenizer(folder: Path, chat_template: str | None) -> Any:
    """The tokenizer of a model folder; `chat_template` serves where it has none, as bootstrap will set it.

    Raises:
        ModelError: none can be loaded.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(f"{folder}: no tokenizer can be loaded: {first_line(error)}") from error
    if not tokenizer.chat_template and chat_template is not None:
        tokenizer.chat_template = chat_template
    return tokenizer


def round_trip(tokenizer: Any, texts: Sequence[str]) -> Finding:
    """Whether texts come back from their tokens, white space aside."""
    changed = [(text, back) for text in texts if _bare(back := _there_and_back(tokenizer, text)) != _bare(text)]
    if not changed:
        return Finding("ok", "tokenizer", f"{plural(len(texts), 'text')} came back from their tokens unchanged")
    text, back = changed[0]
    at = next(
        (n for n, (one, other) in enumerate(zip(text, back, strict=False)) if one != other), min(len(text), len(back))
    )
    told = f"{len(changed)} of {len(texts)} texts come back otherwise: {_around(text, at)} as {_around(back, at)}"
    if 2 * len(changed) > len(texts):
        return Finding("error", "tokenizer", f"{told}; take a model whose tokenizer knows these signs")
    return Finding("warning", "tokenizer", f"{told}; see whether that matters, or rewrite those signs in the source")


def special_tokens(tokenizer: Any, rows: pl.DataFrame) -> Finding:
    """Whether a query or solution (columns query_id, query, solution) holds the text of a special token."""
    marks = sorted(set(tokenizer.all_special_tokens))
    whole = pl.concat_str("query", pl.col("solution").fill_null(""), separator="\n")
    held = rows.filter(whole.str.contains_any(marks)) if marks else rows.head(0)
    named = ", ".join([*marks[:_N_NAMED], *(["…"] if len(marks) > _N_NAMED else [])])
    if held.is_empty():
        return Finding("ok", "special tokens", f"none of {named} stands in {plural(rows.height, 'row')}")
    ids = ", ".join(held.get_column("query_id").head(3))
    told = f"{plural(held.height, 'row')} with one of {named} as text ({ids}); the model would read the end "
    return Finding("warning", "special tokens", told + "of a turn there: take it out of the source")


def template_findings(tokenizer: Any, style: PromptStyle, query: str, response: str) -> Iterator[Finding]:
    """Whether the template renders training rows, and prompts as their beginning, and ends a response; of a raw style
    whether a prompt's text is the beginning of its row."""
    subject = "chat template"
    if style.raw:
        yield _raw_finding(tokenizer, style, query, response)
        return
    if not tokenizer.chat_template:
        yield Finding("error", subject, "the tokenizer has none; write one into prompt.chat_template")
        return
    prompt = plain_prompt(style, query)
    try:
        asked = _ids(tokenizer, prompt, add_generation_prompt=True)
        whole = _ids(tokenizer, [*prompt, *completion(response)], add_generation_prompt=False)
    except Exception as error:  # Jinja's own faults, and what a template raises of itself
        yield Finding("error", subject, f"it does not render a training row: {first_line(error)}; see prompt.tuned")
        return
    if whole[: len(asked)] == asked:
        yield Finding("ok", subject, "a prompt is the beginning of its training row, token for token")
    else:
        told = "a prompt is not the beginning of its training row, so a tuned model is asked otherwise than trained"
        yield Finding("error", subject, f"{told}; set prompt.chat_template for a base without one, or edit its own")
    yield from _bounds(tokenizer, whole)


def _raw_finding(tokenizer: Any, style: PromptStyle, query: str, response: str) -> Finding:
    text = sampling_prompt(style.model_copy(update={"exemplars": []}), query)[0]["content"]
    row = text + (response if response[:1].isspace() else f" {response}")
    asked, whole = (list(tokenizer(one)["input_ids"]) for one in (text, row))
    if whole[: len(asked)] == asked:
        return Finding("ok", "raw prompts", "a prompt is the beginning of its training row, token for token")
    told = "the end of a prompt and the start of its response become one token, so a tuned model is asked otherwise"
    return Finding("error", "raw prompts", f"{told} than trained; end prompt.tuned.user in a word or a mark")


def _bounds(tokenizer: Any, whole: Sequence[int]) -> Iterator[Finding]:
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    if bos is not None and list(whole[:2]) == [bos, bos]:
        told = f"a row begins with {tokenizer.bos_token} twice; take it out of the template"
        yield Finding("warning", "chat template", told)
    after = [token for token in whole[-3:] if tokenizer.decode([token]).strip()]
    if after and after[-1] == eos:
        yield Finding("ok", "chat template", f"a response ends in {tokenizer.eos_token}, which ends generation")
    else:
        told = f"a response does not end in {tokenizer.eos_token}: a tuned model may go on to the token limit"
        yield Finding("warning", "chat template", f"{told}; make the template end it so")


def _ids(tokenizer: Any, messages: Sequence[Message], *, add_generation_prompt: bool) -> list[int]:
    rendered = tokenizer.apply_chat_template(
        list(messages), add_generation_prompt=add_generation_prompt, tokenize=True, return_dict=True
    )
    return list(rendered["input_ids"])


def _there_and_back(tokenizer: Any, text: str) -> str:
    return str(tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]))


def _bare(text: str) -> str:
    return "".join(text.split())


def _around(text: str, at: int) -> str:
    return repr(text[max(0, at - _SHOWN // 2) : at + _SHOWN // 2])
