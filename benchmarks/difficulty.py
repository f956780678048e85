"""Can the posterior be believed, and how many rollouts tell the levels apart? Simulation and exact sums, no model.

    python -m benchmarks.difficulty

draws queries whose true pass rates are known, gives each K rollouts, estimates as `score` does, and counts how often
the credible interval holds the true rate; then sums over all outcomes of K rollouts how often each level rule names the
level that the true rate lies in. Writes benchmarks/results/difficulty.md and .csv, in two to three minutes on one core.
"""

from __future__ import annotations

import itertools
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.pass_rates import (
    ABOVES,
    COLUMNS,
    DEFAULT,
    ENOUGH,
    GRID,
    INSIDE,
    KS,
    LEVEL_KS,
    MASSES,
    MOST,
    N_QUERIES,
    OUTSIDE,
    REPEATS,
    SIZES,
    averages,
    coverages,
    grid,
    needed,
    region_of,
    sizes,
)
from dast.markdown import number, percent, table
from dast.smallfiles import write_csv, write_text

RESULTS = Path(__file__).parent / "results"
DECIDED = ("decided", "right of decided")
CALLED = {"fitted": "fitted", "fixed": "uniform"}

Row = Mapping[str, Any]


def main() -> None:
    start = time.monotonic()
    rows: list[Row] = [
        {**dict.fromkeys(COLUMNS), **row} for row in (*coverages(), *sizes(), *grid(), *needed(), *averages())
    ]
    write_csv(RESULTS / "difficulty.csv", rows, COLUMNS)
    write_text(RESULTS / "difficulty.md", report(rows, time.monotonic() - start))


def report(rows: Sequence[Row], seconds: float) -> str:
    """The tables as Markdown, in percent."""
    error = max(row["se"] for row in rows if row["part"] == "coverage" and row["measure"] == "coverage")
    blocks = [
        "# Difficulty: can the posterior be believed, and how many rollouts tell the levels apart?",
        f"Command: `python -m benchmarks.difficulty` · {platform.machine()}, Python {platform.python_version()}, numpy "
        f"{np.__version__}, polars {pl.__version__} · {time.strftime('%Y-%m-%d')} · {seconds:.0f} s on one core. Every "
        "number stands in difficulty.csv; percent throughout.",
        "## Coverage of the credible interval",
        f"Share of queries whose true rate lies in the interval: {REPEATS} rounds of {N_QUERIES:,} queries a row, "
        f"standard errors at most {100 * error:.1f}. `fitted` is the default prior, `uniform` is Beta(1, 1). K "
        "`1 to 16`: each query has its own number of rollouts.",
        coverage_part(rows, "Rates drawn from Beta distributions, the family of the prior", INSIDE),
        coverage_part(rows, "Rates drawn otherwise", OUTSIDE),
        "A rate of exactly 0 is held because the interval of a query without a correct rollout starts at 0 where the "
        "prior's a is at most 1; at small nominal values that covers too much here. Two clusters are no Beta: with few "
        "rollouts there are few outcomes, so few different intervals, and all queries of a cluster lie just inside or "
        "just outside of one together. The more rollouts, the less the prior matters.",
        "### By the number of queries that the prior is fitted to",
        "K = 8, nominal 90.",
        size_table(rows),
        "## Levels",
        f"Cut-points {DEFAULT.medium_from:g} and {DEFAULT.easy_above:g}. A level is right when the true rate lies in "
        "it (`unsolved` counts as hard). Exact sums over the outcomes, not simulation.",
        "### By true rate",
        f"Share right / share decided (above {DEFAULT.decided_above:g}), rule `point`, prior that of the first "
        f"population; {differing(rows)}. Last column: rollouts from which on, up to {MOST}, the level is right with "
        f"probability {ENOUGH:g}.",
        grid_table(rows),
        "### Over a population, with the prior that fits it",
        average_table(rows),
        "### What `decided_above` buys",
        "Rule `posterior`: share decided / share right of the decided.",
        above_table(rows),
    ]
    return "\n\n".join(blocks) + "\n"


def value(rows: Sequence[Row], **wanted: Any) -> float | None:
    (found,) = (row["value"] for row in rows if all(row.get(name) == one for name, one in wanted.items()))
    return None if found is None else float(found)


def shown(share: float | None) -> str:
    return percent(share).removesuffix(" %")


def coverage_part(rows: Sequence[Row], title: str, names: Iterable[str]) -> str:
    lines = []
    misses: dict[tuple[str, float], float] = {}
    for name, k, kind in itertools.product(names, (*KS, "1 to 16"), CALLED):
        key = {"part": "coverage", "population": name, "k": k, "prior": kind}
        found = {mass: value(rows, **key, measure="coverage", nominal=mass) or 0.0 for mass in MASSES}
        for mass, share in found.items():
            misses[kind, mass] = max(misses.get((kind, mass), 0.0), abs(share - mass))
        cells = {f"nominal {100 * mass:g}": shown(share) for mass, share in found.items()}
        width = shown(value(rows, **key, measure="width", nominal=0.9))
        lines.append({"queries": name, "K": k, "prior": CALLED[kind], **cells, "width of 90": width})
    for kind, called in CALLED.items():
        cells = {f"nominal {100 * mass:g}": f"± {100 * misses[kind, mass]:.1f}" for mass in MASSES}
        lines.append({"queries": "**largest miss**", "K": "", "prior": called, **cells, "width of 90": ""})
    return f"### {title}\n\n{table(lines)}"


def size_table(rows: Sequence[Row]) -> str:
    return table(
        [
            {"queries": name, "prior": called}
            | {
                f"{n:,}": shown(value(rows, part="size", population=name, n_queries=n, prior=kind, measure="coverage"))
                for n in SIZES
            }
            for name in INSIDE
            for kind, called in CALLED.items()
        ]
    )


def differing(rows: Sequence[Row]) -> str:
    found = [row for row in rows if row["part"] == "grid" and row["measure"] == "right"]
    point = {(row["k"], row["rate"]): row["value"] for row in found if row["prior"] == "point"}
    same = sum(row["prior"] == "posterior" and row["value"] == point[row["k"], row["rate"]] for row in found)
    return f"the rule `posterior` gives the same share in {same} of {len(point)} cells"


def grid_table(rows: Sequence[Row]) -> str:
    lines = []
    for rate in GRID:
        key = {"part": "grid", "prior": "point", "rate": rate}
        cells = {
            f"K {k}": " / ".join(shown(value(rows, **key, k=k, measure=name)) for name in ("right", "decided"))
            for k in LEVEL_KS
        }
        least = value(rows, part="needed", rate=rate)
        level = ("hard", "medium", "easy")[region_of(rate)]
        needs = f"more than {MOST}" if least is None else number(least)
        lines.append({"true rate": rate, "level": level, **cells, "rollouts needed": needs})
    return table(lines)


def average_table(rows: Sequence[Row]) -> str:
    lines = []
    for name in INSIDE:
        for k in LEVEL_KS:
            key = {"part": "average", "population": name, "k": k, "above": DEFAULT.decided_above}
            by_rule = {rule: value(rows, **key, prior=rule, measure="right") for rule in ("point", "posterior")}
            cells = {f"right, {rule}": shown(share) for rule, share in by_rule.items()}
            rest = {name: shown(value(rows, **key, prior="posterior", measure=name)) for name in DECIDED}
            lines.append({"queries": name, "K": k, **cells, **rest})
    return table(lines)


def above_table(rows: Sequence[Row]) -> str:
    lines = []
    for name in INSIDE:
        for k in LEVEL_KS:
            key = {"part": "average", "population": name, "k": k, "prior": "posterior"}
            cells = {
                f"above {above:g}": " / ".join(shown(value(rows, **key, above=above, measure=one)) for one in DECIDED)
                for above in ABOVES
            }
            lines.append({"queries": name, "K": k, **cells})
    return table(lines)


if __name__ == "__main__":
    main()
