"""Standings for tests: simulated queries with known rates."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from dast.allocation.budget import Purse, affordable
from dast.allocation.registry import Strategy
from dast.allocation.standings import Ints, Standings
from dast.params.augment import Augment
from tests.makers import default_settings


def augment_settings(**changes: Any) -> Augment:
    """The default's, with fields or fields of inner sections replaced: `dast_budget={"first_worth": 3.0}`."""
    raw = _default().model_dump()
    for name, value in changes.items():
        raw[name] = {**raw[name], **value} if isinstance(value, dict) else value
    return Augment(**raw)


@cache
def _default() -> Augment:
    return default_settings().augment


def standings_of(n_solved: list[int], n_graded: int = 4, **columns: Any) -> Standings:
    """Queries after `n_graded` rollouts each; levels by the default's cut-points, prior Beta(1, 1)."""
    solved = np.array(n_solved)
    rate = solved / n_graded
    level = np.where(solved == 0, 3, np.where(rate < 0.4, 2, np.where(rate <= 0.7, 1, 0)))
    made = Standings(
        level=level,
        turn=np.arange(solved.size),
        n_graded=np.full(solved.size, n_graded),
        n_solved=solved,
        spent=np.full(solved.size, n_graded),
        paid=np.full(solved.size, float(n_graded)),
        got=solved,
        a=1.0 + solved,
        b=1.0 + n_graded - solved,
        cost=np.ones(solved.size),
        room=np.full(solved.size, 10**6),
    )
    return made.with_columns(**columns)


def spend(
    strategy: Strategy, standings: Standings, purse: Purse, rates: Ints, seed: int = 0
) -> tuple[Standings, Purse]:
    """Runs a strategy to its end; what a rollout costs is its query's `cost`, at most the purse's reserve."""
    rng = np.random.default_rng(seed)
    while (counts := affordable(strategy.plan(standings, purse), purse)).any():
        right = rng.binomial(counts, rates)
        standings = standings.with_columns(
            spent=standings.spent + counts,
            got=standings.got + right,
            a=standings.a + right,
            b=standings.b + counts - right,
            room=standings.room - counts,
        )
        purse = purse.pay(int((counts * standings.cost).sum()))
    return standings, purse
