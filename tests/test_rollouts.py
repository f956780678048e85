"""Rollouts: batches and seeds that depend on the wanted keys alone."""

from __future__ import annotations

import random

from dast.engines.protocol import Item
from dast.rollouts import Recorder, batch_seed, batches, wanted
from dast.tables import PROMPTS, ROLLOUTS, SETTINGS
from tests.makers import FakeEngine, default_settings

DECODING = default_settings().sample.decoding


def items(n: int, k: int) -> list[Item]:
    return [
        item
        for q in range(n)
        for item in wanted(f"q{q}", "sample", range(k), [{"role": "user", "content": "x" * (q % 5)}])
    ]


def test_batches_shuffled_items_are_the_same_batches() -> None:
    asked = items(13, 3)
    shuffled = random.Random(1).sample(asked, len(asked))
    assert list(batches(asked, 7)) == list(batches(shuffled, 7))
    assert sorted(map(str, asked)) == sorted(str(item) for batch in batches(asked, 7) for item in batch)


def test_batch_seed_differs_by_keys_settings_and_seed() -> None:
    first, second, *_ = batches(items(8, 2), 4)
    seeds = {
        batch_seed(first, 1, "s"),
        batch_seed(second, 1, "s"),
        batch_seed(first, 2, "s"),
        batch_seed(first, 1, "t"),
    }
    assert len(seeds) == 4
    assert batch_seed(first, 1, "s") == batch_seed(list(first), 1, "s")


def test_recorder_keeps_each_batch_before_the_next_starts() -> None:
    kept_before: list[int] = []

    def answer(item: Item) -> str:
        kept_before.append(len(recorder.rows))
        return "4"

    recorder = Recorder(FakeEngine(answer), "base", 1, 4)
    recorder.collect(items(4, 2), DECODING, "test")
    assert kept_before == [0] * 4 + [4] * 4


def test_recorder_tables_hold_every_rollout_prompt_and_setting() -> None:
    recorder = Recorder(FakeEngine(lambda item: f"r{item.sample_index}"), "base", 1, 5)
    recorder.collect(items(6, 2), DECODING, "test")
    rollouts = recorder.rollouts_table()
    assert rollouts.height == rollouts.n_unique(list(ROLLOUTS.key)) == 12
    assert set(rollouts["prompt_digest"]) == set(recorder.prompts_table()["prompt_digest"])
    assert set(rollouts["settings_digest"]) == set(recorder.settings_table()["settings_digest"])
    assert recorder.prompts_table().schema == PROMPTS.schema
    assert recorder.settings_table().schema == SETTINGS.schema


def test_recorder_engine_that_gives_fewer_leaves_no_row_invented() -> None:
    recorder = Recorder(FakeEngine(lambda item: None if item.sample_index else "4"), "base", 1, 5)
    assert len(recorder.collect(items(6, 2), DECODING, "test")) == 6
