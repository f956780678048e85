"""Moves between levels: what was seen, and what sampling noise alone is expected to move."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dast.difficulty.levels import with_levels
from dast.difficulty.moves import ALL, DIRECTIONS, level_chances, move_rows, predictive
from dast.difficulty.posterior import Beta
from dast.params.sections import Difficulty, Prior
from dast.tables import DIFFICULTY, LEVELS
from tests.makers import default_settings

few = settings(max_examples=40, deadline=None)
priors = st.builds(Beta, st.floats(0.05, 20.0), st.floats(0.05, 20.0))
populations = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=30)


def difficulty(prior: Beta | None = None, **changes: object) -> Difficulty:
    fixed = {"prior": Prior(kind="fixed", a=prior.a, b=prior.b, weight=1.0)} if prior else {}
    return default_settings().difficulty.model_copy(update={**fixed, **changes})


def estimates(counts: list[tuple[int, int]], wish: Difficulty) -> pl.DataFrame:
    """DIFFICULTY of queries with so many correct of so many graded rollouts; none graded gives no level."""
    ids = [f"q{number:03}" for number in range(len(counts))]
    kept = [(min(c, n), n) for c, n in counts]
    table = pl.DataFrame(
        {"query_id": ids, "n_graded": [n for _, n in kept], "n_correct": [c for c, _ in kept]},
        schema={name: DIFFICULTY.schema[name] for name in ("query_id", "n_graded", "n_correct")},
    )
    return with_levels(table, wish)


@few
@given(priors, st.integers(1, 12), st.integers(1, 12))
def test_predictive_two_estimates_of_one_rate_can_change_places(prior: Beta, n: int, m: int) -> None:
    first = np.arange(n + 1)
    chance_of_first = predictive(np.array([0]), np.array([0]), n, prior)[0]
    ahead = chance_of_first[:, None] * predictive(np.full(n + 1, n), first, m, prior)
    chance_of_second = predictive(np.array([0]), np.array([0]), m, prior)[0]
    back = chance_of_second[:, None] * predictive(np.full(m + 1, m), np.arange(m + 1), n, prior)
    assert ahead == pytest.approx(back.T, abs=1e-9)
    assert ahead.sum() == pytest.approx(1.0)


@few
@given(priors, st.integers(0, 9), st.integers(0, 9), st.integers(1, 9))
def test_predictive_mean_is_the_posteriors(prior: Beta, n: int, c: int, m: int) -> None:
    c = min(c, n)
    (chances,) = predictive(np.array([n]), np.array([c]), m, prior)
    assert chances @ np.arange(m + 1) == pytest.approx(m * (prior.a + c) / (prior.a + prior.b + n))


def test_predictive_equals_drawing_rates_and_then_rollouts() -> None:
    random = np.random.default_rng(5)
    rates = random.beta(0.5 + 1, 0.3 + 3, size=200_000)
    drawn = np.bincount(random.binomial(4, rates), minlength=5) / rates.size
    assert predictive(np.array([4]), np.array([1]), 4, Beta(0.5, 0.3))[0] == pytest.approx(drawn, abs=0.005)


@few
@given(populations, populations, st.sampled_from(["point", "posterior"]))
def test_moves_expected_rows_sum_to_the_queries_seen_there(
    first: list[tuple[int, int]], second: list[tuple[int, int]], rule: str
) -> None:
    wish = difficulty(Beta(0.6, 0.6), rule=rule)
    size = min(len(first), len(second))
    rows = move_rows(estimates(first[:size], wish), estimates(second[:size], wish), wish)
    for level in LEVELS:
        row = [entry for entry in rows if entry["before"] == level]
        assert sum(entry["expected"] for entry in row) == pytest.approx(sum(entry["n_queries"] for entry in row))
    whole = {entry["after"]: entry for entry in rows if entry["before"] == ALL}
    for direction in whole:
        cells = [
            entry
            for entry in rows
            if entry["before"] != ALL
            and np.sign(LEVELS.index(entry["after"]) - LEVELS.index(entry["before"])) == DIRECTIONS.index(direction) - 1
        ]
        for value in ("n_queries", "expected"):
            assert sum(entry[value] for entry in cells) == pytest.approx(whole[direction][value])


def test_moves_of_an_unchanged_population_are_the_same_in_both_directions() -> None:
    prior, n = Beta(0.5, 0.3), 4
    wish = difficulty(prior)
    weights = predictive(np.array([0]), np.array([0]), n, prior)[0]
    counts = pl.DataFrame({"n_graded": [n] * (n + 1), "n_correct": range(n + 1), "n_again": [n] * (n + 1)})
    levels = with_levels(counts, wish)["level"].to_list()
    chances = level_chances(counts, prior, wish)
    joint = dict.fromkeys(itertools.product(LEVELS, LEVELS), 0.0)
    for weight, level, row in zip(weights, levels, chances, strict=True):
        for other, chance in zip(LEVELS, row, strict=True):
            joint[level, other] += weight * chance
    for one, other in itertools.combinations(LEVELS, 2):
        assert joint[one, other] == pytest.approx(joint[other, one])


def test_moves_count_what_was_seen_and_its_noise() -> None:
    wish = difficulty(Beta(1.0, 1.0))
    rows = move_rows(estimates([(0, 1), (0, 1), (1, 1)], wish), estimates([(1, 1), (0, 1), (1, 1)], wish), wish)
    cells = {(row["before"], row["after"]): row for row in rows}
    # After 0 of 1 under a uniform prior the next rollout is correct with probability 1/3; after 1 of 1, 2/3.
    newly = cells["unsolved", "easy"]
    assert (newly["n_queries"], newly["expected"]) == (1, pytest.approx(2 / 3))
    assert newly["sd"] == pytest.approx((2 * (1 / 3) * (2 / 3)) ** 0.5)
    assert cells["easy", "unsolved"]["expected"] == pytest.approx(1 / 3)
    assert cells[ALL, "same"]["n_queries"] == 2


def test_moves_many_rollouts_leave_nothing_to_noise() -> None:
    wish = difficulty(Beta(1.0, 1.0))
    sure = estimates([(990, 1000), (100, 1000), (550, 1000)], wish)
    assert all(row["sd"] < 1e-3 for row in move_rows(sure, sure, wish))


def test_moves_queries_without_a_level_are_left_out() -> None:
    wish = difficulty(Beta(1.0, 1.0))
    rows = move_rows(estimates([(0, 0), (1, 2)], wish), estimates([(1, 2), (2, 2)], wish), wish)
    assert sum(row["n_queries"] for row in rows if row["before"] == ALL) == 1
    assert move_rows(estimates([], wish), estimates([(1, 2)], wish), wish) == []


def test_moves_do_not_depend_on_the_order_of_rows() -> None:
    wish = default_settings().difficulty
    before, after = estimates([(0, 4), (1, 4), (4, 4)], wish), estimates([(3, 4), (1, 4), (4, 4)], wish)
    assert move_rows(before, after, wish) == move_rows(before.reverse(), after.reverse(), wish)
