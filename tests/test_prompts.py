"""Prompts: turns for the chat template, or text as it is."""

from __future__ import annotations

from typing import Any

from dast.engines.protocol import RAW, Item
from dast.engines.rendering import render
from dast.params.sections import Exemplar, PromptStyle
from dast.prompts import plain_prompt, prompt_digest, prompt_with, sampling_prompt
from dast.tiny.tokenizer import make_tokenizer


def style(**changes: Any) -> PromptStyle:
    fields = {"system": None, "user": "Question: {query}\nResponse:", "exemplars": [], "raw": False}
    return PromptStyle(**(fields | changes))


SHOTS = [Exemplar(query="1+1?", response="2")]


def test_prompt_exemplars_are_earlier_turns() -> None:
    messages = sampling_prompt(style(system="Add.", exemplars=SHOTS), "2+2?")
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[-1]["content"] == "Question: 2+2?\nResponse:"


def test_prompt_raw_is_one_text_with_exemplars_in_front() -> None:
    text = "Question: 1+1?\nResponse: 2\n\nQuestion: 2+2?\nResponse:"
    assert sampling_prompt(style(raw=True, exemplars=SHOTS), "2+2?") == [{"role": RAW, "content": text}]
    assert prompt_with(style(raw=True), "2+2?", [("1+1?", "2")]) == [{"role": RAW, "content": text}]


def test_prompt_training_rows_hold_turns_and_no_exemplars() -> None:
    assert plain_prompt(style(exemplars=SHOTS), "2+2?") == [{"role": "user", "content": "Question: 2+2?\nResponse:"}]


def test_render_raw_text_goes_without_the_chat_template() -> None:
    tokenizer = make_tokenizer()
    raw, turns = (sampling_prompt(style(user="{query}", raw=raw), "Tom has 3 coins.") for raw in (True, False))
    items = [Item(f"q{i}", "sample", 0, prompt_digest(messages), messages) for i, messages in enumerate((raw, turns))]
    (_, as_text), (_, by_template) = render(items, tokenizer, 100)[0]
    assert as_text == tokenizer("Tom has 3 coins.")["input_ids"]
    assert (
        by_template == tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)["input_ids"]
    )
    assert as_text != by_template
