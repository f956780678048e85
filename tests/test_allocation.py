"""Proportion control: quotas, caps and the budget, as laws over random standings."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis.strategies as st
from hypothesis import given

from dast.allocation import Standing, outcome_of, plan_wave, target_of, wants_more
from dast.params.augment import Augment
from dast.params.section import PerLevelCount
from dast.tables import LEVELS
from tests.makers import default_settings


def settings(budget: float = 8.0, *, proportion: bool = True, wave: int = 4, cap: int = 32) -> Augment:
    chosen = default_settings().augment
    caps = PerLevelCount(easy=8, medium=cap, hard=cap, unsolved=cap)
    control = chosen.proportion.model_copy(update={"enabled": proportion, "cap": caps})
    return chosen.model_copy(update={"budget_per_query": budget, "wave": wave, "proportion": control})


def run(standings: list[Standing], chosen: Augment, gives: Callable[[Standing, int], int]) -> None:
    while plan := plan_wave(standings, chosen):
        for standing in standings:
            if count := plan.get(standing.query_id, 0):
                standing.got += gives(standing, count)
                standing.spent += count
                standing.waves += 1


standing_lists = st.lists(st.tuples(st.sampled_from([*LEVELS, None]), st.integers(0, 4)), min_size=1, max_size=25).map(
    lambda rows: [Standing(f"q{i:02}", level, 4, got) for i, (level, got) in enumerate(rows)]
)


@given(standing_lists, st.floats(4.0, 16.0), st.booleans(), st.integers(1, 7), st.integers(0, 3))
def test_waves_any_yield_end_within_budget_and_caps(
    standings: list[Standing], budget: float, proportion: bool, wave: int, lucky: int
) -> None:
    chosen = settings(budget, proportion=proportion, wave=wave)
    run(standings, chosen, lambda standing, count: min(lucky, count))
    assert sum(one.spent for one in standings) <= int(budget * len(standings)) or all(
        one.spent == 4 for one in standings
    )
    for one in standings:
        assert one.spent <= max(4, target_of(one, chosen).cap)
        if outcome_of(one, chosen) == "cap":
            assert one.spent >= target_of(one, chosen).cap


@given(standing_lists)
def test_wave_any_row_order_gives_the_same_plan(standings: list[Standing]) -> None:
    chosen = settings(budget=5.0)
    assert plan_wave(standings, chosen) == plan_wave(list(reversed(standings)), chosen)


def test_wave_serves_fewest_rollouts_first_and_only_the_unmet() -> None:
    met = Standing("met", "hard", 4, 4)
    behind, ahead = Standing("behind", "hard", 4, 0), Standing("ahead", "hard", 12, 0)
    chosen = settings(budget=8.0)
    assert plan_wave([met, behind, ahead], chosen) == {"behind": 4}


def test_wave_without_proportion_spreads_the_budget_evenly() -> None:
    standings = [Standing(f"q{i}", level, 4, got) for i, (level, got) in enumerate([("easy", 4), ("unsolved", 0)])]
    run(standings, settings(budget=8.0, proportion=False), lambda standing, count: 0)
    assert [one.spent for one in standings] == [8, 8]


def test_outcome_exhausted_pool_is_said_and_ends_the_query() -> None:
    standing = Standing("q", "hard", 4, 1, exhausted=True)
    assert not wants_more(standing, settings())
    assert outcome_of(standing, settings()) == "pool_exhausted"


def test_outcome_query_without_level_wants_nothing() -> None:
    standing = Standing("q", None, 4, 0)
    assert outcome_of(standing, settings()) == "not_wanted"
    assert not plan_wave([standing], settings())
