"""The augmentation of a round with a fake engine: waves, the ladder's steps, budgets, what is recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from dast.augmentation.loop import Augmentation
from dast.augmentation.prompting import prompting_of
from dast.augmentation.records import (
    STEP_COLUMNS,
    allocation_table,
    level_rows,
    step_rows,
    steps_table,
    summary,
    unsolved_table,
)
from dast.augmentation.tally import start
from dast.difficulty.posterior import Beta
from dast.engines.protocol import Item
from dast.errors import DataError
from dast.exemplars import shelf_of
from dast.frames import frame, write
from dast.grading import Grader
from dast.params.augment import Augment
from dast.policies.counting import BY_CHARACTERS
from dast.rollouts import Recorder
from dast.sources.reference import reference_sft
from dast.tables import ALLOCATION, ALLOCATION_STEPS, GRADED, TEST_QUERIES, UNSOLVED
from tests.makers import FakeEngine, default_settings, difficulty_table, graded_table, queries_table
from tests.standings import augment_settings

SETTINGS = default_settings()
QUERIES = queries_table(8)
LEVELS: dict[str, str | None] = {f"q{i:03}": "easy" if i < 4 else "unsolved" for i in range(8)}
SAMPLED = graded_table(
    [(f"q{i:03}", f"s{i}{k}", "", "correct" if i < 4 else "incorrect") for i in range(8) for k in range(4)]
)
Answer = Callable[[Item], str | None]


def ladder(**steps: dict[str, Any]) -> dict[str, Any]:
    """The default's ladder with fields of its steps replaced."""
    whole = SETTINGS.augment.ladder.model_dump()
    return {name: {**whole[name], **steps.get(name, {})} for name in whole}


FOUR_PLAIN = {"most": 4, "min_chance": 0.0}
"""Of the step `more`: four rollouts before the next one, whatever they gave."""


def augment(answer: Answer, settings: Augment = SETTINGS.augment, **changes: Any) -> tuple[Augmentation, pl.DataFrame]:
    queries, sampled = changes.get("queries", QUERIES), changes.get("sampled", SAMPLED)
    levels, shelf = difficulty_table(LEVELS), None
    matched = settings.ladder.matched
    if matched.enabled:
        solved, none = reference_sft(queries, SETTINGS.prompt.tuned), frame(TEST_QUERIES, [])
        exemplars = matched.exemplars.model_copy(update={"near_duplicate": 1.0})
        shelf = shelf_of(solved, queries, levels, none, exemplars, BY_CHARACTERS, 1)
    with Grader(SETTINGS.grading) as grader:
        work = Augmentation(
            queries,
            start(queries, sampled, levels, changes.get("pool"), settings.budget, settings.seed),
            Beta(1.0, 1.0),
            prompting_of(queries, SETTINGS.prompt.base, shelf, settings.ladder.hinted),
            settings,
            Recorder(changes.get("engine") or FakeEngine(answer), "base", 1, 64),
            grader,
            changes.get("foretell", lambda rows: None),
        )
        return work, work.run()


def right_when_matched(item: Item) -> str:
    return "#### 4" if item.step == "matched" else "#### 5"


def test_augment_spends_on_the_unsolved_and_keeps_every_rollout() -> None:
    engine = FakeEngine(right_when_matched)
    work, added = augment(right_when_matched, engine=engine)
    assert set(added["query_id"]) == {f"q{i:03}" for i in range(4, 8)}
    assert added.height == sum(len(batch) for batch, _ in engine.batches)
    assert added.height + SAMPLED.height <= 8 * 8
    outcomes = dict(allocation_table(work).select("query_id", "outcome").iter_rows())
    assert outcomes == dict.fromkeys(LEVELS, "quota_met")


def test_augment_plain_rollouts_first_then_matched_with_another_querys_solution() -> None:
    engine = FakeEngine(right_when_matched)
    work, added = augment(right_when_matched, augment_settings(ladder=ladder(more=FOUR_PLAIN)), engine=engine)
    steps = added.group_by("query_id").agg(pl.col("step").cast(pl.String).sort_by("sample_index"))
    assert {tuple(row) for row in steps["step"]} == {("more",) * 4 + ("matched",) * 4}
    texts = dict(QUERIES.select("query_id", "query").iter_rows())
    for batch, _ in engine.batches:
        for item in batch:
            turns = [turn["content"] for turn in item.messages if turn["role"] == "user"]
            assert turns[-1] == texts[item.query_id]
            assert texts[item.query_id] not in turns[:-1]
    assert set(work.recorder.prompts_table()["prompt_digest"]) == set(added["prompt_digest"])


def test_augment_matched_without_an_exemplar_is_recorded_as_more() -> None:
    settings = augment_settings(ladder=ladder(more={"enabled": False}))
    exemplars = settings.ladder.matched.model_copy(
        update={"exemplars": settings.ladder.matched.exemplars.model_copy(update={"max_exemplar_tokens": 1})}
    )
    settings = settings.model_copy(update={"ladder": settings.ladder.model_copy(update={"matched": exemplars})})
    _, added = augment(lambda item: "#### 5", settings)
    assert set(added["step"].cast(pl.String)) == {"more"}


def test_augment_decoding_step_follows_and_draws_by_its_own_settings() -> None:
    steps = ladder(more=FOUR_PLAIN, matched={"most": 4}, decoding={"enabled": True})
    engine = FakeEngine(lambda item: "#### 4" if item.step == "decoding" else "#### 5")
    settings = augment_settings(ladder=steps, budget={"per_query": 20.0})
    work, added = augment(lambda item: None, settings, engine=engine)
    found = added.group_by("query_id").agg(pl.col("step").cast(pl.String).sort_by("sample_index"))
    assert {tuple(row) for row in found["step"]} == {("more",) * 4 + ("matched",) * 4 + ("decoding",) * 4}
    assert work.recorder.settings_table().height == 2
    assert added.filter(pl.col("step") == "decoding")["settings_digest"].n_unique() == 1


def test_augment_step_moves_on_when_its_chance_is_too_small() -> None:
    steps = ladder(more={"most": None, "min_chance": 0.1})
    _, added = augment(right_when_matched, augment_settings(ladder=steps, budget={"per_query": 20.0}))
    plain = added.filter(pl.col("step") == "more").group_by("query_id").len()
    # Beta(1, 1) after four failures has mean 1/6, after eight 1/10, after twelve 1/14.
    assert plain["len"].to_list() == [8] * 4


def test_augment_hinted_grows_is_never_counted_as_got_and_keeps_the_whole_response() -> None:
    queries = QUERIES.with_columns(solution=pl.lit("1+1=2; So 2+1=3; So 3+3=6; So 6-2=4; #### 4"), answer=pl.lit("4"))
    steps = ladder(matched={"enabled": False}, hinted={"enabled": True, "most": 3, "budget_rate": 0.2})
    settings = augment_settings(ladder=steps, budget={"per_query": 12.0})
    engine = FakeEngine(lambda item: "#### 4" if item.messages[-1]["content"].count("=") == 2 else "#### 5")
    work, added = augment(lambda item: None, settings, engine=engine, queries=queries)
    hinted = added.filter(pl.col("step") == "hinted").sort("query_id", "sample_index")
    assert hinted.group_by("query_id").len()["len"].to_list() == [2] * 4  # the second start leads to the answer
    assert hinted["n_hint_tokens"].min() > 0
    assert all(response.startswith("1+1=2;") for response in hinted["response"])
    table = allocation_table(work)
    assert table.filter(pl.col("level") == "unsolved")["got"].to_list() == [0] * 4
    left = unsolved_table(queries, pl.concat([SAMPLED, added]))
    assert left["n_hinted"].to_list() == [2] * 4
    assert set(left["query_id"]) == {f"q{i:03}" for i in range(4, 8)}


def test_augment_hinted_share_of_the_budget_is_kept_for_it() -> None:
    queries = QUERIES.with_columns(solution=pl.lit("1+1=2; So 2+1=3; So 3+3=6; So 6-2=4; #### 4"))
    steps = ladder(matched={"enabled": False}, hinted={"enabled": True, "most": 4, "budget_rate": 0.25})
    _, added = augment(lambda item: "#### 5", augment_settings(ladder=steps), queries=queries)
    counts = dict(added.group_by(pl.col("step").cast(pl.String)).len().iter_rows())
    assert counts == {"more": 48 - 32, "hinted": 16}  # 64 in all, 16 of them kept


def test_augment_tokens_are_a_hard_bound_too() -> None:
    settings = augment_settings(budget={"unit": "tokens", "per_query": 70.0}, decoding={"max_new_tokens": 20})
    work, added = augment(lambda item: "#### 5", settings)
    spent = SAMPLED["n_tokens"].sum() + added["n_tokens"].sum()
    assert spent <= 70 * 8
    assert spent > 70 * 8 - 110  # no more is kept back than one longest response of the decoding step
    assert summary(allocation_table(work), added, SAMPLED, settings)["n_spent_tokens"] == spent


def test_augment_tokens_of_a_request_that_failed_are_none() -> None:
    failed = pl.col("query_id") == "q005"
    sampled = SAMPLED.with_columns(
        n_tokens=pl.when(~failed).then("n_tokens"),
        finish_reason=pl.when(failed).then(pl.lit("error")).otherwise(pl.col("finish_reason").cast(pl.String)),
        verdict=pl.when(failed).then(pl.lit("ungraded")).otherwise(pl.col("verdict").cast(pl.String)),
    ).cast(pl.Schema(GRADED.schema))
    settings = augment_settings(budget={"unit": "tokens", "per_query": 70.0}, decoding={"max_new_tokens": 20})
    _, added = augment(right_when_matched, settings, sampled=sampled)
    assert not added.is_empty()


def test_augment_tokens_of_recorded_rollouts_are_refused_in_one_line() -> None:
    unknown = SAMPLED.with_columns(n_tokens=pl.lit(None, pl.Int32))
    with pytest.raises(DataError, match="use rollouts"):
        augment(lambda item: None, augment_settings(budget={"unit": "tokens"}), sampled=unknown)


def test_augment_forecast_is_told_before_anything_is_spent_and_compared_after() -> None:
    told: list[Any] = []
    engine = FakeEngine(right_when_matched)

    def foretell(rows: list[dict[str, Any]]) -> None:
        assert not engine.batches
        told.extend(rows)

    work, added = augment(right_when_matched, engine=engine, foretell=foretell)
    assert all(row["actual"] is None for row in told)
    spent = {row["level"]: row for row in work.forecasted if row["measure"] == "spent"}
    assert spent["all"]["actual"] == SAMPLED.height + added.height
    assert spent["easy"]["low"] == spent["easy"]["high"] == spent["easy"]["actual"] == 16
    assert all(row["low"] <= row["expected"] <= row["high"] for row in spent.values())


def test_augment_without_need_draws_nothing() -> None:
    class Never(FakeEngine):
        def generate(self, *asked: Any) -> Any:
            raise AssertionError("an engine was started")

    work, added = augment(
        lambda item: None, augment_settings(budget={"per_query": 4.0}), engine=Never(lambda item: None)
    )
    assert added.is_empty()
    assert work.recorder.prompts_table().is_empty()
    assert set(allocation_table(work).filter(pl.col("level") == "unsolved")["outcome"]) == {"budget"}


def test_augment_exhausted_pool_is_said_and_ends() -> None:
    work, added = augment(lambda item: None)
    assert added.is_empty()
    outcomes = allocation_table(work).filter(pl.col("level") == "unsolved")["outcome"]
    assert set(outcomes) == {"pool_exhausted"}


def test_augment_pool_bounds_what_is_asked_for_and_foretold() -> None:
    row = {"origin": "x", "response": "", "label": None}
    pool = pl.DataFrame([{"query_id": f"q{i:03}", "pool_index": k, **row} for i in range(8) for k in range(6)])
    work, added = augment(lambda item: "#### 5", pool=pool)
    assert added.group_by("query_id").len()["len"].to_list() == [2] * 4
    (spent,) = (row for row in work.forecasted if (row["level"], row["measure"]) == ("all", "spent"))
    assert spent["expected"] <= 32 + 8


def test_augment_level_without_a_step_is_said() -> None:
    steps = ladder(more={"levels": ["easy", "medium", "hard"]}, matched={"enabled": False})
    work, added = augment(lambda item: "#### 5", augment_settings(ladder=steps))
    assert added.is_empty()
    assert set(allocation_table(work).filter(pl.col("level") == "unsolved")["outcome"]) == {"no_step"}


def test_augment_given_up_is_told_from_a_spent_budget() -> None:
    settings = augment_settings(
        strategy="dast_budget", budget={"per_query": 30.0}, dast_budget={"min_chance": 0.12}, cap={"unsolved": 100}
    )
    work, _ = augment(lambda item: "#### 5", settings)
    assert set(allocation_table(work).filter(pl.col("level") == "unsolved")["outcome"]) == {"given_up"}


@pytest.mark.parametrize("strategy", ["vanilla", "uniform", "prop2diff", "boundary", "dast", "dast_budget"])
def test_tables_add_up_and_fit_their_contracts(tmp_path: Path, strategy: str) -> None:
    work, added = augment(right_when_matched, augment_settings(strategy=strategy))
    table = allocation_table(work)
    write(GRADED, added, tmp_path / "a.parquet")
    write(ALLOCATION, table, tmp_path / "b.parquet")
    write(ALLOCATION_STEPS, steps_table(added), tmp_path / "c.parquet")
    write(UNSOLVED, unsolved_table(QUERIES, pl.concat([SAMPLED, added])), tmp_path / "d.parquet")
    assert steps_table(added)["spent"].sum() == added.height
    assert table["spent"].sum() == added.height + SAMPLED.height <= 64
    by_level = {row["level"]: row for row in level_rows(table, SAMPLED)}
    assert sum(row["spent"] for row in by_level.values()) == table["spent"].sum()
    by_step = step_rows(table, added, SAMPLED)
    assert all(set(row) == set(STEP_COLUMNS) for row in by_step)
    assert sum(row["n_rollouts"] for row in by_step) == table["spent"].sum()
    assert sum(row["n_correct"] for row in by_step) == table["got"].sum()


def test_unsolved_names_queries_that_nothing_solved() -> None:
    rollouts = pl.concat([SAMPLED, augment(lambda item: "#### 5")[1]])
    assert set(unsolved_table(QUERIES, rollouts)["query_id"]) == {f"q{i:03}" for i in range(4, 8)}


def test_tally_turns_follow_from_seed_and_ids_alone() -> None:
    levels, budget = difficulty_table(LEVELS), SETTINGS.augment.budget
    plain = start(QUERIES, SAMPLED, levels, None, budget, 3)
    shuffled = start(QUERIES.reverse(), SAMPLED.reverse(), levels.reverse(), None, budget, 3)
    assert plain.query_ids == shuffled.query_ids
    assert (plain.turn == shuffled.turn).all()
    assert (plain.spent == shuffled.spent).all()
    other = start(QUERIES, SAMPLED, levels, None, budget, 4)
    assert sorted(other.turn) == sorted(plain.turn) == list(range(8))
    assert (other.turn != plain.turn).any()


def test_tally_ungraded_is_spent_and_says_nothing_of_a_rate() -> None:
    ungraded = graded_table([("q004", f"u{k}", "", "ungraded") for k in range(3)])
    work = start(QUERIES, pl.concat([SAMPLED, ungraded]), difficulty_table(LEVELS), None, SETTINGS.augment.budget, 3)
    assert work.spent.tolist() == [4, 4, 4, 4, 7, 4, 4, 4]
    assert np.array(work.by_step["sample"].graded).tolist() == [4] * 8
