"""Preference pairs: the rules by name, the limits, and what may not be paired."""

from __future__ import annotations

from typing import get_args

import polars as pl
import pytest

from dast.building.pairs import RULES
from dast.params.build import Build
from tests.builders import build, pairs, rollouts
from tests.makers import difficulty_table

LEVELS: dict[str, str | None] = {"q000": "medium", "q001": "hard"}
FEW = {"easy": 1, "medium": 1, "hard": 1, "unsolved": 1}
RULE_NAMES = get_args(Build.model_fields["pair_rule"].annotation)


def test_pair_rules_of_params_are_those_of_the_registry() -> None:
    assert set(RULE_NAMES) == set(RULES)


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_pairs_are_right_against_wrong_of_one_query_never_twice_and_within_the_quota(rule: str) -> None:
    right = [("q001", f"right {i}", "correct") for i in range(6)]
    wrong = [("q001", f"wrong {i}", "incorrect") for i in range(2)]
    graded = rollouts(*right, *wrong, ("q000", "alone", "correct"), ("q002", "not known", "incorrect"))
    built = build(graded, pair_rule=rule)
    found = pairs(built)
    assert len(found) == len(set(found)) == 4
    assert all(chosen.startswith("right") and rejected.startswith("wrong") for chosen, rejected in found)
    assert set(built.dpo["query_id"]) == {"q001"}
    assert {row["level"]: row["n_pairs"] for row in built.levels} == {"easy": 0, "medium": 0, "hard": 4, "unsolved": 0}


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_pairs_fewer_than_the_quota_are_all_there_is(rule: str) -> None:
    graded = rollouts(("q001", "right", "correct"), ("q001", "wrong", "incorrect"), ("q001", "wrong ", "incorrect"))
    assert [chosen for chosen, _ in pairs(build(graded, pair_rule=rule))] == ["right"]


def test_parallel_pairs_the_commonest_of_both_sides_first() -> None:
    right = [("q001", "often", "correct")] * 2 + [("q001", "once", "correct")]
    wrong = [("q001", "wrong once", "incorrect")] + [("q001", "wrong often", "incorrect")] * 2
    assert pairs(build(rollouts(*right, *wrong), pairs=FEW)) == [("often", "wrong often")]


def test_random_depends_on_the_seed_alone() -> None:
    rows = [("q001", f"right {i}", "correct") for i in range(5)] + [
        ("q001", f"wrong {i}", "incorrect") for i in range(5)
    ]
    drawn = {seed: tuple(pairs(build(rollouts(*rows), pair_rule="random", pairs=FEW, seed=seed))) for seed in range(8)}
    assert len(set(drawn.values())) > 3


def test_commonest_wrong_rejects_the_answer_that_is_given_most_however_it_is_spelled() -> None:
    wrong = [("q001", "lone", "incorrect", {"predicted": "9"})] * 2
    wrong += [
        ("q001", f"half {i}", "incorrect", {"predicted": spelled}) for i, spelled in enumerate(["0.5", "1/2", "0.50"])
    ]
    wrong += [("q001", "nothing read", "incorrect", {"predicted": None})]
    found = pairs(build(rollouts(("q001", "right", "correct"), *wrong), pair_rule="commonest_wrong"))
    assert sorted(rejected for _, rejected in found) == ["half 0", "half 1", "half 2"]


def test_nearest_length_pairs_each_right_response_with_its_neighbour_first() -> None:
    right = [("q001", "r" * n, "correct") for n in (10, 30)]
    wrong = [("q001", "w" * n, "incorrect") for n in (1, 12, 29, 90)]
    two = {**FEW, "hard": 2}
    found = pairs(build(rollouts(*right, *wrong), pair_rule="nearest_length", pairs=two))
    assert sorted((len(chosen), len(rejected)) for chosen, rejected in found) == [(10, 12), (30, 29)]
    wrong = [("q001", "w" * n, "incorrect") for n in (10, 11, 90)]
    found = pairs(build(rollouts(*right, *wrong), pair_rule="nearest_length", pairs=two))
    assert sorted((len(chosen), len(rejected)) for chosen, rejected in found) == [(10, 10), (30, 11)]


def test_hardest_takes_queries_with_the_lowest_posterior_first_and_others_every_query_once() -> None:
    rows = [
        (name, f"{side} {i}", side) for name in ("q000", "q001") for side in ("correct", "incorrect") for i in range(2)
    ]
    rates = pl.Series([0.9, 0.1], dtype=pl.Float64)
    difficulty = difficulty_table(LEVELS).with_columns(pass_rate_mean=rates)
    hardest = build(rollouts(*rows), difficulty=difficulty, pair_rule="hardest", max_pairs=2)
    assert hardest.dpo["query_id"].to_list() == ["q001", "q001"]
    other = build(rollouts(*rows), difficulty=difficulty, pair_rule="parallel", max_pairs=2)
    assert sorted(other.dpo["query_id"]) == ["q000", "q001"]


def test_pairs_hold_no_truncated_ungraded_or_unread_response() -> None:
    cut = {"finish_reason": "length"}
    graded = rollouts(
        ("q001", "right", "correct"),
        ("q001", "cut", "incorrect", cut),
        ("q001", "?", "ungraded"),
        ("q001", "-", "no_answer"),
    )
    assert build(graded, truncated="ignore").dpo.is_empty()


def test_pairs_hold_hinted_responses_only_where_asked() -> None:
    hint = {"step": "hinted", "n_hint_tokens": 3}
    graded = rollouts(
        ("q001", "led", "correct", hint), ("q001", "wrong", "incorrect"), ("q001", "led astray", "incorrect", hint)
    )
    assert build(graded).dpo.is_empty()
    assert len(pairs(build(graded, hinted={"sft": False, "dpo": True}))) == 2


def test_reference_is_chosen_for_unsolved_queries_only_where_asked() -> None:
    graded = rollouts(("q002", "wrong", "incorrect"), ("q001", "wrong", "incorrect"))
    assert build(graded).dpo.is_empty()
    built = build(graded, reference_chosen=True)
    assert pairs(built) == [("2+4-2=4 #### 4", "wrong")]
    assert built.dpo["chosen_id"].to_list() == ["reference"]
    solved = rollouts(("q002", "wrong", "incorrect"), ("q002", "right", "correct"))
    assert pairs(build(solved, reference_chosen=True)) == [("right", "wrong")]


def test_length_bias_is_told_by_level() -> None:
    right = [("q001", "r" * 10, "correct"), ("q001", "r" * 4, "correct")]
    graded = rollouts(*right, ("q001", "w" * 4, "incorrect"))
    row = build(graded).levels[2]
    assert (row["bias_chars"], row["bias_tokens"], row["chosen_longer_rate"]) == (3.0, 3.0, 0.5)
    assert build(graded).levels[0]["bias_chars"] is None
