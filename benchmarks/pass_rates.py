"""Simulated queries whose true pass rates are known, and exact sums over the outcomes of K rollouts.

Estimates come from `dast.difficulty.with_levels`, as in the stage `score`. Grain: one row a measured number, with the
columns of `COLUMNS` that say what it was measured on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dast.difficulty.levels import region_probabilities, with_levels
from dast.difficulty.posterior import Beta
from dast.params.project import load_project
from dast.params.sections import Difficulty, Prior

DEFAULT = load_project(Path(__file__).parent.parent / "presets" / "default.yaml").defaults.difficulty
COLUMNS = ("part", "population", "n_queries", "k", "prior", "nominal", "rate", "above", "measure", "value", "se")

Rates = NDArray[np.float64]
Drawn = Callable[[np.random.Generator, int], Rates]

U_SHAPED, ONE_HUMP, MOSTLY_EASY = Beta(0.45, 0.6), Beta(2.0, 2.0), Beta(8.0, 1.2)


def of_beta(shape: Beta) -> Drawn:
    return lambda generator, n: generator.beta(shape.a, shape.b, n)


def never_solvable(generator: np.random.Generator, n: int) -> Rates:
    """A quarter of the queries has rate 0; the rest is spread evenly."""
    return np.where(generator.random(n) < 0.25, 0.0, generator.random(n))


def two_clusters(generator: np.random.Generator, n: int) -> Rates:
    """Half of the queries lies near 0.15, half near 0.85, with a spread of 0.05 around each."""
    return np.where(generator.random(n) < 0.5, generator.beta(7.5, 42.5, n), generator.beta(42.5, 7.5, n))


INSIDE: Mapping[str, Drawn] = {
    "U-shaped, Beta(0.45, 0.6)": of_beta(U_SHAPED),
    "one hump, Beta(2, 2)": of_beta(ONE_HUMP),
    "mostly easy, Beta(8, 1.2)": of_beta(MOSTLY_EASY),
}
OUTSIDE: Mapping[str, Drawn] = {
    "a quarter at 0, the rest even": never_solvable,
    "two clusters, 0.15 and 0.85": two_clusters,
}
KS = (4, 8, 16, 32)
MASSES = (0.5, 0.8, 0.9, 0.95)
REPEATS = 20
N_QUERIES = 1_000
SIZES = {5: 1_000, 20: 400, 100: 100, 1_000: 20}
"""Queries of a round, and how often such a round is drawn."""

LEVEL_KS = (4, 8, 16, 32, 64, 128)
MOST, ENOUGH = 256, 0.9
"""Rollouts needed are sought up to MOST: those from which on a level is right with probability ENOUGH."""
GRID = (0.02, 0.05, 0.1, 0.2, 0.3, 0.35, 0.45, 0.5, 0.55, 0.6, 0.65, 0.75, 0.8, 0.9, 0.95, 0.98)
ABOVES = (0.6, 0.7, 0.8, 0.9, 0.95)


def coverages() -> Iterator[dict[str, Any]]:
    """Part a: share of queries whose true rate lies in the interval, and the interval's mean width."""
    for name, drawn in (INSIDE | OUTSIDE).items():
        for k in (*KS, "1 to 16"):
            generator = np.random.default_rng(20)
            rounds = [sampled(generator, drawn, N_QUERIES, k) for _ in range(REPEATS)]
            for kind in ("fitted", "fixed"):
                for mass in MASSES:
                    head = {"part": "coverage", "population": name, "n_queries": N_QUERIES, "k": k}
                    yield from ({**head, **row} for row in covered(rounds, kind, mass))


def sizes() -> Iterator[dict[str, Any]]:
    """Part a, again: how the number of queries matters to the fitted prior."""
    for name, drawn in INSIDE.items():
        for n_queries, repeats in SIZES.items():
            generator = np.random.default_rng(21)
            rounds = [sampled(generator, drawn, n_queries, 8) for _ in range(repeats)]
            for kind in ("fitted", "fixed"):
                head = {"part": "size", "population": name, "n_queries": n_queries, "k": 8}
                yield from ({**head, **row} for row in covered(rounds, kind, 0.9))


def sampled(generator: np.random.Generator, drawn: Drawn, n_queries: int, k: int | str) -> pl.DataFrame:
    """A round: each query's true rate, and its graded and correct rollouts."""
    rates = drawn(generator, n_queries)
    n = generator.integers(1, 17, n_queries) if isinstance(k, str) else np.full(n_queries, k)
    return pl.DataFrame({"rate": rates, "n_graded": n, "n_correct": generator.binomial(n, rates)})


def covered(rounds: Sequence[pl.DataFrame], kind: str, mass: float) -> Iterator[dict[str, Any]]:
    """Coverage over all rounds, each estimated alone; its error is over rounds, since a round shares one prior."""
    settings = DEFAULT.model_copy(
        update={"interval": mass, "prior": DEFAULT.prior.model_copy(update={"kind": kind, "a": 1.0, "b": 1.0})}
    )
    # A fixed prior makes every query its own, so that all rounds can go through at once.
    parts = rounds if kind == "fitted" else [pl.concat(rounds)]
    found = pl.concat([with_levels(part, settings) for part in parts]).with_columns(
        held=(pl.col("rate") >= pl.col("pass_rate_low")) & (pl.col("rate") <= pl.col("pass_rate_high")),
        of=np.repeat(np.arange(len(rounds)), rounds[0].height),
    )
    by_round = found.group_by("of").agg(pl.col("held").mean())["held"]
    about = {"prior": kind, "nominal": mass}
    yield {**about, "measure": "coverage", "value": found["held"].mean(), "se": by_round.std() / len(rounds) ** 0.5}
    yield {**about, "measure": "width", "value": (found["pass_rate_high"] - found["pass_rate_low"]).mean()}
    at_zero = found.filter(rate=0.0)
    if at_zero.height:
        yield {
            **about,
            "measure": "coverage of rates above 0",
            "value": found.filter(pl.col("rate") > 0)["held"].mean(),
        }


def grid() -> Iterator[dict[str, Any]]:
    """Part b: of queries with one true rate, the share whose level is right, and the share decided; exact."""
    for k in LEVEL_KS:
        for rule in ("point", "posterior"):
            named, decided = outcomes(k, settings_for(rule, U_SHAPED, DEFAULT.decided_above))
            for rate in GRID:
                chances, right = binomial(k, rate), named[:, region_of(rate)]
                head = {"part": "grid", "population": "one rate", "k": k, "rate": rate, "prior": rule}
                for measure, share in (("right", right), ("decided", decided), ("decided and right", decided * right)):
                    yield {**head, "measure": measure, "value": float(chances @ share)}
                yield {**head, "measure": "never solved", "value": float(chances[0])}


def needed() -> Iterator[dict[str, Any]]:
    """Part b: from how many rollouts on, up to MOST, a level is right often enough by the point rule; exact."""
    settings = settings_for("point", U_SHAPED, DEFAULT.decided_above)
    enough = dict.fromkeys(GRID, MOST + 1)
    for k in range(MOST, 0, -1):
        named, _ = outcomes(k, settings)
        for rate, least in enough.items():
            if least == k + 1 and binomial(k, rate) @ named[:, region_of(rate)] >= ENOUGH:
                enough[rate] = k
    for rate, least in enough.items():
        found = least if least <= MOST else None
        yield {"part": "needed", "prior": "point", "rate": rate, "measure": "rollouts needed", "value": found}


def averages() -> Iterator[dict[str, Any]]:
    """Part b over whole populations, with the prior that fits them; exact."""
    for name, shape in zip(INSIDE, (U_SHAPED, ONE_HUMP, MOSTLY_EASY), strict=True):
        for k in LEVEL_KS:
            for rule in ("point", "posterior"):
                for above in ABOVES:
                    settings = settings_for(rule, shape, above)
                    named, decided = outcomes(k, settings)
                    believed = region_probabilities(k, np.arange(k + 1), shape, settings)
                    chances = np.array([beta_binomial(c, k, shape) for c in range(k + 1)])
                    right = (named * believed).sum(axis=1)
                    head = {"part": "average", "population": name, "k": k, "prior": rule, "above": above}
                    both, share = float(chances @ (decided * right)), float(chances @ decided)
                    yield {**head, "measure": "right", "value": float(chances @ right)}
                    yield {**head, "measure": "decided", "value": share}
                    yield {**head, "measure": "right of decided", "value": both / share if share else None}


def settings_for(rule: str, prior: Beta, above: float) -> Difficulty:
    fixed = Prior(kind="fixed", a=prior.a, b=prior.b, weight=1.0)
    return DEFAULT.model_copy(update={"rule": rule, "prior": fixed, "decided_above": above})


def outcomes(k: int, settings: Difficulty) -> tuple[Rates, Rates]:
    """For 0 to k correct of k: the region that the level names (hard, medium, easy: one is 1), and whether decided."""
    rows = with_levels(pl.DataFrame({"n_graded": [k] * (k + 1), "n_correct": range(k + 1)}), settings)
    regions = [{"unsolved": 0, "hard": 0, "medium": 1, "easy": 2}[level] for level in rows["level"]]
    return np.eye(3)[regions], rows["decided"].to_numpy().astype(float)


def region_of(rate: float) -> int:
    return int(rate >= DEFAULT.medium_from) + int(rate > DEFAULT.easy_above)


def binomial(k: int, rate: float) -> Rates:
    return np.array([math.comb(k, c) * rate**c * (1.0 - rate) ** (k - c) for c in range(k + 1)])


def beta_binomial(c: int, n: int, shape: Beta) -> float:
    def log_beta(a: float, b: float) -> float:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    return math.comb(n, c) * math.exp(log_beta(shape.a + c, shape.b + n - c) - log_beta(*shape))
