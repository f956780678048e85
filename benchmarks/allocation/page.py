"""The measured rows as a page of tables. Grain: one Markdown page; a function of results/allocation.csv."""

from __future__ import annotations

import re

import numpy as np

from benchmarks.allocation import texts
from benchmarks.allocation.found import Found
from benchmarks.allocation.honesty import BUDGET, N_ROUNDS
from benchmarks.allocation.studies import AGAINST, BUDGETED, BUDGETS, PLAIN
from benchmarks.allocation.worlds import EIGHT_B, SEVEN_B, World, single_beta, worlds
from dast.markdown import table

TARGETS = {12: 0.93, 16: 0.93, 32: 0.96}
GREEDY = "dast_budget, 1"


def page(found: Found) -> str:
    """Everything."""
    (about,) = found.rows(part="about")
    usual = worlds()[0].name
    blocks = [
        "# Allocation alone: who gets the further rollouts, without a model",
        f"{about['strategy']} · {float(about['value']):.0f} s of CPU time, one thread. "
        "Every number stands in allocation.csv.",
        *(texts.SETTING, "## What comes out", texts.answer(found, usual)),
        *("## Targets, and what can be reached", target_table(found), texts.TARGETS),
        *("## Worlds", world_table(), texts.FITS.format(single=_counts(single_beta()))),
        *("## Share of the oracle's yield, and newly solved queries", texts.READING),
        *(f"### {world.name}\n\n{strategy_table(found, world.name)}" for world in worlds()),
        *("## Ahead of the others", difference_table(found), texts.DIFFERENCES),
        *("## A wrong prior", prior_table(found), texts.PRIORS),
        *("## Yield against newly solved", "![Trade-off](allocation.png)", curve_table(found), texts.curve(found)),
        *("## How often to look", look_table(found, "look_cost"), look_table(found, "last_rate"), texts.LOOKS),
        *("## A smaller pilot (exploratory)", pilot_table(found), texts.PILOTS),
        *("## Do the forecast's intervals hold?", forecast_table(found), texts.FORECAST),
        *("## Time", speed_table(found), texts.SPEED),
    ]
    return "\n\n".join(flowing(block) for block in blocks) + "\n"


def flowing(block: str) -> str:
    """A text in one line, and one a list entry; tables and headings as they are."""
    return block if "|" in block or "#" in block else re.sub(r"\n(?!- )", " ", block)


def world_table() -> str:
    lines = []
    for world in worlds():
        shape = " + ".join(
            f"{part.weight:.3g} × " + (f"Beta({part.a:.3g}, {part.b:.3g})" if part.a else "rate 0")
            for part in world.parts
        )
        real = {"like a 7B": SEVEN_B, "like an 8B": EIGHT_B}.get(world.name, {})
        fit = ", ".join(_residual(world, tries, count) for tries, count in real.items())
        lines.append({"world": world.name, "rates": shape, "never solved: expected / real": fit or "–"})
    return table(lines)


def _residual(world: World, tries: int, count: int) -> str:
    expected = world.unsolved(tries)
    return f"{expected:.0f} / {count:,} after {tries} ({100 * (expected / count - 1):+.1f} %)"


def _counts(world: World) -> str:
    (part,) = world.parts
    counts = ", ".join(f"{world.unsolved(tries):.0f}" for tries in SEVEN_B)
    return f"Beta({part.a:.2f}, {part.b:.2f}) expects {counts}"


def target_table(found: Found) -> str:
    lines = []
    for world in worlds():
        for budget in BUDGETS:
            key = {"part": "main", "world": world.name, "budget": budget, "measure": "share"}
            most = min(1.0, found.value(**key, strategy="bound"))
            got = found.value(**key, strategy=GREEDY)
            lines.append(
                {
                    "world": world.name,
                    "rollouts a query": budget,
                    "target": f"{100 * TARGETS[budget]:.0f}",
                    "bound": found.share(**key, strategy="bound"),
                    "reached": found.share(**key, strategy=GREEDY),
                    "rates unknown": f"{100 * (1 - most):.1f}",
                    "left to the bound": f"{100 * (most - got):.1f}",
                }
            )
    return table(lines)


def strategy_table(found: Found, world: str) -> str:
    lines = []
    for name in ("oracle", "bound", *PLAIN, *BUDGETED):
        line = {"strategy": name}
        for budget in BUDGETS:
            key = {"part": "main", "world": world, "budget": budget, "strategy": name}
            line[f"share, {budget}"] = found.share(**key, measure="share")
            line[f"newly, {budget}"] = "" if name == "bound" else found.count(**key, measure="newly")
            waves = "" if name in ("bound", "oracle") else f"{found.value(**key, measure='waves'):.0f}"
            line[f"waves, {budget}"] = waves
        lines.append(line)
    unspent = found.value(part="main", world=world, budget=32, strategy="oracle", measure="unspent") > 0.0
    return table(lines) + ("\n\nAt the larger budgets everything is reached and rollouts are left." if unspent else "")


def difference_table(found: Found) -> str:
    lines = []
    for world in worlds():
        for own in BUDGETED:
            for budget in BUDGETS:
                key = {"part": "main", "world": world.name, "budget": budget, "strategy": own}
                line = {"world": world.name, "dast_budget, first_worth": own[-1], "rollouts a query": str(budget)}
                for other in AGAINST:
                    share = found.share(**key, measure=f"share less {other}")
                    line[f"less {other}"] = share
                line["newly less vanilla"] = found.count(**key, measure="newly less vanilla")
                lines.append(line)
    return table(lines)


def prior_table(found: Found) -> str:
    lines = []
    for world in found.distinct("world", part="prior"):
        for belief in ("fitted", *(b for b in found.distinct("belief", part="prior", world=world) if b != "fitted")):
            if belief == "the rates":
                continue
            line = {"world": world, "prior": belief}
            for name in BUDGETED:
                for budget in BUDGETS:
                    key = {"part": "prior", "world": world, "belief": belief, "budget": budget, "strategy": name}
                    if found.rows(**key, measure="share"):
                        share, newly = found.share(**key, measure="share"), found.value(**key, measure="newly")
                        line[f"worth {name[-1]}: {budget}"] = f"{share} / {newly:.0f}"
            if len(line) > 2:
                lines.append(line)
    return table(lines)


def curve_table(found: Found) -> str:
    lines = []
    for name in found.distinct("strategy", part="curve", belief="fitted", measure="share"):
        line = {"first_worth": name}
        for budget in BUDGETS:
            key = {"part": "curve", "belief": "fitted", "budget": budget, "strategy": name}
            line[f"share, {budget}"] = found.share(**key, measure="share")
            line[f"newly, {budget}"] = found.count(**key, measure="newly")
        lines.append(line)
    return table(lines)


def look_table(found: Found, part: str) -> str:
    lines = []
    for name in found.distinct("strategy", part=part, belief="fitted", measure="share"):
        line = {part: name}
        for budget in BUDGETS:
            key = {"part": part, "belief": "fitted", "budget": budget, "strategy": name}
            line[f"share, {budget}"] = found.share(**key, measure="share")
            line[f"newly, {budget}"] = f"{found.value(**key, measure='newly'):.0f}"
            line[f"waves, {budget}"] = f"{found.value(**key, measure='waves'):.0f}"
        lines.append(line)
    return table(lines)


def pilot_table(found: Found) -> str:
    lines = []
    for name in found.distinct("strategy", part="pilot"):
        for pilot in found.distinct("pilot", part="pilot"):
            line = {"strategy": name, "pilot": pilot}
            for budget in BUDGETS:
                key = {"part": "pilot", "budget": budget, "strategy": name, "pilot": pilot}
                line[f"share, {budget}"] = found.share(**key, measure="share")
                line[f"solved, {budget}"] = found.count(**key, measure="solved")
            lines.append(line)
    return table(lines)


def forecast_table(found: Found) -> str:
    lines = []
    for world in found.distinct("world", part="forecast"):
        for name in found.distinct("strategy", part="forecast", world=world):
            for belief in found.distinct("belief", part="forecast", world=world):
                key = {"part": "forecast", "world": world, "strategy": name, "belief": belief}
                rows = [row for row in found.rows(**key) if row["measure"] in _TOLD]
                cells = {row["measure"]: f"{100 * float(row['value']):.0f}" for row in rows}
                mean = np.mean([float(row["value"]) for row in rows])
                lines.append({"world": world, "strategy": name, "prior": belief, **cells, "mean": f"{100 * mean:.0f}"})
    return f"Nominal 90; {N_ROUNDS} rounds of 1,000 queries, {BUDGET} rollouts a query.\n\n{table(lines)}"


_TOLD = (
    *("all: got", "all: newly_solved", "hard: spent", "hard: got"),
    *("unsolved: spent", "unsolved: got"),
)
"""Totals that are not settled beforehand, each once."""


def speed_table(found: Found) -> str:
    lines = []
    for budget in found.distinct("budget", part="speed"):
        for row in found.rows(part="speed", budget=budget):
            size, _, what = row["measure"].partition(": ")
            if what == "first plan":
                round_s = found.value(part="speed", budget=budget, measure=f"{size}: round")
                waves = found.value(part="speed", budget=budget, measure=f"{size}: waves")
                lines.append(
                    {
                        "queries": f"{int(size):,}",
                        "rollouts a query": budget,
                        "first plan, s": f"{float(row['value']):.2f}",
                        "all plans of a round, s": f"{round_s:.1f}",
                        "waves": f"{waves:.0f}",
                    }
                )
    return table(lines)
