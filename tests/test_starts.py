"""Responses that are started for the model: how they are rendered, continued, put together, and recorded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from dast.engines.protocol import RAW, Item, Message
from dast.engines.recorded import RecordedEngine
from dast.engines.rendering import continued, render
from dast.engines.starts import joined, start_of
from dast.engines.transformers import TransformersEngine
from dast.errors import ModelError
from dast.frames import frame
from dast.policies.counting import TokenCounter
from dast.prompts import prompt_digest, started
from dast.rollouts import Recorder, wanted
from dast.tables import POOL
from dast.tiny.tokenizer import make_tokenizer
from dast.tiny.world import LEVELS, draw, solution
from tests.makers import FakeEngine, default_settings
from tests.tiny_models import save_tiny_model

SETTINGS = default_settings()
DECODING = SETTINGS.sample.decoding.model_copy(update={"max_new_tokens": 9})
QUERY = [{"role": "user", "content": "Tom has 9 coins. Sep triples. Oct loses 4. How many?"}]
START, REST = "Sep 9*3=27;", " Oct 27-4=23; #### 23"

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
TRIMMING = CHATML.replace("message['content']", "message['content'] | trim")
LINES = "First, 9*3 = 27.\nThen 27-4 = 23, so he has 23 left.\n\n#### 23"


def bpe(template: str) -> PreTrainedTokenizerFast:
    """Byte-level, with merges over a line's end, as tokenizers of large models have them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(
                Regex(r" ?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), behavior="isolated"
            ),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([LINES, QUERY[0]["content"]] * 20, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", chat_template=template)


def tokens(messages: Sequence[Message], tokenizer: Any) -> list[int]:
    item = Item("q", "hinted", 0, prompt_digest(messages), messages)
    ((_, found),) = render([item], tokenizer, 10_000)[0]
    return found


def whole(messages: Sequence[Message], response: str, tokenizer: Any) -> list[int]:
    turns = [*messages, {"role": "assistant", "content": response}]
    return list(tokenizer.apply_chat_template(turns, tokenize=True, return_dict=True)["input_ids"])


def worlds() -> list[tuple[list[Message], str]]:
    problems = [one for level in LEVELS["core"] for one in draw("core", level, "train", 3, 5, 1.0)]
    return [([{"role": "user", "content": one.query}], solution(one, "worked")) for one in problems]


def test_start_tiny_world_tokens_are_a_prefix_of_the_training_row() -> None:
    tokenizer = make_tokenizer()
    for messages, response in worlds():
        for end in [index + 1 for index, sign in enumerate(response) if sign == ";"]:
            found = tokens(started(messages, response[:end]), tokenizer)
            row = whole(messages, response, tokenizer)
            assert row[: len(found)] == found
            assert tokenizer.eos_token_id not in found
            assert joined(response[:end], continued(found, row[len(found) : -1], tokenizer)) == response
            assert joined(response[:end], tokenizer.decode(row[len(found) : -1])) == response


@pytest.mark.parametrize("template", [CHATML, TRIMMING])
def test_start_at_a_lines_end_is_a_prefix_of_the_training_row(template: str) -> None:
    tokenizer = bpe(template)
    assert tokenizer(".\n")["input_ids"] != tokenizer(".")["input_ids"] + tokenizer("\n")["input_ids"]
    row = whole(QUERY, LINES, tokenizer)
    for start in ("First, 9*3 = 27.\n", "First, 9*3 = 27.\nThen 27-4 = 23, so he has 23 left.\n\n", "First,"):
        found = tokens(started(QUERY, start), tokenizer)
        assert row[: len(found)] == found
        end = row.index(tokenizer.eos_token_id, len(found))
        assert joined(start, continued(found, row[len(found) : end], tokenizer)) == LINES


def test_render_plain_prompts_are_what_they_were() -> None:
    tokenizer = bpe(CHATML)
    before = tokenizer.apply_chat_template(QUERY, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert tokens(QUERY, tokenizer) == before
    shown = [QUERY[0], {"role": "assistant", "content": "#### 1"}, QUERY[0]]
    assert tokens(shown, make_tokenizer())[-1] == make_tokenizer()("\n")["input_ids"][0]
    raw = [{"role": RAW, "content": "Tom has 9 coins."}]
    assert tokens(raw, make_tokenizer()) == make_tokenizer()("Tom has 9 coins.")["input_ids"]


def test_render_raw_start_stands_where_an_exemplars_response_does() -> None:
    raw = started([{"role": RAW, "content": "Tom has 9 coins. How many?"}], START)
    assert tokens(raw, make_tokenizer()) == make_tokenizer()("Tom has 9 coins. How many? " + START)["input_ids"]


def test_render_template_that_drops_the_start_is_refused_in_one_line() -> None:
    content = "message['content'] +"
    dropping = CHATML.replace(content, f"('' if message['role'] == 'assistant' else {content[:-2]}) +")
    with pytest.raises(ModelError, match="does not render a started response") as caught:
        tokens(started(QUERY, START), bpe(dropping))
    assert "\n" not in str(caught.value)


def test_joined_puts_back_only_the_space_that_was_dropped() -> None:
    assert joined(START, REST) == joined(START, REST.lstrip()) == START + REST
    assert joined("27.\n", "Then") == "27.\nThen"
    assert joined("it is 2", "7") == "it is 27"
    assert joined("it is 27.", "\nThen") == "it is 27.\nThen"
    assert (start_of(QUERY), start_of(started(QUERY, START))) == (None, START)


def test_transformers_engine_continues_as_if_it_had_written_the_start(tmp_path: Path) -> None:
    engine = TransformersEngine(SETTINGS.generation, save_tiny_model(tmp_path, spread=0.3))
    greedy = DECODING.model_copy(update={"temperature": 0.0})

    def given(messages: list[Message]) -> Any:
        item = Item("q", "hinted", 0, prompt_digest(messages), messages)
        ((_, response),) = engine.generate([item], greedy, 1)
        return response

    first = given(QUERY)
    ids = engine._tokenizer(first.text, add_special_tokens=False)["input_ids"]
    start = engine._tokenizer.decode(ids[:4])
    rest = given(started(QUERY, start))
    assert joined(start, rest.text).startswith(first.text)
    assert rest.n_prompt_tokens == first.n_prompt_tokens + 4


def test_recorded_engine_gives_nothing_for_a_start() -> None:
    pool = frame(POOL, [{"query_id": "q", "pool_index": 0, "origin": "self", "response": "#### 4", "label": None}])
    items = wanted("q", "hinted", [0], started(QUERY, START))
    assert list(RecordedEngine(pool).generate(items, DECODING, 1)) == []
    assert len(list(RecordedEngine(pool).generate(wanted("q", "more", [0], QUERY), DECODING, 1))) == 1


def test_recorder_started_response_is_whole_and_its_start_counted() -> None:
    engine = FakeEngine(lambda item: REST if start_of(item.messages) else START + REST)
    recorder = Recorder(engine, "base", 1, 5, count=TokenCounter(lambda texts: [len(text) for text in texts]))
    prompt = started(QUERY, START)
    asked = [*wanted("q", "more", [0], QUERY), *wanted("q", "hinted", [1, 2], prompt)]
    rows = recorder.collect(asked, DECODING, "test").sort("sample_index")
    assert set(rows["response"]) == {START + REST}
    assert rows["n_hint_tokens"].to_list() == [0, len(START), len(START)]
    assert rows["n_tokens"].to_list() == [5, 5, 5]
    stored = recorder.prompts_table().filter(pl.col("prompt_digest") == prompt_digest(prompt))
    assert stored["messages"].to_list() == [prompt]
