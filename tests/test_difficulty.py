"""Pass rates, their intervals, levels, pass@k, and the figures made of them."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping

import mpmath
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dast.difficulty import (
    credible_interval,
    estimate,
    level_of,
    level_rows,
    mean_and_error,
    pass_at_k,
    pass_rate_rows,
)
from dast.measures import scores
from dast.params.sections import Difficulty
from dast.tables import GRADED, LEVELS, POOL, frame

SETTINGS = Difficulty(easy_above=0.7, medium_from=0.4, interval=0.9)

counts = st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


def rollout(query_id: str, index: int, verdict: str, **changes: object) -> Mapping[str, object]:
    row: dict[str, object] = {
        "query_id": query_id,
        "rollout_id": f"{query_id}-{index}-{changes.get('step', 'sample')}",
        "step": "sample",
        "sample_index": index,
        "prompt_digest": "p",
        "settings_digest": "s",
        "policy": "base",
        "response": "A: 1",
        "n_prompt_tokens": None,
        "n_tokens": None,
        "n_hint_tokens": 0,
        "finish_reason": "recorded",
        "predicted": "1",
        "verdict": verdict,
        "reason": None,
    }
    return row | changes


def graded_of(verdicts: Mapping[str, str]) -> pl.DataFrame:
    """One query a key; one rollout a letter: c(orrect), i(ncorrect), n(o_answer), u(ngraded)."""
    names = {"c": "correct", "i": "incorrect", "n": "no_answer", "u": "ungraded"}
    return frame(
        GRADED,
        [rollout(query, index, names[letter]) for query, said in verdicts.items() for index, letter in enumerate(said)],
    )


@given(counts, st.integers(1, 12))
def test_pass_at_k_equals_brute_force(count: tuple[int, int], k: int) -> None:
    n, c = count
    if n < k:
        assert pass_at_k(n, c, k) is None
        return
    drawn = list(itertools.combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, drawn)) / len(drawn), abs=1e-12)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1), st.integers(1, n))))
def test_pass_at_k_rises_with_c_and_k(case: tuple[int, int, int]) -> None:
    n, c, k = case
    here = pass_at_k(n, c, k)
    assert here is not None
    assert 0.0 <= here <= 1.0
    more = pass_at_k(n, c + 1, k)
    assert more is not None
    assert more >= here
    larger = pass_at_k(n, c, k + 1)
    assert larger is None if k == n else (larger is not None and larger >= here)


def test_pass_at_k_keeps_small_values() -> None:
    assert pass_at_k(100_000, 1, 1) == pytest.approx(1e-5, rel=1e-9)
    assert pass_at_k(4, 0, 4) == 0.0


@pytest.mark.parametrize("case", [(4, 5, 1), (4, -1, 1), (4, 2, 0)])
def test_pass_at_k_impossible_counts_are_refused(case: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="not defined"):
        pass_at_k(*case)


@given(counts, st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_interval_holds_its_mass_and_the_posterior_mean(count: tuple[int, int], mass: float) -> None:
    n, c = count
    low, high = credible_interval(c, n, mass)
    assert 0.0 < low < (c + 1) / (n + 2) < high < 1.0
    held = float(mpmath.betainc(c + 1, n - c + 1, low, high, regularized=True))
    assert held == pytest.approx(mass, abs=1e-8)


@given(counts)
def test_interval_is_mirrored_when_right_and_wrong_are_exchanged(count: tuple[int, int]) -> None:
    n, c = count
    low, high = credible_interval(c, n, 0.9)
    assert credible_interval(n - c, n, 0.9) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_interval_known_values_are_met() -> None:
    assert credible_interval(0, 0, 0.9) == pytest.approx((0.05, 0.95), abs=1e-9)
    # Beta(1, 9): quantile = 1 - (1 - q)^(1/9)
    assert credible_interval(0, 8, 0.9) == pytest.approx((1 - 0.95 ** (1 / 9), 1 - 0.05 ** (1 / 9)), abs=1e-9)


@given(counts)
def test_level_every_count_has_exactly_one(count: tuple[int, int]) -> None:
    n, c = count
    rate = c / n
    fitting = {
        "easy": rate > 0.7,
        "medium": 0.4 <= rate <= 0.7,
        "hard": 0 < rate < 0.4,
        "unsolved": rate == 0,
    }
    assert [level for level in LEVELS if fitting[level]] == [level_of(c, n, SETTINGS)]


def test_level_cut_points_belong_to_medium() -> None:
    assert level_of(7, 10, SETTINGS) == "medium"
    assert level_of(4, 10, SETTINGS) == "medium"
    assert level_of(0, 0, SETTINGS) is None


def test_level_cut_point_of_zero_leaves_never_solved_unsolved() -> None:
    assert level_of(0, 8, Difficulty(easy_above=0.7, medium_from=0.0, interval=0.9)) == "unsolved"


def test_estimate_ungraded_rollouts_do_not_count() -> None:
    rows = estimate(graded_of({"q1": "ccuu", "q2": "cin", "q3": "uu"}), ["q1", "q2", "q3", "q4"], SETTINGS)
    found = rows.select("query_id", "n_graded", "n_correct", "pass_rate", "level").rows()
    assert found == [
        ("q1", 2, 2, 1.0, "easy"),
        ("q2", 3, 1, pytest.approx(1 / 3), "hard"),
        ("q3", 0, 0, None, None),
        ("q4", 0, 0, None, None),
    ]
    assert rows["pass_rate_low"].is_null().to_list() == [False, False, True, True]


def test_estimate_later_steps_do_not_count() -> None:
    graded = frame(
        GRADED,
        [rollout("q1", 0, "incorrect")]
        + [rollout("q1", index, "correct", step=step) for index, step in enumerate(("more", "matched", "hinted"), 1)],
    )
    assert estimate(graded, ["q1"], SETTINGS).select("n_graded", "level").rows() == [(1, "unsolved")]


def test_estimate_shuffled_rows_give_the_same_frame() -> None:
    graded = graded_of({"q2": "ci", "q1": "cc"})
    assert estimate(graded, ["q2", "q1"], SETTINGS).equals(estimate(graded.reverse(), ["q1", "q2", "q1"], SETTINGS))


def test_level_rows_are_four_and_unknown_tokens_stay_unknown() -> None:
    graded = graded_of({"q1": "cc", "q2": "ii"})
    rows = level_rows(graded, estimate(graded, ["q1", "q2", "q3"], SETTINGS))
    assert [(row["level"], row["n_queries"], row["n_rollouts"], row["n_correct"]) for row in rows] == [
        ("easy", 1, 2, 2),
        ("medium", 0, 0, 0),
        ("hard", 0, 0, 0),
        ("unsolved", 1, 2, 0),
    ]
    assert rows[0]["mean_chars"] == 4.0
    assert rows[0]["mean_tokens"] is None
    assert rows[1]["mean_chars"] is None


def test_pass_rate_rows_count_the_observed_values() -> None:
    difficulty = estimate(
        graded_of({"q1": "cc", "q2": "ii", "q3": "ii", "q4": "u"}), ["q1", "q2", "q3", "q4"], SETTINGS
    )
    assert pass_rate_rows(difficulty) == [{"pass_rate": 0.0, "n_queries": 2}, {"pass_rate": 1.0, "n_queries": 1}]


def test_mean_and_error_equals_the_textbook() -> None:
    values = [0.0, 0.25, 1.0, 0.5]
    mean, error = mean_and_error(values)
    assert mean == pytest.approx(0.4375)
    assert error == pytest.approx(statistics.stdev(values) / math.sqrt(4))
    assert mean_and_error([]) == (None, None)
    assert mean_and_error([0.5]) == (0.5, None)


def test_scores_labels_are_compared_by_query_and_index() -> None:
    graded = graded_of({"q1": "cciu", "q2": "n"})
    pool = frame(
        POOL,
        [
            {"query_id": query, "pool_index": index, "origin": "m", "response": "A: 1", "label": label}
            for query, index, label in [
                ("q1", 0, True),
                ("q1", 1, False),
                ("q1", 2, True),
                ("q1", 3, True),
                ("q2", 0, False),
                ("q2", 1, None),
            ]
        ],
    )
    found = scores(graded, estimate(graded, ["q1", "q2"], SETTINGS), pool)
    assert found["n_rollouts"] == found["n_correct"] + found["n_incorrect"] + found["n_no_answer"] + found["n_ungraded"]
    assert (found["n_labelled"], found["n_labelled_ungraded"], found["n_agree"]) == (5, 1, 2)
    assert (found["n_ours_correct_theirs_wrong"], found["n_ours_wrong_theirs_correct"]) == (1, 1)
    assert found["agreement_rate"] == 0.5
    assert found["levels"] == {"easy": 0, "medium": 1, "hard": 0, "unsolved": 1, "none": 0}


def test_scores_pool_without_labels_says_nothing_of_agreement() -> None:
    graded = graded_of({"q1": "c"})
    assert "agreement_rate" not in scores(graded, estimate(graded, ["q1"], SETTINGS), frame(POOL, []))
