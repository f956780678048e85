"""What a query's further rollouts are worth, held against plain recursion over every outcome."""

from __future__ import annotations

from functools import cache

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from dast.allocation.worth import CHEAPEST, HORIZON, State, prices, worths

WAVE = 3

shapes = st.floats(0.05, 4.0)
states = st.builds(State, a=shapes, b=shapes, need=st.integers(1, 3), first=st.booleans(), most=st.integers(1, 6))


def plain(state: State, price: float, first_worth: float) -> tuple[float, float]:
    """Value and expected rollouts of going on optimally."""

    @cache
    def best(seen: int, correct: int) -> tuple[float, float]:
        if seen == state.most or correct == state.need:
            return 0.0, 0.0
        value, count = one_more(seen, correct)
        return (value, count) if value > 0.0 else (0.0, 0.0)

    def one_more(seen: int, correct: int) -> tuple[float, float]:
        chance = (state.a + correct) / (state.a + state.b + seen)
        reward = first_worth if state.first and correct == 0 else 1.0
        (hit, after_hit), (miss, after_miss) = best(seen + 1, correct + 1), best(seen + 1, correct)
        value = chance * (reward + hit) + (1.0 - chance) * miss - price
        return value, 1.0 + chance * after_hit + (1.0 - chance) * after_miss

    return best(0, 0)


def at_once(state: State, n_rollouts: int, price: float, first_worth: float) -> float:
    """Value of taking so many whatever they give, and of going on optimally from there."""

    def after(seen: int, correct: int) -> float:
        if seen == n_rollouts:
            left = State(
                state.a + correct,
                state.b + seen - correct,
                state.need - correct,
                state.first and correct == 0,
                state.most - seen,
            )
            return plain(left, price, first_worth)[0] if left.need > 0 and left.most > 0 else 0.0
        chance = (state.a + correct) / (state.a + state.b + seen)
        reward = (first_worth if state.first and correct == 0 else 1.0) if correct < state.need else 0.0
        hit, miss = after(seen + 1, correct + 1), after(seen + 1, correct)
        return chance * (reward + hit) + (1.0 - chance) * miss - price

    return after(0, 0)


@given(states, st.sampled_from([1.0, 2.5]))
@settings(max_examples=30, deadline=None)
def test_worth_small_states_equal_plain_recursion(state: State, first_worth: float) -> None:
    (found,) = worths([state], WAVE, first_worth, look_cost=0.0)
    for place in range(0, 160, 13):
        price = float(prices(first_worth)[place])
        value, count = plain(state, price, first_worth)
        assert found.n_rollouts[place] == pytest.approx(count, abs=1e-9)
        assert (found.take[place] > 0) == (value > 0.0)


@given(states, st.sampled_from([0.0, 0.3]))
@settings(max_examples=20, deadline=None)
def test_worth_take_is_the_most_that_costs_no_more_than_a_look(state: State, look_cost: float) -> None:
    (found,) = worths([state], WAVE, 2.0, look_cost)
    for place in range(0, 160, 31):
        price = float(prices(2.0)[place])
        best, _ = plain(state, price, 2.0)
        if best <= 0.0:
            continue
        losses = [best - at_once(state, n, price, 2.0) for n in range(1, min(WAVE, state.most) + 1)]
        near = [n for n, loss in enumerate(losses, start=1) if loss <= look_cost * price + 1e-12]
        assert found.take[place] == max([1, *near])


@given(shapes, shapes, st.floats(0.01, 2.0), st.integers(1, 4), st.booleans())
@settings(max_examples=40, deadline=None)
def test_worth_index_rises_with_a_and_falls_with_b(a: float, b: float, more: float, need: int, first: bool) -> None:
    shapes_of = ((a, b), (a + more, b), (a, b + more))
    here, more_right, more_wrong = (
        int((one.take > 0).sum()) for one in worths([State(*ab, need, first, 40) for ab in shapes_of], 4, 2.0, 0.1)
    )
    assert more_wrong <= here <= more_right


@given(st.lists(states, min_size=1, max_size=6))
@settings(max_examples=20, deadline=None)
def test_worth_state_is_valued_alike_alone_and_among_others(together: list[State]) -> None:
    for state, among in zip(together, worths(together, WAVE, 2.0, 0.1), strict=True):
        (alone,) = worths([state], WAVE, 2.0, 0.1)
        np.testing.assert_allclose(alone.n_rollouts, among.n_rollouts)
        np.testing.assert_array_equal(alone.take, among.take)


def test_worth_dearer_rollouts_are_taken_less() -> None:
    (found,) = worths([State(0.45, 8.6, 4, True, 100)], 4, 2.0, 0.1)
    assert (np.diff(found.n_rollouts) <= 1e-9).all()
    assert (np.diff(found.take) <= 0).all()


def test_worth_longest_look_ahead_is_the_horizon() -> None:
    short, exact, long = worths([State(0.45, 20.6, 4, True, most) for most in (40, HORIZON, 512)], 4, 1.0, 0.1)
    np.testing.assert_array_equal(long.n_rollouts, exact.n_rollouts)
    assert short.n_rollouts[0] < exact.n_rollouts[0]


def test_worth_first_response_worth_more_keeps_an_unsolved_query_longer() -> None:
    unsolved = State(0.45, 16.6, 4, True, 100)
    (greedy,), (patient,) = worths([unsolved], 4, 1.0, 0.1), worths([unsolved], 4, 4.0, 0.1)
    price = 0.05
    taken = [one.n_rollouts[np.searchsorted(prices(w), price)] for one, w in ((greedy, 1.0), (patient, 4.0))]
    assert taken[0] < taken[1]


def test_prices_run_from_the_cheapest_to_the_worth_of_a_first_response() -> None:
    grid = prices(3.0)
    assert grid[0] == pytest.approx(CHEAPEST)
    assert grid[-1] == pytest.approx(3.0)
    assert (np.diff(grid) > 0).all()


def test_worths_of_nothing_are_nothing() -> None:
    assert worths([], 4, 1.0, 0.1) == []
