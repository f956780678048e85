"""Intervals of means over queries, held against published values, and against what they are meant to hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dast.intervals import difference, wilson
from tests.makers import default_settings

WISH = default_settings().intervals
RATES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("n_right", "n", "low", "high"),
    # Newcombe 1998, table I, method 3: 81/263, 15/148, 0/20 and 1/29 (the score interval).
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_of_zeros_and_ones_is_the_published_interval(n_right: int, n: int, low: float, high: float) -> None:
    found = wilson([1.0] * n_right + [0.0] * (n - n_right), 1, 0.95)
    assert found == pytest.approx((low, high), abs=5e-5)


def test_wilson_of_no_values_is_none() -> None:
    assert wilson([], 4, 0.95) == (None, None)


def test_wilson_narrows_with_less_variance_but_not_beyond_the_rollouts() -> None:
    binary, halves = wilson([0.0, 1.0] * 20, 4, 0.95), wilson([0.5] * 40, 4, 0.95)
    assert binary[0] is not None
    assert halves[0] is not None
    assert halves == pytest.approx(wilson([0.0, 1.0] * 80, 1, 0.95))
    assert binary[0] < halves[0] < 0.5


@given(RATES)
def test_wilson_holds_the_mean_and_lies_within_0_and_1(values: list[float]) -> None:
    low, high = wilson(values, 4, 0.95)
    assert low is not None
    assert high is not None
    assert 0.0 <= low <= sum(values) / len(values) + 1e-9
    assert sum(values) / len(values) - 1e-9 <= high <= 1.0


@pytest.mark.parametrize(("a", "b"), [(0.45, 0.6), (2.0, 2.0), (8.0, 1.2)])
def test_wilson_of_pass_rates_holds_the_mean_as_often_as_it_says(a: float, b: float) -> None:
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(600):
        values = generator.binomial(4, generator.beta(a, b, 80)) / 4
        low, high = wilson(values.tolist(), 4, 0.95)
        assert low is not None
        assert high is not None
        held += low <= a / (a + b) <= high
    assert 0.925 <= held / 600 <= 0.975


@given(RATES, st.randoms())
def test_difference_turns_round_with_its_sides_and_knows_no_order(values: list[float], chance: object) -> None:
    mixed = list(values)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    ours, again = difference(np.array(values), WISH), difference(np.array(mixed), WISH)
    assert ours == again
    assert ours.low <= ours.difference + 1e-9
    assert ours.difference <= ours.high + 1e-9
    theirs = difference(-np.array(values), WISH)
    assert (theirs.difference, theirs.p_value) == (pytest.approx(-ours.difference), ours.p_value)
    assert ours.verdict in ("better", "not told apart")  # no difference is negative
    assert theirs.verdict in ("worse", "not told apart")


def test_difference_of_nothing_but_equal_results_is_not_told_apart() -> None:
    assert difference(np.zeros(50), WISH) == (50, 0.0, 0.0, 0.0, 1.0, "not told apart")


def test_difference_of_five_queries_that_fell_is_not_told_apart_and_of_eight_is() -> None:
    assert difference(np.full(5, -1.0), WISH).verdict == "not told apart"
    assert difference(np.full(8, -1.0), WISH).verdict == "worse"


def test_difference_between_equal_models_is_seldom_told_apart() -> None:
    generator = np.random.default_rng(2)
    told, held = 0, 0
    for _ in range(400):
        rates = generator.beta(0.5, 0.5, 60)
        values = (generator.binomial(4, rates) - generator.binomial(4, rates)) / 4
        found = difference(values, WISH.model_copy(update={"n_resamples": 400}))
        told += found.verdict != "not told apart"
        held += found.low <= 0.0 <= found.high
    assert 0.02 <= told / 400 <= 0.075
    assert 0.915 <= held / 400 <= 0.98
