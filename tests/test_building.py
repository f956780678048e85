"""SFT and DPO sets: what is kept, what is left out and why, and that row order does not matter."""

from __future__ import annotations

from typing import Any

import polars as pl

from dast.building import Built, build_sets, candidates, lucky_rate
from dast.grading import REFUSED
from dast.params.sections import Build
from dast.tables import SFT, frame
from tests.makers import default_settings, difficulty_table, graded_table, queries_table

SETTINGS = default_settings()
LEVELS: dict[str, str | None] = {"q000": "easy", "q001": "hard", "q002": "unsolved", "q003": None}


def rows() -> list[tuple[str, str, str, str]]:
    found = [("q000", f"a{i}", f"easy {i}", "correct") for i in range(3)]
    found += [("q001", f"b{i}", f"hard {i}", "correct") for i in range(6)]
    found += [("q001", f"c{i}", f"wrong {i}", "incorrect") for i in range(2)]
    found += [("q001", "c9", " hard   0 ", "correct")]
    found += [
        ("q002", "d0", "none", "no_answer"),
        ("q002", "d1", "broken", "ungraded"),
        ("q002", "d2", "bad", "incorrect"),
    ]
    return [*found, ("q003", "e0", "no level", "correct")]


def build(graded: pl.DataFrame | None = None, **changes: Any) -> Built:
    settings: Build = SETTINGS.build.model_copy(update=changes)
    return build_sets(
        queries=queries_table(4),
        graded=graded_table(rows()) if graded is None else graded,
        difficulty=difficulty_table(LEVELS),
        previous=frame(SFT, []),
        style=SETTINGS.prompt.tuned,
        settings=settings,
        round_name="r1",
    )


def test_sft_keeps_the_levels_number_and_counts_the_rest() -> None:
    built = build()
    kept = dict(built.sft.group_by("query_id").len().iter_rows())
    assert kept == {"q000": 1, "q001": 4}
    assert built.left_out == {"over_keep": 4, "duplicate": 1, "no_answer": 1, "ungraded": 1, "no_level": 1}
    n_wrong = 3
    assert built.sft.height + sum(built.left_out.values()) + n_wrong == len(rows())


def test_sft_prompt_is_the_plain_query_and_completion_the_response() -> None:
    row = build().sft.row(0, named=True)
    assert [turn["role"] for turn in row["prompt"]] == ["user"]
    assert row["completion"] == [{"role": "assistant", "content": row["completion"][0]["content"]}]
    assert row["origin"] == "self"


def test_sft_keeps_the_commonest_text_first_and_counts_it() -> None:
    often = [("q000", f"x{i}", "the usual way", "correct") for i in range(3)]
    built = build(graded_table([("q000", "a", "once", "correct"), *often, ("q000", "z", "twice", "correct")]))
    (row,) = built.sft.iter_rows(named=True)
    assert row["completion"][0]["content"] == "the usual way"
    assert row["n_alike"] == 3


def test_sets_shuffled_rollouts_give_the_same_rows() -> None:
    graded = graded_table(rows())
    shuffled = graded.sample(fraction=1.0, shuffle=True, seed=5)
    first, second = build(graded), build(shuffled)
    assert first.sft.sort(SFT.key).equals(second.sft.sort(SFT.key))
    assert first.dpo.sort("chosen_id", "rejected_id").equals(second.dpo.sort("chosen_id", "rejected_id"))


def test_sft_truncated_response_is_left_out_though_correct() -> None:
    built = build(graded_table(rows(), finish="length"))
    assert built.sft.is_empty()
    assert built.left_out["truncated"] == 14


def test_sft_reference_rate_gives_that_share() -> None:
    built = build(reference_rate=0.25)
    assert built.sft.filter(pl.col("origin") == "reference").height == round(5 / 3)
    alone = build(reference_rate=1.0)
    assert set(alone.sft["origin"]) == {"reference"}
    assert alone.sft.height == 4


def test_dpo_pairs_are_right_against_wrong_of_one_query_and_never_twice() -> None:
    pairs = build().dpo
    assert pairs.height == 4
    assert set(pairs["query_id"]) == {"q001"}
    assert set(pairs["rejected_id"]) == {"c0", "c1"}
    assert pairs.n_unique(["chosen_id", "rejected_id"]) == 4


def test_unfiltered_control_keeps_wrong_responses_too() -> None:
    assert "q002" in set(build(unfiltered=True).sft["query_id"])


def test_accumulate_joins_earlier_rows_that_say_something_new() -> None:
    first = build().sft.with_columns(round=pl.lit("r0"), rollout_id=pl.col("rollout_id") + "x")
    settings = SETTINGS.build.model_copy(update={"accumulate": True})
    built = build_sets(
        queries=queries_table(4),
        graded=graded_table([("q000", "z", "something new", "correct"), ("q001", "y", "hard 0", "correct")]),
        difficulty=difficulty_table(LEVELS),
        previous=first,
        style=SETTINGS.prompt.tuned,
        settings=settings,
        round_name="r1",
    )
    assert built.sft.filter(pl.col("round") == "r0").height >= first.height - 1
    assert built.sft.filter(pl.col("round") == "r1").height == 2


def test_lucky_rate_counts_right_answers_with_a_wrong_step() -> None:
    query = "Tom has 9 coins. Sep triples. Oct loses 4. How many?"
    right = "Sep 9*3=27; Oct 27-4=23; #### 23"
    lucky = "Sep 9*3=17; Oct 17-4=23; #### 23"
    assert lucky_rate([(query, right), (query, lucky)]) == 0.5
    assert lucky_rate([("What is 1 + 1?", "2")]) is None


def test_build_refused_boxes_are_neither_target_nor_wrong_example() -> None:
    graded = graded_table([("q000", "a", "right", "correct"), ("q000", "b", "two boxes", "incorrect")])
    graded = graded.with_columns(reason=pl.Series([None, REFUSED], dtype=pl.String))
    found = candidates(graded, SETTINGS.build)
    assert [one.rollout_id for one in found.right["q000"]] == ["a"]
    assert found.wrong == {}
    assert found.left_out[REFUSED] == 1
