"""The forecast: what it says before, and that its intervals hold what happens when its beliefs are right."""

from __future__ import annotations

import numpy as np

from dast.allocation.budget import Purse
from dast.allocation.forecast import MEASURES, Start, compared, forecast, told, totals
from dast.allocation.registry import strategy_of
from dast.params.augment import Forecast
from tests.standings import augment_settings, spend, standings_of

WISH = Forecast(n_draws=60, interval=0.9)


def test_forecast_is_the_same_each_time_and_counts_what_is_spent_already() -> None:
    chosen = strategy_of(augment_settings(strategy="vanilla"))
    start = Start(standings_of([0, 1, 2, 4]), Purse(16, 16, 1))
    rows = forecast(start, chosen, WISH, 7)
    assert rows == forecast(start, chosen, WISH, 7)
    found = {(row["level"], row["measure"]): row for row in rows}
    assert (found["all", "spent"]["low"], found["all", "spent"]["high"]) == (16, 16)
    assert found["all", "got"]["expected"] == 7
    assert found["all", "newly_solved"]["high"] == 0


def test_forecast_levels_add_up_to_all() -> None:
    rows = forecast(
        Start(standings_of([0, 1, 2, 4, 0]), Purse(60, 20, 1)), strategy_of(augment_settings(strategy="dast")), WISH, 7
    )
    for measure in MEASURES:
        values = {row["level"]: row["expected"] for row in rows if row["measure"] == measure}
        assert abs(values.pop("all") - sum(values.values())) <= 0.3  # each is rounded to a tenth


def test_forecast_intervals_hold_about_their_share_when_beliefs_are_right() -> None:
    rng = np.random.default_rng(1)
    chosen = strategy_of(augment_settings(strategy="dast_budget", dast_budget={"first_worth": 2.0}))
    held, n = 0, 0
    for world in range(12):
        rates = rng.beta(1.0, 1.0, 80)
        start = standings_of(rng.binomial(4, rates).tolist())
        purse = Purse(640, 320, 1)
        rows = forecast(Start(start, purse), chosen, WISH, world)
        end, _ = spend(chosen, start, purse, rates, seed=world)
        actual = totals(start, end)
        for row in compared(rows, actual):
            if row["measure"] == "got" and row["level"] in ("all", "hard", "unsolved"):
                held += row["low"] <= row["actual"] <= row["high"]
                n += 1
    assert 0.75 <= held / n <= 1.0


def test_forecast_of_a_token_budget_tells_tokens_too() -> None:
    start = standings_of([0, 1, 2, 4], cost=np.full(4, 20.0), paid=np.full(4, 80.0))
    chosen = strategy_of(augment_settings(strategy="vanilla"))
    rows = forecast(Start(start, Purse(620, 320, 30)), chosen, WISH, 7)
    (tokens,) = (row for row in rows if (row["level"], row["measure"]) == ("all", "spent_tokens"))
    assert 320 < tokens["low"] <= tokens["expected"] <= tokens["high"] <= 620


def test_told_names_expected_interval_and_actual() -> None:
    row = {"level": "all", "measure": "newly_solved", "expected": 12.3, "low": 8, "high": 1600, "actual": 14}
    other = {**row, "level": "easy"}
    assert told([row, other]) == "newly solved 12 (8 to 1,600), actual 14"
    assert told([{**row, "actual": None}]) == "newly solved 12 (8 to 1,600)"
