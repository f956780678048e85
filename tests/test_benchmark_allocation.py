"""The simulation behind benchmarks/results/allocation.md: its worlds, its oracle, its bound."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from benchmarks.allocation.bound import bound
from benchmarks.allocation.rounds import CAP, PILOT, QUOTA, begun, counting, fitted, ground, oracle, played, settings
from benchmarks.allocation.worlds import EIGHT_B, SEVEN_B, Part, World, eight_b, seven_b, worlds
from dast.allocation.registry import STRATEGIES, strategy_of

USUAL = worlds()[0]
N = 300


def test_worlds_fitted_to_counts_expect_them() -> None:
    for tries, count in SEVEN_B.items():
        assert seven_b().unsolved(tries) == pytest.approx(count, rel=0.03)
    for tries, count in EIGHT_B.items():
        assert eight_b().unsolved(tries) == pytest.approx(count, abs=1.0)


def test_worlds_rates_have_the_weights_and_means_of_their_parts() -> None:
    for world in worlds():
        rates = world.rates(40_000, np.random.default_rng(1))
        mean = sum(part.weight * part.a / (part.a + part.b) for part in world.parts)
        assert rates.mean() == pytest.approx(mean, abs=0.01)
        assert float(world.chance(0, 0)) == pytest.approx(mean)


def test_world_chance_after_failures_follows_bayes_and_knows_the_impossible() -> None:
    half = World("half impossible", (Part(0.5, 0.0, 1.0), Part(0.5, 1.0, 1.0)))
    assert float(half.chance(1, 0)) == pytest.approx(0.5 * (1 / 6) / (0.5 + 0.25))
    assert float(half.chance(1, 1)) == pytest.approx(2 / 3)


@pytest.mark.parametrize("name", STRATEGIES)
def test_played_any_strategy_keeps_the_budget_and_sees_the_drawn_rollouts(name: str) -> None:
    truth = ground(USUAL, 3, N)
    start = begun(truth, fitted(truth))
    result = played(truth, start, strategy_of(settings(name)), 16, counting(truth))
    assert result.end is not None
    assert result.end.spent.sum() + result.unspent == 16 * N
    assert (result.end.got == truth.got(result.end.spent)).all()
    assert result.gain <= oracle(truth, CAP, counting(truth)).gain


def test_oracle_serves_the_highest_rates_within_the_budget() -> None:
    truth = ground(USUAL, 4, N)
    among = counting(truth)
    gains = [oracle(truth, budget, among).gain for budget in (PILOT, 10, 16, 64)]
    assert gains == sorted(gains)
    assert gains[0] == np.minimum(truth.after(PILOT)[among], QUOTA).sum()
    assert oracle(truth, CAP, among).unspent > 0


def test_oracle_highest_rate_first_is_the_best_plan_of_all() -> None:
    rates = (0.2, 0.5, 0.7)

    @cache
    def expected(left: int, needs: tuple[int, ...], greedy: bool) -> float:
        open_ = [i for i, need in enumerate(needs) if need]
        if not left or not open_:
            return 0.0
        values = []
        for i in [max(open_, key=rates.__getitem__)] if greedy else open_:
            hit = (*needs[:i], needs[i] - 1, *needs[i + 1 :])
            gained = 1.0 + expected(left - 1, hit, greedy)
            values.append(rates[i] * gained + (1.0 - rates[i]) * expected(left - 1, needs, greedy))
        return max(values)

    for left in range(12):
        assert expected(left, (2, 1, 2), True) == pytest.approx(expected(left, (2, 1, 2), False))


def test_bound_without_scarcity_is_what_the_cap_gives() -> None:
    certain = World("one rate", (Part(1.0, 3e6, 7e6),))
    truth = ground(certain, 5, N)
    among = counting(truth)
    assert bound(certain, truth, PILOT, CAP) == pytest.approx(QUOTA * among.sum())


def test_bound_known_rate_is_the_rate_times_the_rollouts() -> None:
    certain = World("one rate", (Part(1.0, 2e6, 8e6),))
    truth = ground(certain, 6, N)
    among = counting(truth)
    held = np.minimum(truth.after(PILOT)[among], QUOTA).sum()
    assert bound(certain, truth, PILOT, PILOT + 1) == pytest.approx(held + 0.2 * N, rel=0.01)


def test_bound_holds_the_mean_of_every_strategy() -> None:
    truths = [ground(USUAL, seed, N) for seed in range(6)]
    most = np.array([bound(USUAL, truth, PILOT, 12) for truth in truths])
    for name in STRATEGIES:
        strategy = strategy_of(settings(name))
        ends = [played(truth, begun(truth, fitted(truth)), strategy, 12, counting(truth)) for truth in truths]
        less = most - np.array([one.gain for one in ends])
        assert less.mean() > -2.0 * less.std() / len(truths) ** 0.5, name


def test_bound_of_newly_solved_grows_with_their_worth() -> None:
    truth = ground(USUAL, 7, N)
    values = [bound(USUAL, truth, PILOT, 16, worth) for worth in (1.0, 2.0, 5.0)]
    assert values == sorted(values)
    assert values[0] < values[-1]
