"""Tables of the report: a line an arm and budget, a number with its standard error over bases.

Guarantees: a number is the mean over bases of the mean over data seeds, so that bases weigh alike; lines stand in the
order of the design; an arm without rows has no line. Grain: one arm at one budget.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.experiments.analysis import Floats, rates
from benchmarks.experiments.design import Design, Run
from benchmarks.experiments.rows import BASE, Row, base_run
from dast.tables import LEVELS

Rows = Mapping[Run, Row]
Line = dict[str, str]
Number = Callable[[Row], float | None]
"""A figure of one row; None where it has none."""

OTHER = "–"


def lines_of(design: Design, rows: Rows) -> list[tuple[str, str]]:
    """Arms and budgets that have rows; those that the design no longer has come last."""
    found = {(run.arm, run.budget) for run in rows if run.arm != BASE}
    arms, budgets = list(design.arms), list(design.budgets)

    def place(line: tuple[str, str]) -> tuple[int, str, int, str]:
        arm, budget = line
        known = [arms.index(arm) if arm in arms else len(arms), budgets.index(budget) if budget in budgets else 9]
        return known[0], arm, known[1], budget

    return sorted(found, key=place)


def accuracy(design: Design, rows: Rows, test_set: str) -> list[Line]:
    """Percent after each round, and greedy after the last; the base first."""
    last = design.measure.rounds
    head = {f"r{number}": _mean_rate(number, test_set) for number in range(1, last + 1)}
    numbers = {**head, f"greedy r{last}": _mean_rate(last, test_set, "greedy")}
    base = {run: row for run, row in rows.items() if run.arm == BASE}
    zero = {"r1": _mean_rate(0, test_set), f"greedy r{last}": _mean_rate(0, test_set, "greedy")}
    first = {"arm": "base (before r1)", "budget": "", "blocks": str(len(base))}
    first |= {name: spread(base, zero[name]) if name in zero else "" for name in numbers}
    return [first, *_lines(design, rows, numbers)]


def by_group(design: Design, rows: Rows, test_set: str, group: str) -> list[Line]:
    """Percent after the round that is compared, by the queries' `levels` or `source_levels`."""
    values = list(
        dict.fromkeys(v for run, row in rows.items() if run.arm == BASE for v in _groups(row, test_set, group))
    )
    order = [level[0] for level in LEVELS] if group == "levels" else sorted(values, key=lambda v: (len(v), v))
    names = {level[0]: level for level in LEVELS}
    numbers = {
        names.get(value, value): _group_rate(rows, design.measure.round, test_set, group, value)
        for value in order
        if value in values
    }
    return _lines(design, rows, numbers)


def costs(design: Design, rows: Rows) -> list[Line]:
    """Rollouts by round, and tokens of all rounds in thousands."""
    numbers: dict[str, Number] = {
        f"rollouts r{number}": _of_round(number, lambda one: _steps(one, "n_rollouts"))
        for number in range(1, design.measure.rounds + 1)
    }
    numbers["prompt tokens, k"] = lambda row: sum(_steps(one, "n_prompt_tokens") for one in row["rounds"]) / 1000
    numbers["generated tokens, k"] = lambda row: sum(_steps(one, "n_tokens") for one in row["rounds"]) / 1000
    numbers["CPU seconds a run"] = lambda row: float(row["seconds"]["cpu"])
    return _lines(design, rows, numbers, digits=0)


def shown_exemplars(design: Design, rows: Rows) -> list[Line]:
    """Percent of each round's rollouts that were asked for with exemplars in front."""
    numbers: dict[str, Number] = {
        f"r{number}": _of_round(number, _step_share("matched")) for number in range(1, design.measure.rounds + 1)
    }
    return _lines(design, rows, numbers, digits=1)


def training(design: Design, rows: Rows) -> list[Line]:
    """What was trained on in the first and the last round: rows, queries, passes, and each level's share of a pass."""
    numbers: dict[str, Number] = {}
    for number in (1, design.measure.rounds):
        numbers |= {
            f"rows r{number}": _of_round(number, lambda one: _kept(one, "n")),
            f"queries r{number}": _of_round(number, lambda one: _kept(one, "n_queries")),
            f"pairs r{number}": _of_round(number, lambda one: one["n_pairs"]),
            f"epochs r{number}": _of_round(number, lambda one: one["epochs"]),
        }
        numbers |= {f"{level} r{number}, %": _of_round(number, _share(level)) for level in LEVELS}
    return _lines(design, rows, numbers, digits=1)


def luck(design: Design, rows: Rows) -> list[Line]:
    """Percent of the different responses kept in all rounds that have the right answer and a wrong step, by level."""
    numbers: dict[str, Number] = {level: _lucky((level,)) for level in LEVELS}
    return _lines(design, rows, {**numbers, "all": _lucky(LEVELS)}, digits=1)


def lengths(design: Design, rows: Rows) -> list[Line]:
    """Mean tokens of the correct responses of the first round, by level, under plain prompts and under exemplars."""
    numbers: dict[str, Number] = {}
    for level in LEVELS:
        numbers[f"{level}, plain"] = _length(level, ("sample", "more"))
        numbers[f"{level}, matched"] = _length(level, ("matched",))
    return _lines(design, rows, numbers, digits=1)


def solved(design: Design, rows: Rows) -> list[Line]:
    """Percent of the train queries of each level in the first round that some rollout of the round solved."""
    numbers: dict[str, Number] = {level: _of_round(1, _solved_share(level)) for level in LEVELS}
    return _lines(design, rows, numbers, digits=1)


def spread(rows: Rows, number: Number, digits: int = 1) -> str:
    """Mean over bases of the mean over seeds, ± its standard error over bases where there are some."""
    by_base: dict[int, list[float]] = {}
    for run, row in rows.items():
        if (value := number(row)) is not None:
            by_base.setdefault(run.base, []).append(value)
    means = [statistics.fmean(values) for values in by_base.values()]
    if not means:
        return OTHER
    told = f"{statistics.fmean(means):,.{digits}f}"
    return told if len(means) < 2 else f"{told} ± {statistics.stdev(means) / len(means) ** 0.5:,.{digits}f}"


def _lines(design: Design, rows: Rows, numbers: Mapping[str, Number], digits: int = 1) -> list[Line]:
    found = []
    for arm, budget in lines_of(design, rows):
        mine = {run: row for run, row in rows.items() if (run.arm, run.budget) == (arm, budget)}
        cells = {name: spread(mine, number, digits) for name, number in numbers.items()}
        found.append({"arm": arm, "budget": budget, "blocks": str(len(mine)), **cells})
    return found


def _mean_rate(round_number: int, test_set: str, kind: str = "sample") -> Number:
    return lambda row: 100 * float(rates(row, round_number, test_set, kind).mean())


def _group_rate(rows: Rows, round_number: int, test_set: str, group: str, value: str) -> Number:
    def number(row: Row) -> float | None:
        among: Floats = np.array(_groups(rows[base_run(row["base"], row["data"])], test_set, group)) == value
        return 100 * float(rates(row, round_number, test_set)[among].mean()) if among.any() else None

    return number


def _groups(base: Row, test_set: str, group: str) -> list[str]:
    facts = base["tests"][test_set]
    return facts["source_levels"].split() if group == "source_levels" else list(facts["levels"])


def _of_round(number: int, of: Callable[[dict[str, Any]], float | None]) -> Number:
    return lambda row: of(row["rounds"][number - 1])


def _steps(one: Mapping[str, Any], name: str) -> int:
    return sum(step[name] or 0 for step in one["steps"].values())


def _step_share(name: str) -> Callable[[dict[str, Any]], float | None]:
    def share(one: dict[str, Any]) -> float | None:
        whole = _steps(one, "n_rollouts")
        return 100 * one["steps"].get(name, {"n_rollouts": 0})["n_rollouts"] / whole if whole else None

    return share


def _kept(one: Mapping[str, Any], name: str, levels: Sequence[str] | None = None) -> int:
    return sum(part[name] for level, part in one["kept"].items() if levels is None or level in levels)


def _share(level: str) -> Callable[[dict[str, Any]], float | None]:
    def share(one: dict[str, Any]) -> float | None:
        whole = _kept(one, "n_times")
        return 100 * _kept(one, "n_times", (level,)) / whole if whole else None

    return share


def _lucky(levels: Sequence[str]) -> Number:
    def number(row: Row) -> float | None:
        kept = sum(_kept(one, "n_self", levels) for one in row["rounds"])
        return 100 * sum(_kept(one, "n_lucky", levels) for one in row["rounds"]) / kept if kept else None

    return number


def _length(level: str, steps: Sequence[str]) -> Number:
    def number(row: Row) -> float | None:
        found = [given for step, given in row["rounds"][0]["accepted"].get(level, {}).items() if step in steps]
        n = sum(count for count, _ in found)
        return sum(tokens for _, tokens in found) / n if n else None

    return number


def _solved_share(level: str) -> Callable[[dict[str, Any]], float | None]:
    return lambda one: 100 * one["solved"][level] / one["levels"][level] if one["levels"][level] else None
