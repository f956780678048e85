"""What is kept is found again, and nothing else; an interrupted run ends as the uninterrupted one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dast.augmentation.loop import Augmentation
from dast.augmentation.prompting import prompting_of
from dast.augmentation.tally import start
from dast.difficulty.posterior import Beta
from dast.engines.protocol import Item, Response
from dast.errors import StoreError
from dast.grading import Grader
from dast.params.sections import Generation
from dast.samplers import CHANGES_COST, CHANGES_TEXT, flat, sampler_of, text_settings
from dast.store.keeping import Store
from tests.makers import FakeEngine, default_settings, difficulty_table, graded_table, queries_table
from tests.stores import DECODING, SIZE, BatchEngine, StoppedError, asked, broken_off, recorder, sampled


class NoEngine:
    name = "transformers"

    def generate(self, *_: object) -> object:
        raise AssertionError("an engine was started")


def generated(engine: BatchEngine) -> int:
    return sum(map(len, engine.batches))


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    sampled(tmp_path, asked(6, 4), BatchEngine())
    return tmp_path


def test_second_run_starts_no_engine_and_gives_the_same_bytes(tmp_path: Path) -> None:
    first = sampled(tmp_path, asked(6, 4), BatchEngine())
    assert sampled(tmp_path, asked(6, 4), NoEngine()) == first


@pytest.mark.parametrize("change", [{"size": 7}, {}])
def test_batch_size_order_and_name_of_the_asker_are_no_part_of_the_key(filled: Path, change: dict[str, int]) -> None:
    items = [Item(f"other {item.query_id}", "more", *list(vars(item).values())[2:]) for item in asked(6, 4)]
    sampled(filled, items[::-1], NoEngine(), **change)


def test_raised_k_generates_the_further_draws_alone(filled: Path) -> None:
    before = rows(filled, 6, 4)
    engine = BatchEngine()
    sampled(filled, asked(6, 6), engine)
    assert generated(engine) == 6 * 2
    assert {index for batch in engine.batches for _, index in batch} == {4, 5}
    assert rows(filled, 6, 4).equals(before)


def test_new_queries_generate_themselves_alone(filled: Path) -> None:
    engine = BatchEngine()
    sampled(filled, asked(8, 4), engine)
    assert {query_id for batch in engine.batches for query_id, _ in batch} == {"q006", "q007"}
    assert generated(engine) == 2 * 4


def test_lowered_k_and_fewer_queries_generate_nothing(filled: Path) -> None:
    sampled(filled, asked(3, 2), NoEngine())


@pytest.mark.parametrize("change", [{"seed": 2}, {"policy": "e" * 64}])
def test_another_seed_or_policy_generates_everything(filled: Path, change: dict[str, object]) -> None:
    engine = BatchEngine()
    sampled(filled, asked(6, 4), engine, **change)
    assert generated(engine) == 24


def test_generation_every_field_is_said_to_change_text_or_not() -> None:
    assert not CHANGES_TEXT & CHANGES_COST
    assert flat(default_settings().generation.model_dump()).keys() <= CHANGES_TEXT | CHANGES_COST


def test_text_settings_leave_out_what_another_engine_reads() -> None:
    class Other(Generation):
        server: dict[str, str]

    fields = default_settings().generation.model_dump()
    for engine, names in (("vllm", set()), ("server", {"server.model", "server.unheard_of"})):
        section = Other.model_construct(
            **{**fields, "engine": engine, "server": {"model": "m", "url": "u", "unheard_of": ""}}
        )
        assert text_settings(section, "f").keys() == {"policy", "revision", "dtype", "max_model_tokens", *names}


def test_sampler_is_told_apart_by_what_changes_text_alone() -> None:
    generation = default_settings().generation

    def name(about: Generation = generation, engine: str = "vllm", seed: int = 1, **decoding: object) -> str:
        return sampler_of(text_settings(about, "f"), engine, seed, DECODING.model_copy(update=decoding)).digest

    assert name() == name(generation.model_copy(update={"batch_rollouts": 9, "gpu_memory_rate": 0.1, "engine": "vllm"}))
    others = {
        name(generation.model_copy(update={"dtype": "bfloat16"})),
        name(generation.model_copy(update={"max_model_tokens": 9})),
        name(engine="transformers"),
        name(seed=2),
        name(temperature=0.1),
        name(top_p=0.1),
        name(max_new_tokens=7),
        name(stop=["x"]),
    }
    assert len(others | {name()}) == 9
    assert name(temperature=0.0, seed=1) == name(temperature=0.0, seed=2)


@settings(max_examples=20)
@given(stops=st.lists(st.integers(0, 30), max_size=4), k=st.integers(1, 5), size=st.integers(1, 9))
def test_broken_off_runs_end_as_the_whole_one(stops: list[int], k: int, size: int) -> None:
    with TemporaryDirectory() as name:
        whole = sampled(Path(name) / "whole", asked(7, k), BatchEngine(), size=size)
        for stop in stops:
            broken_off(Path(name) / "parts", asked(7, k), stop, size=size)
        assert sampled(Path(name) / "parts", asked(7, k), BatchEngine(), size=size) == whole


@settings(max_examples=10)
@given(stop=st.integers(0, 40), before=st.integers(0, 3))
def test_broken_off_run_after_a_raised_k_ends_as_the_whole_one(stop: int, before: int) -> None:
    with TemporaryDirectory() as name:
        ends = []
        for part, stops in (("whole", []), ("parts", [stop])):
            folder = Path(name) / part
            sampled(folder, asked(5, before), BatchEngine())
            for one in stops:
                broken_off(folder, asked(8, 6), one)
            ends.append(sampled(folder, asked(8, 6), BatchEngine()))
        assert ends[0] == ends[1]


class SometimesRight(BatchEngine):
    """Right or wrong by chance, and chance by the batch: waves go as batches went."""

    def generate(self, *asked: Any) -> Iterator[tuple[Item, Response]]:
        for item, response in super().generate(*asked):
            yield item, Response(f"#### {4 if response.text < '4' else response.text}", 3, 5, "stop")


def augmented(folder: Path, stop_after: int | None, grader: Grader) -> pl.DataFrame:
    queries, settings = queries_table(6), default_settings().augment
    difficulty = difficulty_table(dict.fromkeys(queries["query_id"], "unsolved"))
    sampled = graded_table([(query_id, f"s{query_id}", "", "incorrect") for query_id in queries["query_id"]])
    style = default_settings().prompt.base
    with Store(folder) as store:
        work = Augmentation(
            *(queries, start(queries, sampled, difficulty, None, settings.budget, 1), Beta(1.0, 1.0)),
            *(prompting_of(queries, style, None, settings.ladder.hinted), settings),
            *(recorder(store, SometimesRight(stop_after), size=5), grader, lambda rows: None),
        )
        return work.run().sort("query_id", "rollout_id")


def test_broken_off_waves_end_as_the_whole_ones(tmp_path: Path) -> None:
    with Grader(default_settings().grading) as grader:
        whole = augmented(tmp_path / "whole", None, grader)
        assert whole["sample_index"].max() > 4  # several waves
        for stop in (3, 7, 14, 2, 11, 6, 9):
            with suppress(StoppedError):
                augmented(tmp_path / "parts", stop, grader)
        assert augmented(tmp_path / "parts", None, grader).equals(whole)


def test_broken_off_run_loses_the_batch_in_flight_alone(tmp_path: Path) -> None:
    broken_off(tmp_path, asked(6, 4), stop_after=2 * SIZE + 3)
    engine = BatchEngine()
    sampled(tmp_path, asked(6, 4), engine)
    assert generated(engine) == 24 - 2 * SIZE


def test_engine_that_never_repeats_itself_loses_nothing_when_it_fails(tmp_path: Path) -> None:
    first = BatchEngine(stop_after=2 * SIZE + 3)
    first.name = "server"
    with pytest.raises(StoppedError):
        sampled(tmp_path, asked(6, 4), first)
    second = BatchEngine()
    second.name = "server"
    sampled(tmp_path, asked(6, 4), second)
    assert generated(second) == 24 - 2 * SIZE - 3


def test_failed_request_is_asked_again_and_a_long_prompt_is_not(tmp_path: Path) -> None:
    class Failing(BatchEngine):
        def generate(self, *asked: Any) -> Iterator[tuple[Item, Response]]:
            for item, _ in super().generate(*asked):
                yield item, Response("", 900, 0 if item.query_id < "q003" else None, "error")

    sampled(tmp_path, asked(6, 1), Failing())
    engine = BatchEngine()
    sampled(tmp_path, asked(6, 1), engine)
    assert {query_id for batch in engine.batches for query_id, _ in batch} == {"q003", "q004", "q005"}


def test_kept_counts_are_told(filled: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        sampled(filled, asked(6, 6), BatchEngine())
        sampled(filled, asked(6, 6), NoEngine())
    assert "36 rollouts of 6 queries: 24 kept, 12 to generate in 3 batches" in caplog.text
    assert "36 rollouts of 6 queries: all kept in the store" in caplog.text
    assert "forecast from the first batch (4 rollouts" in caplog.text


def test_replay_gives_what_is_kept(filled: Path) -> None:
    sampled(filled, asked(6, 4), NoEngine(), replay=True)


def test_replay_that_lacks_some_says_how_many_and_generates_nothing(filled: Path) -> None:
    with pytest.raises(StoreError, match=r"lacks 6 of 30 rollouts, of 6 queries, of policy base by transformers"):
        sampled(filled, asked(6, 5), NoEngine(), replay=True)


def test_replay_names_the_engine_that_the_store_has_rollouts_of(filled: Path) -> None:
    engine = FakeEngine(lambda item: "never")
    with pytest.raises(StoreError, match=r"some of this policy by transformers: set generation\.engine"):
        sampled(filled, asked(6, 4), engine, replay=True)
    assert not engine.batches


def test_seconds_of_kept_rollouts_are_those_of_their_generation(tmp_path: Path) -> None:
    def seconds() -> pl.DataFrame:
        with Store(tmp_path) as store:
            work = recorder(store, BatchEngine())
            work.collect(asked(6, 4), DECODING, "rollouts")
            return work.seconds_table().sort("rollout_id")

    first = seconds()
    assert first["seconds"].min() > 0
    assert seconds().equals(first)


def rows(folder: Path, n_queries: int, k: int) -> pl.DataFrame:
    with Store(folder) as store:
        work = recorder(store, NoEngine())
        return work.collect(asked(n_queries, k), DECODING, "rollouts").sort("query_id", "sample_index")
