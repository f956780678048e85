"""Do the forecast's intervals hold what comes? And how long does one plan take?

Grain: one row a measured number, with the columns of studies.py.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.allocation.rounds import PILOT, Ground, begun, counting, fitted, ground, played, settings
from benchmarks.allocation.studies import Row, always, head_of
from benchmarks.allocation.worlds import World
from dast.allocation.budget import Purse
from dast.allocation.forecast import Start, compared, forecast
from dast.allocation.forecast import totals as totals_of
from dast.allocation.registry import strategy_of
from dast.difficulty.posterior import Beta
from dast.params.augment import Augment, Forecast

N_ROUNDS, N_QUERIES, BUDGET = 50, 1_000, 16
FORECAST = Forecast(n_draws=100, interval=0.9)
SIZES = (7_500, 100_000)


def honesty(world: World) -> Iterator[Row]:
    """Share of rounds whose actual totals lie in the interval, by strategy, prior, level and measure."""
    for label, chosen in {"dast": settings("dast"), "dast_budget, 3": settings("dast_budget")}.items():
        yield from _coverage(world, label, chosen, "fitted", fitted)
        if world.prior is not None:
            yield from _coverage(world, label, chosen, "exact", always(world.prior))


def _coverage(world: World, label: str, chosen: Augment, belief: str, of: Callable[[Ground], Beta]) -> Iterator[Row]:
    held: dict[tuple[str, str], list[bool]] = defaultdict(list)
    off: dict[tuple[str, str], list[float]] = defaultdict(list)
    strategy = strategy_of(chosen)
    for seed in range(N_ROUNDS):
        truth = ground(world, 1_000 + seed, N_QUERIES)
        start = begun(truth, of(truth))
        purse = Purse(BUDGET * N_QUERIES, PILOT * N_QUERIES, 1)
        result = played(truth, start, strategy, BUDGET, counting(truth))
        told = forecast(Start(start, purse), strategy, FORECAST, seed)
        for row in compared(told, totals_of(start, result.end)):
            key = (row["level"], row["measure"])
            held[key].append(row["low"] <= row["actual"] <= row["high"])
            off[key].append((row["actual"] - row["expected"]) / max(1.0, row["expected"]))
    head = head_of("forecast", world, belief, BUDGET, PILOT, label)
    for (level, measure), flags in held.items():
        share, bias = float(np.mean(flags)), float(np.mean(off[level, measure]))
        half = 1.96 * (share * (1.0 - share) / len(flags)) ** 0.5
        found = {f"{level}: {measure}": (share, half), f"{level}: {measure}, bias": (bias, 0.0)}
        for name, (value, width) in found.items():
            yield {**head, "measure": name, "value": value, "half": width, "n": len(flags)}


def speed(world: World) -> Iterator[Row]:
    """Seconds of the first plan (nothing known of any state) and of a whole round's plans, rollouts free."""
    for size in SIZES:
        truth = ground(world, 0, size)
        start, among = begun(truth, fitted(truth)), counting(truth)
        for budget in (16, 32):
            head = head_of("speed", world, "fitted", budget, PILOT, "dast_budget, 3")
            strategy = strategy_of(settings("dast_budget"))
            before = time.perf_counter()
            strategy.plan(start, Purse(budget * size, PILOT * size, 1))
            first = time.perf_counter() - before
            before = time.perf_counter()
            waves = played(truth, start, strategy, budget, among).waves
            whole = time.perf_counter() - before
            for measure, value in (("first plan", first), ("round", whole), ("waves", float(waves))):
                yield {**head, "measure": f"{size}: {measure}", "value": value, "half": 0.0, "n": 1}
