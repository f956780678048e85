"""Levels and their posterior: the two rules, what decided means, what never solved means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dast.difficulty.levels import credible_interval, estimate, region_probabilities, with_levels
from dast.difficulty.posterior import Beta
from dast.frames import frame, write
from dast.measures import difficulty_scores, scores
from dast.params.sections import Difficulty, Prior
from dast.tables import DIFFICULTY, GRADED, LEVELS, POOL
from tests.makers import graded_of, graded_row, queries_table

UNIFORM = Prior(kind="fixed", a=1.0, b=1.0, weight=1.0)
FITTED = Prior(kind="fitted", a=1.0, b=1.0, weight=1.0)

counts = st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
few = settings(max_examples=30)
priors = st.builds(Beta, st.floats(0.05, 20.0), st.floats(0.05, 20.0))


def settings_of(**changes: Any) -> Difficulty:
    chosen: dict[str, Any] = {"easy_above": 0.7, "medium_from": 0.4, "rule": "point", "decided_above": 0.8}
    return Difficulty(**(chosen | {"interval": 0.9, "prior": UNIFORM} | changes))


POINT = settings_of()


def judged(n: int, c: int, settings: Difficulty = POINT) -> dict[str, Any]:
    """What follows from c correct of n, alone among queries."""
    found = with_levels(pl.DataFrame({"n_graded": [n], "n_correct": [c]}), settings)
    return found.row(0, named=True)


def level(n: int, c: int, settings: Difficulty = POINT) -> str:
    return str(judged(n, c, settings)["level"])


def fixed(prior: Beta, **changes: Any) -> Difficulty:
    return settings_of(prior=Prior(kind="fixed", a=prior.a, b=prior.b, weight=1.0), **changes)


@few
@given(counts, st.builds(Beta, st.floats(0.5, 20.0), st.floats(0.5, 20.0)), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_interval_holds_its_mass_and_leaves_no_densest_end_out(
    count: tuple[int, int], prior: Beta, mass: float
) -> None:
    n, c = count
    low, high = (float(end) for end in credible_interval(n, c, prior, mass))
    assert 0.0 <= low < high <= 1.0
    assert (low == 0.0, high == 1.0) == (prior.a + c <= 1.0, prior.b + n - c <= 1.0)
    rates = np.random.default_rng(3).beta(prior.a + c, prior.b + n - c, 20_000)
    below, above = (rates < low).mean(), (rates > high).mean()
    assert below + above == pytest.approx(1 - mass, abs=0.012)
    if low > 0.0 and high < 1.0:
        assert below == pytest.approx(above, abs=0.012)


@few
@given(counts)
def test_interval_is_mirrored_when_right_and_wrong_are_exchanged(count: tuple[int, int]) -> None:
    n, c = count
    low, high = credible_interval(n, c, Beta(1.0, 1.0), 0.9)
    mirrored = credible_interval(n, n - c, Beta(1.0, 1.0), 0.9)
    assert [float(end) for end in mirrored] == pytest.approx([1 - float(high), 1 - float(low)], abs=1e-9)


def test_interval_known_values_are_met() -> None:
    # Beta(1, 9), densest at 0: quantile = 1 - (1 - q)^(1/9)
    low, high = credible_interval(8, 0, Beta(1.0, 1.0), 0.9)
    assert [float(low), float(high)] == pytest.approx([0.0, 1 - 0.1 ** (1 / 9)], abs=1e-9)
    # Beta(2, 1): quantile = sqrt(q), and densest at 1
    low, high = credible_interval(1, 1, Beta(1.0, 1.0), 0.9)
    assert [float(low), float(high)] == pytest.approx([math.sqrt(0.1), 1.0], abs=1e-9)
    # Beta(2, 2): symmetric
    low, high = credible_interval(2, 1, Beta(1.0, 1.0), 0.5)
    assert float(low + high) == pytest.approx(1.0, abs=1e-9)


@given(counts, priors)
def test_regions_share_the_whole_probability(count: tuple[int, int], prior: Beta) -> None:
    n, c = count
    shares = region_probabilities(n, c, prior, POINT)
    assert shares.sum() == pytest.approx(1.0, abs=1e-12)
    rates = np.random.default_rng(4).beta(prior.a + c, prior.b + n - c, 20_000)
    wanted = [(rates < 0.4).mean(), ((rates >= 0.4) & (rates <= 0.7)).mean(), (rates > 0.7).mean()]
    assert shares.tolist() == pytest.approx(wanted, abs=0.02)


@few
@given(counts)
def test_level_by_point_every_count_has_exactly_one(count: tuple[int, int]) -> None:
    n, c = count
    rate = c / n
    fitting = {
        "easy": rate > 0.7,
        "medium": 0.4 <= rate <= 0.7,
        "hard": 0 < rate < 0.4,
        "unsolved": rate == 0,
    }
    assert [name for name in LEVELS if fitting[name]] == [level(n, c)]


def test_level_by_point_cut_points_belong_to_medium() -> None:
    assert level(10, 7) == "medium"
    assert level(10, 4) == "medium"
    assert level(8, 0, settings_of(medium_from=0.0)) == "unsolved"


@few
@given(counts, priors, st.sampled_from(["point", "posterior"]))
def test_level_unsolved_is_exactly_never_solved(count: tuple[int, int], prior: Beta, rule: str) -> None:
    n, c = count
    assert (level(n, c, fixed(prior, rule=rule)) == "unsolved") == (c == 0)


@few
@given(st.integers(1, 12), priors, st.sampled_from(["point", "posterior"]))
def test_level_more_correct_rollouts_never_give_a_harder_one(n: int, prior: Beta, rule: str) -> None:
    rows = pl.DataFrame({"n_graded": [n] * (n + 1), "n_correct": range(n + 1)})
    found = [LEVELS.index(name) for name in with_levels(rows, fixed(prior, rule=rule))["level"]]
    assert found == sorted(found, reverse=True)


@few
@given(counts, priors, st.floats(0.0, 0.99), st.sampled_from(["point", "posterior"]))
def test_level_is_decided_when_its_region_is_probable_enough(
    count: tuple[int, int], prior: Beta, above: float, rule: str
) -> None:
    n, c = count
    found = judged(n, c, fixed(prior, rule=rule, decided_above=above))
    hard, medium, easy = region_probabilities(n, c, prior, POINT).tolist()
    share = {"easy": easy, "medium": medium, "hard": hard, "unsolved": hard}
    assert found["decided"] == (share[found["level"]] > above)
    if rule == "posterior" and c:
        assert share[found["level"]] == max(easy, medium, hard)


def test_level_by_posterior_follows_the_prior_where_rollouts_are_few() -> None:
    strong = Beta(18.0, 2.0)
    assert level(2, 1, POINT) == "medium"
    assert level(2, 1, fixed(strong, rule="posterior")) == "easy"
    # Two failures under a prior that takes nearly all queries for easy: never solved, and not believed hard.
    assert judged(2, 0, fixed(strong, rule="posterior")) | {"level": "unsolved", "decided": False} == judged(
        2, 0, fixed(strong, rule="posterior")
    )


def test_level_enough_rollouts_decide_under_both_rules() -> None:
    for rule in ("point", "posterior"):
        chosen = settings_of(rule=rule)
        found = [judged(64, c, chosen) for c in (0, 10, 36, 60)]
        assert [row["level"] for row in found] == ["unsolved", "hard", "medium", "easy"]
        assert all(row["decided"] for row in found)
        assert not judged(4, 2, chosen)["decided"]


def test_level_equal_cut_points_leave_no_medium_region() -> None:
    chosen = settings_of(medium_from=0.5, easy_above=0.5, rule="posterior")
    assert [level(3, c, chosen) for c in range(4)] == ["unsolved", "hard", "easy", "easy"]


def test_levels_fitted_prior_draws_rates_to_what_is_usual() -> None:
    rows = pl.DataFrame({"n_graded": [4] * 100, "n_correct": [4] * 90 + [0] * 10})
    found = with_levels(rows, settings_of(prior=FITTED)).unique(["n_correct"]).sort("n_correct")
    # All or nothing among a hundred: four of four is worth more than under a uniform prior.
    assert found["pass_rate_mean"][1] > 0.95 > judged(4, 4)["pass_rate_mean"]
    assert found["pass_rate_mean"][0] < 0.05 < judged(4, 0)["pass_rate_mean"]


def test_levels_keep_the_order_of_rows() -> None:
    rows = pl.DataFrame({"query_id": ["b", "c", "a"], "n_graded": [4, 0, 2], "n_correct": [1, 0, 2]})
    found = with_levels(rows, POINT)
    assert found["query_id"].to_list() == ["b", "c", "a"]
    assert found["level"].to_list() == ["hard", None, "easy"]


def test_estimate_ungraded_rollouts_do_not_count() -> None:
    rows = estimate(graded_of({"q1": "CCUU", "q2": "CaN", "q3": "UU"}), ["q1", "q2", "q3", "q4"], POINT)
    found = rows.select("query_id", "n_graded", "n_correct", "pass_rate", "level", "decided").rows()
    assert found == [
        ("q1", 2, 2, 1.0, "easy", False),
        ("q2", 3, 1, pytest.approx(1 / 3), "hard", False),
        ("q3", 0, 0, None, None, None),
        ("q4", 0, 0, None, None, None),
    ]
    for name in ("pass_rate_mean", "pass_rate_low", "pass_rate_high"):
        assert rows[name].is_null().to_list() == [False, False, True, True]


def test_estimate_later_steps_do_not_count() -> None:
    later = [graded_row("q1", index, "correct", step=step) for index, step in enumerate(("more", "matched"), 1)]
    graded = frame(GRADED, [graded_row("q1", 0, "incorrect"), *later])
    assert estimate(graded, ["q1"], POINT).select("n_graded", "level").rows() == [(1, "unsolved")]


@pytest.mark.parametrize("prior", [UNIFORM, FITTED], ids=["fixed", "fitted"])
def test_estimate_shuffled_rows_give_the_same_frame(prior: Prior) -> None:
    graded, chosen = graded_of({"q2": "Ca", "q1": "CC", "q3": "aNaa"}), settings_of(prior=prior)
    whole = estimate(graded, ["q2", "q1", "q3"], chosen)
    assert whole.equals(estimate(graded.reverse(), ["q1", "q3", "q2", "q1"], chosen))


def test_estimate_no_rollouts_at_all_gives_rows_without_levels(tmp_path: Any) -> None:
    rows = estimate(frame(GRADED, []), ["q1"], settings_of(prior=FITTED))
    write(DIFFICULTY, rows, tmp_path / "d.parquet")
    assert rows["level"].to_list() == [None]


def test_scores_labels_are_compared_by_query_and_index() -> None:
    graded = graded_of({"q1": "CCaU", "q2": "N"})
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
    found = scores(graded, estimate(graded, ["q1", "q2"], POINT), pool)
    assert found["n_rollouts"] == found["n_correct"] + found["n_incorrect"] + found["n_no_answer"] + found["n_ungraded"]
    assert (found["n_labelled"], found["n_labelled_ungraded"], found["n_agree"]) == (5, 1, 2)
    assert (found["n_ours_correct_theirs_wrong"], found["n_ours_wrong_theirs_correct"]) == (1, 1)
    assert found["agreement_rate"] == 0.5
    assert found["levels"] == {"easy": 0, "medium": 1, "hard": 0, "unsolved": 1, "none": 0}


def test_scores_pool_without_labels_says_nothing_of_agreement() -> None:
    graded = graded_of({"q1": "C"})
    assert "agreement_rate" not in scores(graded, estimate(graded, ["q1"], POINT), frame(POOL, []))


def measured(said: Mapping[str, str], settings: Difficulty) -> dict[str, Any]:
    graded, queries = graded_of(dict(said)), queries_table(len(said) + 1)
    return difficulty_scores(graded, estimate(graded, queries["query_id"], settings), queries, settings)


def test_difficulty_scores_name_the_prior_and_count_the_undecided() -> None:
    found = measured({"q000": "C" * 12, "q001": "Ca", "q002": "U"}, POINT)
    assert found["prior"] == {"kind": "fixed", "a": 1.0, "b": 1.0}
    assert (found["n_undecided"], found["undecided_rate"]) == (1, 0.5)
    assert list(found["estimates"]) == ["pass@1", "pass@2", "pass@4", "pass@8", "maj@2", "maj@4", "maj@8"]
    assert found["estimates"]["maj@2"] == {"n_queries": 2, "estimate": 0.75, "se": 0.25}
    assert found["source_levels"] == {}


def test_difficulty_scores_later_steps_do_not_count() -> None:
    graded = pl.concat([graded_of({"q000": "a"}), frame(GRADED, [graded_row("q000", 1, "correct", step="more")])])
    queries = queries_table(1)
    found = difficulty_scores(graded, estimate(graded, queries["query_id"], POINT), queries, POINT)
    assert found["estimates"] == {"pass@1": {"n_queries": 1, "estimate": 0.0, "se": None}}


def test_difficulty_scores_without_rollouts_are_empty() -> None:
    found = measured({}, settings_of(prior=FITTED))
    assert found["prior"] == {"kind": "fitted", "a": 1.0, "b": 1.0}
    assert (found["n_undecided"], found["undecided_rate"], found["estimates"]) == (0, None, {})
