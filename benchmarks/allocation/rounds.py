"""One simulated round: queries of known rates, rollouts drawn beforehand, a strategy of the library, the round's loop.

Rollout j of query i is correct or not whoever asks for it, so strategies are compared on the same draws. Yield is the
sum of min(correct, quota) over the queries that count; newly solved are those of them without a correct response in the
pilot and with one at the end. Grain: one round.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.allocation.worlds import N_QUERIES, World
from dast.allocation.budget import Purse, affordable
from dast.allocation.registry import Strategy
from dast.allocation.standings import Flags, Floats, Ints, Standings
from dast.difficulty.posterior import Beta
from dast.difficulty.prior import prior_of
from dast.params.augment import Augment
from dast.params.project import load_project
from dast.params.section import PerLevelCount
from dast.tables import LEVELS

DEFAULTS = load_project(Path(__file__).parents[2] / "presets" / "default.yaml").defaults
QUOTA, WAVE, PILOT = 4, 4, 8
CAP = 512
"""Rollouts of a query, pilot included; at 32 rollouts a query no strategy gives one as many."""


@dataclass(frozen=True)
class Ground:
    """What is true of every query, and what each of its rollouts will give."""

    rate: Floats
    right: Ints
    """Correct ones among a query's first j rollouts, for j from 0 to CAP: queries × j."""
    turn: Ints

    def got(self, spent: Ints) -> Ints:
        """Correct responses among each query's first `spent`."""
        found: Ints = np.take_along_axis(self.right, spent[:, None], axis=1)[:, 0].astype(np.int64)
        return found

    def after(self, pilot: int) -> Ints:
        """Correct responses of the pilot."""
        return self.got(np.full(self.rate.size, pilot))


@dataclass(frozen=True)
class Result:
    """How a round ended."""

    gain: int
    """The yield."""
    newly: int
    waves: int
    unspent: int
    end: Standings | None = None


def ground(world: World, seed: int, n_queries: int = N_QUERIES) -> Ground:
    """A world's queries."""
    rng = np.random.default_rng([20, seed])
    rate = world.rates(n_queries, rng)
    draws = rng.random((n_queries, CAP), dtype=np.float32) < rate[:, None]
    right = np.zeros((n_queries, CAP + 1), dtype=np.int16)
    np.cumsum(draws, axis=1, out=right[:, 1:])
    return Ground(rate, right, rng.permutation(n_queries))


def settings(strategy: str, quota: PerLevelCount | None = None, n_correct: int = QUOTA, **own: float) -> Augment:
    """The default preset's, with this study's quotas and caps; `own` are parameters of dast_budget."""
    chosen = DEFAULTS.augment
    wanted = quota or PerLevelCount(easy=0, medium=0, hard=QUOTA, unsolved=QUOTA)
    return chosen.model_copy(
        update={
            "strategy": strategy,
            "wave": WAVE,
            "quota": wanted,
            "cap": PerLevelCount(easy=CAP, medium=CAP, hard=CAP, unsolved=CAP),
            "uniform": chosen.uniform.model_copy(update={"n_correct": n_correct}),
            "prop2diff": chosen.prop2diff.model_copy(update={"n_correct": n_correct}),
            "dast_budget": chosen.dast_budget.model_copy(update=own),
        }
    )


def fitted(truth: Ground, pilot: int = PILOT) -> Beta:
    """The prior as the pipeline finds it: from the pilot."""
    right = truth.after(pilot)
    counts = pl.DataFrame({"n_graded": np.full(right.size, pilot), "n_correct": right})
    return prior_of(counts, DEFAULTS.difficulty.prior)


def begun(truth: Ground, belief: Beta, pilot: int = PILOT) -> Standings:
    """After the pilot, before the first wave."""
    right, size = truth.after(pilot), truth.rate.size
    rate = right / pilot
    cuts = DEFAULTS.difficulty
    names = np.where(rate > cuts.easy_above, LEVELS.index("easy"), LEVELS.index("medium"))
    names = np.where(rate < cuts.medium_from, LEVELS.index("hard"), names)
    return Standings(
        level=np.where(right == 0, LEVELS.index("unsolved"), names),
        turn=truth.turn,
        n_graded=np.full(size, pilot),
        n_solved=right,
        spent=np.full(size, pilot),
        paid=np.full(size, float(pilot)),
        got=right,
        a=belief.a + right,
        b=belief.b + pilot - right,
        cost=np.ones(size),
        room=np.full(size, CAP - pilot),
    )


def counting(truth: Ground, pilot: int = PILOT) -> Flags:
    """Queries that start hard or unsolved."""
    right: Flags = truth.after(pilot) < DEFAULTS.difficulty.medium_from * pilot
    return right


def played(truth: Ground, start: Standings, strategy: Strategy, budget: int, among: Flags) -> Result:
    """The round's loop; `budget` is an average of rollouts a query, pilot included."""
    standings, waves = start, 0
    purse = Purse(budget * start.size, int(start.spent.sum()), 1)
    while (counts := affordable(strategy.plan(standings, purse), purse)).any():
        spent = standings.spent + counts
        got = truth.got(spent)
        right = got - standings.got
        standings = standings.with_columns(
            spent=spent,
            got=got,
            a=standings.a + right,
            b=standings.b + counts - right,
            room=standings.room - counts,
        )
        purse, waves = purse.pay(int(counts.sum())), waves + 1
    return _result(start.got, standings.got, among, waves, purse.left, standings)


def oracle(truth: Ground, budget: int, among: Flags, pilot: int = PILOT) -> Result:
    """Knows the rates: the highest first, each until its quota.

    No strategy expects more: a rollout of an open query brings its rate, and of two rollouts that a strategy makes one
    after the other the one with the higher rate may come first without changing what both bring, so that what the end
    of the budget cuts off are the lowest rates.
    """
    before = truth.after(pilot)
    until = np.minimum((truth.right < QUOTA).sum(axis=1), CAP)  # rollouts at which the quota is met
    order = np.flatnonzero(among)[np.argsort(-truth.rate[among], kind="stable")]
    wanted = np.maximum(0, until[order] - pilot)
    purse = (budget - pilot) * truth.rate.size
    given = np.clip(purse - (np.cumsum(wanted) - wanted), 0, wanted)
    spent = np.full(truth.rate.size, pilot)
    spent[order] += given
    return _result(before, truth.got(spent), among, 0, purse - int(given.sum()))


def _result(before: Ints, after: Ints, among: Flags, waves: int, unspent: int, end: Standings | None = None) -> Result:
    newly = among & (before == 0) & (after > 0)
    return Result(int(np.minimum(after[among], QUOTA).sum()), int(newly.sum()), waves, unspent, end)
