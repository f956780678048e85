"""Strategies on simulated rounds, each compared on the same queries and the same draws.

Grain of what is given: one row a measured mean, with half its 95 % interval over the simulated worlds (Student's t).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.allocation.bound import bound
from benchmarks.allocation.rounds import (
    PILOT,
    Ground,
    Result,
    begun,
    counting,
    fitted,
    ground,
    oracle,
    played,
    settings,
)
from benchmarks.allocation.worlds import World
from dast.allocation.registry import strategy_of
from dast.allocation.standings import Flags
from dast.difficulty.posterior import Beta
from dast.params.augment import Augment
from dast.params.section import PerLevelCount

COLUMNS = ("part", "world", "belief", "budget", "pilot", "strategy", "measure", "value", "half", "n")
BUDGETS = (12, 16, 32)
N_WORLDS = 10
FIRST_WORTHS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0)
LOOK_COSTS = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0)
LAST_RATES = (0.0, 0.01, 0.02, 0.05, 0.1)
PILOTS = (2, 4, 8)
HARDEST = 0.4
"""True rate below which a query counts in the table of pilots."""
_T = {9: 2.262}
"""97.5 % quantile of Student's t by degrees of freedom."""

Row = dict[str, Any]
Arms = Mapping[str, Augment]
Beliefs = Mapping[str, Callable[[Ground], Beta]]

FITTED: Beliefs = {"fitted": fitted}
PLAIN: Arms = {
    "vanilla": settings("vanilla"),
    "boundary": settings("boundary"),
    "prop2diff, 4": settings("prop2diff"),
    "prop2diff, 5": settings("prop2diff", n_correct=5),
    "uniform": settings("uniform"),
    "dast": settings("dast"),
}
BUDGETED: Arms = {f"dast_budget, {worth:g}": settings("dast_budget", first_worth=worth) for worth in (1.0, 2.0, 3.0)}
AGAINST = ("prop2diff, 4", "prop2diff, 5", "dast", "vanilla")


def main_table(world: World) -> Iterator[Row]:
    """Every strategy, with the prior fitted to the pilot; differences of dast_budget; the bound."""
    yield from compared("main", world, {**PLAIN, **BUDGETED}, FITTED)


def priors(world: World) -> Iterator[Row]:
    """dast_budget under other beliefs; the rest of the strategies asks for none."""
    exact = {"exact": always(world.prior)} if world.prior else {}
    wrong = {f"Beta({a:g}, {b:g})": always(Beta(a, b)) for a, b in ((1.0, 1.0), (2.0, 2.0), (0.26, 0.6))}
    yield from compared("prior", world, BUDGETED, {**FITTED, **exact, **wrong})


def curve(world: World) -> Iterator[Row]:
    """Yield against newly solved by the worth of a first correct response, and what no strategy can exceed.

    Nobody is given up by `min_chance` here, which would end the curve early.
    """
    arms = {f"{worth:g}": settings("dast_budget", first_worth=worth, min_chance=0.0) for worth in FIRST_WORTHS}
    yield from compared("curve", world, arms, FITTED)
    truths = [ground(world, seed) for seed in range(N_WORLDS)]
    for budget in BUDGETS:
        best = np.array([oracle(truth, budget, counting(truth)).gain for truth in truths])
        for worth in np.geomspace(1.0, 40.0, 16):
            most = np.array([bound(world, truth, PILOT, budget, float(worth)) for truth in truths])
            head = head_of("frontier", world, "exact", budget, PILOT, f"{worth:.6g}")
            yield {**head, **mean("weighted share", most / best)}
            yield {**head, **mean("oracle", best)}


def looks(world: World) -> Iterator[Row]:
    """What few and many looks at the verdicts cost and bring; other parameters as in the default preset."""
    yield from compared(
        "look_cost", world, {f"{c:g}": settings("dast_budget", look_cost=c) for c in LOOK_COSTS}, FITTED
    )
    yield from compared(
        "last_rate", world, {f"{r:g}": settings("dast_budget", last_rate=r) for r in LAST_RATES}, FITTED
    )


def pilots(world: World) -> Iterator[Row]:
    """Smaller pilots, over the queries whose true rate is low, whatever the pilot takes them for."""
    quota = PerLevelCount(easy=0, medium=4, hard=4, unsolved=4)
    arms = {
        "vanilla": settings("vanilla"),
        "dast": settings("dast", quota),
        **{f"dast_budget, {w:g}": settings("dast_budget", quota, first_worth=w) for w in (1.0, 2.0)},
    }
    for pilot in PILOTS:
        found: dict[tuple[int, str], list[tuple[float, float]]] = defaultdict(list)
        for truth in (ground(world, seed) for seed in range(N_WORLDS)):
            among = truth.rate < HARDEST
            start = begun(truth, fitted(truth, pilot), pilot)
            for budget in BUDGETS:
                best = oracle(truth, budget, among, pilot=0).gain
                for label, chosen in arms.items():
                    result = played(truth, start, strategy_of(chosen), budget, among)
                    found[budget, label].append((result.gain / best, int((among & (result.end.got > 0)).sum())))
        for (budget, label), pairs in found.items():
            shares, solved = np.array(pairs).T
            head = head_of("pilot", world, "fitted", budget, pilot, label)
            yield {**head, **mean("share", shares)}
            yield {**head, **mean("solved", solved)}


def compared(part: str, world: World, arms: Arms, beliefs: Beliefs) -> Iterator[Row]:
    """Every arm under every belief at every budget, on the same worlds."""
    found: dict[tuple[int, str, str], list[Result]] = defaultdict(list)
    best: dict[int, list[Result]] = defaultdict(list)
    most: dict[int, list[float]] = defaultdict(list)
    for truth in (ground(world, seed) for seed in range(N_WORLDS)):
        among = counting(truth)
        for budget in BUDGETS:
            best[budget].append(oracle(truth, budget, among))
            most[budget].append(bound(world, truth, PILOT, budget))
        for belief, of in beliefs.items():
            for budget, label, result in played_all(truth, of(truth), arms, among):
                found[budget, belief, label].append(result)
    for budget in BUDGETS:
        gains = np.array([result.gain for result in best[budget]])
        yield from about(head_of(part, world, "the rates", budget, PILOT, "oracle"), best[budget], gains)
        yield {**head_of(part, world, "exact", budget, PILOT, "bound"), **mean("share", np.array(most[budget]) / gains)}
        for belief in beliefs:
            of_belief = {label: found[budget, belief, label] for label in arms}
            for label, results in of_belief.items():
                yield from about(head_of(part, world, belief, budget, PILOT, label), results, gains)
            yield from differences(head_of(part, world, belief, budget, PILOT, ""), of_belief, gains)


def played_all(truth: Ground, belief: Beta, arms: Arms, among: Flags) -> Iterator[tuple[int, str, Result]]:
    """A ground's rounds; one strategy object an arm, so that its answers about states are kept."""
    start = begun(truth, belief)
    for label, chosen in arms.items():
        strategy = strategy_of(chosen)
        for budget in BUDGETS:
            yield budget, label, played(truth, start, strategy, budget, among)


def about(head: Row, results: list[Result], best: Any) -> Iterator[Row]:
    """A cell's measures."""
    yield {**head, **mean("share", np.array([one.gain for one in results]) / best)}
    yield {**head, **mean("yield", np.array([one.gain for one in results]))}
    yield {**head, **mean("newly", np.array([one.newly for one in results]))}
    yield {**head, **mean("waves", np.array([one.waves for one in results]))}
    yield {**head, **mean("unspent", np.array([one.unspent for one in results]))}


def differences(head: Row, found: Mapping[str, list[Result]], best: Any) -> Iterator[Row]:
    """dast_budget less the others, world by world."""
    for own in BUDGETED.keys() & found.keys():
        for other in AGAINST:
            if other in found:
                pairs = list(zip(found[own], found[other], strict=True))
                gained = np.array([one.gain - two.gain for one, two in pairs]) / best
                newly = np.array([one.newly - two.newly for one, two in pairs])
                yield {**head, "strategy": own, **mean(f"share less {other}", gained)}
                yield {**head, "strategy": own, **mean(f"newly less {other}", newly)}


def always(belief: Beta) -> Callable[[Ground], Beta]:
    """A belief that no pilot changes."""
    return lambda truth: belief


def mean(measure: str, values: Any) -> Row:
    """The mean and half its 95 % interval."""
    half = _T[values.size - 1] * float(values.std(ddof=1)) / values.size**0.5
    return {"measure": measure, "value": float(values.mean()), "half": half, "n": values.size}


def head_of(part: str, world: World, belief: str, budget: int, pilot: int, strategy: str) -> Row:
    """What a row was measured on."""
    keys = ("part", "world", "belief", "budget", "pilot", "strategy")
    return dict(zip(keys, (part, world.name, belief, budget, pilot, strategy), strict=True))
