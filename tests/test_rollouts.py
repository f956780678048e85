"""Rollouts: batches and seeds that depend on keys alone, draws that are never given twice, and the tables."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from dast.engines.protocol import Item
from dast.generating import Draw, batch_seed, batches
from dast.rollouts import Recorder, wanted
from dast.tables import PROMPTS, ROLLOUTS, SETTINGS
from tests.makers import FakeEngine, default_settings

DECODING = default_settings().sample.decoding


def items(n: int, k: int) -> list[Item]:
    return [
        item
        for q in range(n)
        for item in wanted(f"q{q}", "sample", range(k), [{"role": "user", "content": "x" * (q % 5)}])
    ]


def draws(n: int, k: int) -> list[Draw]:
    return [Draw(item, item.sample_index) for item in items(n, k)]


def keys(batch: list[Draw]) -> list[tuple[str, int, str]]:
    return [(one.item.prompt_digest, one.draw, one.item.query_id) for one in batch]


def test_batches_shuffled_draws_are_the_same_batches() -> None:
    asked = draws(13, 3)
    shuffled = random.Random(1).sample(asked, len(asked))
    assert batches(asked, 7) == batches(shuffled, 7)
    assert sorted(map(str, asked)) == sorted(str(draw) for batch in batches(asked, 7) for draw in batch)


@given(n=st.integers(1, 40), size=st.integers(1, 9), done=st.sets(st.integers(0, 40)))
def test_batches_of_what_is_left_are_those_that_were_left(n: int, size: int, done: set[int]) -> None:
    whole = batches(draws(n, 2), size)
    left = [batch for number, batch in enumerate(whole) if number not in done]
    again = batches([draw for batch in left for draw in batch], size)
    assert list(map(keys, again)) == list(map(keys, left))


def test_batch_seed_differs_by_keys_settings_and_seed() -> None:
    first, second, *_ = batches(draws(8, 2), 4)
    seeds = {
        batch_seed(first, 1, "s"),
        batch_seed(second, 1, "s"),
        batch_seed(first, 2, "s"),
        batch_seed(first, 1, "t"),
    }
    assert len(seeds) == 4
    assert batch_seed(first, 1, "s") == batch_seed(list(first), 1, "s")


def test_recorder_tables_hold_every_rollout_prompt_and_setting() -> None:
    recorder = Recorder(FakeEngine(lambda item: f"r{item.sample_index}"), "base", 1, 5)
    recorder.collect(items(6, 2), DECODING, "test")
    rollouts = recorder.rollouts_table()
    assert rollouts.height == rollouts.n_unique(list(ROLLOUTS.key)) == 12
    assert set(rollouts["prompt_digest"]) == set(recorder.prompts_table()["prompt_digest"])
    assert set(rollouts["settings_digest"]) == set(recorder.settings_table()["settings_digest"])
    assert recorder.prompts_table().schema == PROMPTS.schema
    assert recorder.settings_table().schema == SETTINGS.schema
    assert rollouts.schema == ROLLOUTS.schema


def test_recorder_queries_with_one_prompt_share_its_draws() -> None:
    engine = FakeEngine(lambda item: f"{item.prompt_digest} {item.sample_index}")
    recorder = Recorder(engine, "base", 1, 5)
    rollouts = recorder.collect(items(6, 2), DECODING, "test")  # q0 and q5 have the same prompt
    assert sum(len(batch) for batch, _ in engine.batches) == 10
    pair = [rollouts.filter(query_id=query_id).sort("sample_index") for query_id in ("q0", "q5")]
    assert pair[0]["response"].to_list() == pair[1]["response"].to_list()
    assert not set(pair[0]["rollout_id"]) & set(pair[1]["rollout_id"])


def test_recorder_recorded_responses_belong_to_their_query() -> None:
    engine = FakeEngine(lambda item: f"{item.query_id} {item.sample_index}")
    engine.name = "recorded"
    rollouts = Recorder(engine, "base", 1, 5).collect(items(6, 2), DECODING, "test")
    assert {f"{q} {i}" for q, i in rollouts.select("query_id", "sample_index").iter_rows()} == set(rollouts["response"])


def test_recorder_draws_of_earlier_stages_and_calls_are_not_given_again() -> None:
    def collect(*indices: range) -> list[str]:
        recorder = Recorder(FakeEngine(lambda item: "4"), "base", 1, 5)
        message = [{"role": "user", "content": "x"}]
        for part in indices:
            recorder.collect(wanted("q", "more", part, message), DECODING, "test")
        return recorder.rollouts_table().sort("sample_index")["rollout_id"].to_list()

    assert collect(range(3), range(3, 5)) == collect(range(5))
    later = Recorder(FakeEngine(lambda item: "4"), "base", 1, 5)
    first = Recorder(FakeEngine(lambda item: "4"), "base", 1, 5)
    later.count_earlier(first.collect(items(1, 3), DECODING, "test"))
    more = later.collect(wanted("q0", "more", range(3, 5), items(1, 1)[0].messages), DECODING, "test")
    assert not set(more["rollout_id"]) & set(first.rollouts_table()["rollout_id"])


def test_recorder_engine_that_gives_fewer_leaves_no_row_invented() -> None:
    recorder = Recorder(FakeEngine(lambda item: None if item.sample_index else "4"), "base", 1, 5)
    assert recorder.collect(items(6, 2), DECODING, "test").height == 6
