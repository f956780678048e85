"""Strategies: each formula, and the laws that hold for all of them."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dast.allocation.budget import Purse, affordable, total_units
from dast.allocation.quotas import UNLIMITED, even_counts
from dast.allocation.registry import STRATEGIES, strategy_of
from dast.allocation.standings import NO_LEVEL, Wave
from dast.params.augment import Augment, Budget
from tests.standings import augment_settings, spend, standings_of

NAMES = sorted(STRATEGIES)
QUOTAS = {"easy": 1, "medium": 4, "hard": 4, "unsolved": 4}
CAPS = {"easy": 8, "medium": 32, "hard": 32, "unsolved": 32}


def test_registry_names_equal_what_params_allow() -> None:
    assert set(STRATEGIES) == set(get_args(Augment.model_fields["strategy"].annotation))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(
    solved=st.lists(st.integers(0, 4), min_size=1, max_size=12),
    per_query=st.floats(0.0, 30.0),
    wave=st.integers(1, 5),
    cost=st.sampled_from([1.0, 7.0]),
    seed=st.integers(0, 5),
)
def test_strategy_budget_is_a_hard_bound_and_ends(
    name: str, solved: list[int], per_query: float, wave: int, cost: float, seed: int
) -> None:
    chosen = strategy_of(augment_settings(strategy=name, wave=wave))
    start = standings_of(solved, cost=np.full(len(solved), cost))
    total = int(per_query * len(solved) * cost)
    purse = Purse(total, int(4 * len(solved) * cost), 10 if cost > 1 else 1)
    rates = np.random.default_rng(seed).random(len(solved))
    end, left = spend(chosen, start, purse, rates, seed)
    assert left.spent <= max(total, purse.spent)
    assert (end.spent >= start.spent).all()
    targets = chosen.targets(start)
    assert (end.spent <= np.maximum(targets.cap, start.spent)).all()


@pytest.mark.parametrize("name", NAMES)
def test_strategy_wave_holds_its_size_and_the_engines_room(name: str) -> None:
    chosen = strategy_of(augment_settings(strategy=name, wave=3))
    standings = standings_of([0, 1, 2, 3, 4, 0, 1], room=np.array([0, 1, 9, 9, 9, 2, 9]))
    wave = chosen.plan(standings, Purse(1000, 28, 1))
    assert (wave.counts <= np.minimum(3, standings.room)).all()
    assert wave.counts.any()
    assert sorted(wave.order.tolist()) == list(range(7))


@pytest.mark.parametrize("name", NAMES)
def test_strategy_query_without_level_gets_nothing(name: str) -> None:
    standings = standings_of([0, 1, 0]).with_columns(
        level=np.array([3, 2, NO_LEVEL]), n_graded=np.array([4, 4, 0]), n_solved=np.array([0, 1, 0])
    )
    end, _ = spend(strategy_of(augment_settings(strategy=name)), standings, Purse(100, 12, 1), np.full(3, 0.3))
    assert end.spent[2] == 4


@pytest.mark.parametrize("name", NAMES)
def test_strategy_order_of_queries_does_not_matter(name: str) -> None:
    chosen, purse = strategy_of(augment_settings(strategy=name)), Purse(60, 40, 1)
    solved = [0, 4, 1, 2, 0, 3, 1, 0, 0, 2]
    shuffle = np.random.default_rng(3).permutation(10)
    plain = affordable(chosen.plan(standings_of(solved), purse), purse)
    moved = standings_of([solved[place] for place in shuffle], turn=shuffle)
    assert (affordable(chosen.plan(moved, purse), purse) == plain[shuffle]).all()


@pytest.mark.parametrize("name", NAMES)
def test_strategy_formula_says_its_numbers(name: str) -> None:
    settings_ = augment_settings(strategy=name, quota={"hard": 7}, uniform={"n_correct": 9}, prop2diff={"n_correct": 6})
    text = strategy_of(settings_).formula
    wanted = {"dast": "hard 7", "dast_budget": "hard 7", "uniform": "9", "prop2diff": "6", "boundary": "1"}
    assert wanted.get(name, "even share") in text


def test_vanilla_shares_are_even_to_one_rollout_and_spend_everything() -> None:
    standings = standings_of([0, 4, 2, 4, 0])
    end, purse = spend(strategy_of(augment_settings(strategy="vanilla")), standings, Purse(37, 20, 1), np.full(5, 0.9))
    assert purse.left == 0
    assert end.spent.max() - end.spent.min() <= 1


def test_uniform_wants_the_same_of_every_level() -> None:
    targets = strategy_of(augment_settings(strategy="uniform", uniform={"n_correct": 5})).targets(
        standings_of([0, 1, 2, 4])
    )
    assert targets.wanted.tolist() == [5, 5, 5, 5]
    assert targets.cap.tolist() == [32, 32, 32, 8]


def test_prop2diff_wants_in_proportion_to_the_fail_rate_and_one_at_least() -> None:
    chosen = strategy_of(augment_settings(strategy="prop2diff", prop2diff={"n_correct": 6}))
    assert chosen.targets(standings_of([0, 1, 2, 3, 4])).wanted.tolist() == [6, 5, 3, 2, 1]
    assert chosen.targets(standings_of([2, 3])).wanted.tolist() == [6, 3]  # the highest fail rate there is gets k_p
    assert chosen.targets(standings_of([4, 4])).wanted.tolist() == [1, 1]


def test_boundary_splits_what_is_left_among_queries_between_the_bounds() -> None:
    chosen = strategy_of(augment_settings(strategy="boundary", wave=100))
    end, purse = spend(chosen, standings_of([0, 1, 2, 4, 3]), Purse(5 * 8, 20, 1), np.full(5, 0.5))
    assert end.spent.tolist()[0] == end.spent.tolist()[3] == 4
    assert sorted(end.spent[[1, 2, 4]].tolist()) == [10, 11, 11]
    assert purse.left == 0


def test_dast_serves_the_fewest_rollouts_first_and_stops_at_the_quota() -> None:
    chosen = strategy_of(augment_settings(strategy="dast", quota=QUOTAS, cap=CAPS))
    standings = standings_of([0, 4, 1], spent=np.array([8, 4, 4]))
    wave = chosen.plan(standings, Purse(20, 16, 1))
    assert wave.counts.tolist() == [4, 0, 4]
    assert affordable(wave, Purse(20, 16, 1)).tolist() == [0, 0, 4]


def test_dast_budget_serves_the_likelier_first_and_first_worth_turns_it_to_the_unsolved() -> None:
    standings = standings_of([1] * 10 + [0] * 10, n_graded=8)
    purse = Purse(8 * 20 + 30, 8 * 20, 1)
    rates = np.full(20, 0.15)
    greedy, _ = spend(
        strategy_of(augment_settings(strategy="dast_budget", dast_budget={"first_worth": 1.0})), standings, purse, rates
    )
    fair, _ = spend(
        strategy_of(augment_settings(strategy="dast_budget", dast_budget={"first_worth": 20.0})),
        standings,
        purse,
        rates,
    )
    assert (greedy.spent[:10] - 8).sum() > (greedy.spent[10:] - 8).sum()
    assert (fair.spent[10:] - 8).sum() > (fair.spent[:10] - 8).sum()


def test_dast_budget_gives_up_what_has_become_too_unlikely() -> None:
    chosen = strategy_of(augment_settings(strategy="dast_budget", dast_budget={"min_chance": 0.05}))
    standings = standings_of([0, 1])
    end, purse = spend(chosen, standings, Purse(10**6, 8, 1), np.array([0.0, 0.3]))
    assert purse.left > 0
    assert 0.045 < end.chance[0] < 0.05  # stopped at the first rollouts that took it below
    assert end.got[1] >= 4


def test_dast_budget_spends_its_whole_budget_on_those_that_want_more() -> None:
    chosen = strategy_of(augment_settings(strategy="dast_budget", dast_budget={"min_chance": 0.0}))
    standings = standings_of([0] * 50 + [1] * 50)
    _, purse = spend(chosen, standings, Purse(900, 400, 1), np.full(100, 0.1))
    assert purse.left == 0


def test_dast_budget_a_dearer_query_is_served_after_an_equal_cheaper_one() -> None:
    chosen = strategy_of(augment_settings(strategy="dast_budget", wave=1))
    standings = standings_of([1] * 10, cost=np.array([50.0] * 5 + [10.0] * 5))
    end, _ = spend(chosen, standings, Purse(40 * 30 + 300, 40 * 30, 60), np.full(10, 0.3))
    assert (end.spent[5:] - 4).sum() > (end.spent[:5] - 4).sum()


def test_affordable_cuts_in_the_waves_own_order() -> None:
    wave = Wave(np.array([4, 4, 4]), np.array([2, 0, 1]))
    assert affordable(wave, Purse(16, 10, 1)).tolist() == [2, 0, 4]
    assert affordable(wave, Purse(100, 40, 10)).tolist() == [2, 0, 4]  # sixty tokens pay for six rollouts of ten
    assert affordable(wave, Purse(5, 9, 1)).tolist() == [0, 0, 0]


@given(spent=st.lists(st.integers(0, 20), min_size=1, max_size=10), n=st.integers(0, 60), data=st.data())
def test_even_counts_levels_what_is_chosen_and_gives_it_all(spent: list[int], n: int, data: st.DataObject) -> None:
    among = np.array(data.draw(st.lists(st.booleans(), min_size=len(spent), max_size=len(spent))))
    held = np.array(spent)
    counts = even_counts(held, among, n, np.arange(len(spent)))
    assert counts[~among].sum() == 0
    assert counts.sum() == (n if among.any() else 0)
    after = (held + counts)[counts > 0]
    if after.size:
        assert after.max() - after.min() <= 1
        assert (held[among] + counts[among]).min() >= after.max() - 1


def test_budget_total_is_an_average_over_all_queries() -> None:
    assert total_units(Budget(unit="rollouts", per_query=2.5), 3) == 7


def test_targets_no_cap_fits_a_table() -> None:
    assert np.int32(UNLIMITED) == UNLIMITED
