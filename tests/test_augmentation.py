"""The augmentation of a round with a fake engine: waves, matched prompts, what is recorded."""

from __future__ import annotations

import polars as pl

from dast.augmentation import Augmentation, allocation_summary, steps_table, unsolved_table
from dast.engines.protocol import Item
from dast.exemplars import shelf_of
from dast.grading import Grader
from dast.params.sections import Augment
from dast.rollouts import Recorder
from dast.sources.reference import reference_sft
from dast.tables import ALLOCATION, ALLOCATION_STEPS, GRADED, TEST_QUERIES, frame, write
from stages.augment import CHARACTERS, matched
from tests.makers import FakeEngine, default_settings, difficulty_table, graded_table, queries_table

SETTINGS = default_settings()
QUERIES = queries_table(8)
LEVELS: dict[str, str | None] = {f"q{i:03}": "easy" if i < 4 else "unsolved" for i in range(8)}
SAMPLED = graded_table(
    [(f"q{i:03}", f"s{i}{k}", "", "correct" if i < 4 else "incorrect") for i in range(8) for k in range(4)]
)


def augment(engine: FakeEngine, settings: Augment) -> tuple[Augmentation, pl.DataFrame]:
    shelf = None
    if settings.length.enabled:
        solved = reference_sft(QUERIES, SETTINGS.prompt.tuned)
        levels, held_out = difficulty_table(LEVELS), frame(TEST_QUERIES, [])
        shelf = shelf_of(solved, QUERIES, levels, held_out, matched(settings.length), CHARACTERS, 1)
    with Grader(SETTINGS.grading) as grader:
        work = Augmentation(
            QUERIES,
            SAMPLED,
            difficulty_table(LEVELS),
            SETTINGS.prompt.base,
            shelf,
            settings,
            lambda: Recorder(engine, "base", 1, 64),
            grader,
        )
        return work, work.run()


def right_when_matched(item: Item) -> str:
    return "#### 4" if item.step == "matched" else "#### 5"


def test_augment_spends_on_the_unsolved_and_keeps_every_rollout(tmp_path: object) -> None:
    engine = FakeEngine(right_when_matched)
    work, added = augment(engine, SETTINGS.augment)
    assert set(added["query_id"]) == {f"q{i:03}" for i in range(4, 8)}
    assert added.height == sum(len(batch) for batch, _ in engine.batches)
    assert added.height + SAMPLED.height <= 8 * 8
    outcomes = dict(work.allocation_table().select("query_id", "outcome").iter_rows())
    assert outcomes == dict.fromkeys(LEVELS, "quota_met")


def test_augment_plain_wave_first_then_matched_with_another_querys_solution() -> None:
    engine = FakeEngine(right_when_matched)
    work, added = augment(engine, SETTINGS.augment)
    steps = added.group_by("query_id").agg(pl.col("step").cast(pl.String).sort_by("sample_index"))
    assert {tuple(row) for row in steps["step"]} == {("more",) * 4 + ("matched",) * 4}
    texts = dict(QUERIES.select("query_id", "query").iter_rows())
    for batch, _ in engine.batches:
        for item in batch:
            turns = [turn["content"] for turn in item.messages if turn["role"] == "user"]
            assert turns[-1] == texts[item.query_id]
            assert texts[item.query_id] not in turns[:-1]
    assert set(work.prompts_table()["prompt_digest"]) == set(added["prompt_digest"])


def test_augment_without_need_starts_no_engine() -> None:
    def never() -> Recorder:
        raise AssertionError("an engine was started")

    settings = SETTINGS.augment.model_copy(update={"budget_per_query": 4.0})
    with Grader(SETTINGS.grading) as grader:
        levels = difficulty_table(LEVELS)
        work = Augmentation(QUERIES, SAMPLED, levels, SETTINGS.prompt.base, None, settings, never, grader)
        assert work.run().is_empty()
    assert work.prompts_table().is_empty()


def test_augment_exhausted_pool_is_said_and_ends() -> None:
    work, added = augment(FakeEngine(lambda item: None), SETTINGS.augment)
    assert added.is_empty()
    outcomes = work.allocation_table().filter(pl.col("level") == "unsolved")["outcome"]
    assert set(outcomes) == {"pool_exhausted"}


def test_tables_add_up_and_fit_their_contracts(tmp_path: object) -> None:
    from pathlib import Path

    work, added = augment(FakeEngine(right_when_matched), SETTINGS.augment)
    folder = Path(str(tmp_path))
    write(GRADED, added, folder / "a.parquet")
    write(ALLOCATION, work.allocation_table(), folder / "b.parquet")
    write(ALLOCATION_STEPS, steps_table(added), folder / "c.parquet")
    assert steps_table(added)["spent"].sum() == added.height
    rows = {row["level"]: row for row in allocation_summary(work.allocation_table(), added, SAMPLED)}
    assert rows["unsolved"]["n_newly_solved"] == 4
    assert rows["unsolved"]["spent"] == 4 * 4 + added.height


def test_unsolved_names_queries_that_nothing_solved() -> None:
    rollouts = pl.concat([SAMPLED, augment(FakeEngine(lambda item: "#### 5"), SETTINGS.augment)[1]])
    assert set(unsolved_table(QUERIES, rollouts)["query_id"]) == {f"q{i:03}" for i in range(4, 8)}
