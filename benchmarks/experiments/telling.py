"""Rows as plain text, to be read between two calls: seconds, levels, and accuracy by the generator's level and round.

Grain: one row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from benchmarks.experiments.analysis import rates
from benchmarks.experiments.design import Run
from benchmarks.experiments.rows import BASE, Row, base_run

ORDER = "emhu-"


def told(found: Mapping[Run, Row]) -> str:
    """Every row, each base before its runs."""
    return "\n".join(line for run, row in found.items() for line in _lines(run, row, found))


def _lines(run: Run, row: Row, found: Mapping[Run, Row]) -> Iterator[str]:
    seconds = row["seconds"]
    yield f"\n{run.arm} {run.budget} · base {run.base} · data {run.data} · {seconds['wall']} s ({seconds['cpu']} CPU)"
    if run.arm == BASE:
        for name, facts in row["tests"].items():
            counted = Counter(facts["levels"])
            yield f"  {name}: levels " + " ".join(f"{level} {counted[level]}" for level in ORDER if counted[level])
            yield f"    base  {_accuracies(row, 0, name, row)}"
        return
    base = found.get(base_run(*run.block))
    for number, one in enumerate(row["rounds"], start=1):
        phases = " ".join(f"{name} {value:.0f}" for name, value in one["seconds"]["wall"].items())
        rollouts = {step: [counts["n_rollouts"], counts["n_correct"]] for step, counts in one["steps"].items()}
        yield f"  r{number}: {phases} s; train levels {_counts(one['levels'])}; rollouts, correct {rollouts}"
        kept = {level: [part["n"], part["n_queries"], part["n_lucky"]] for level, part in one["kept"].items()}
        yield f"    rows, queries, lucky {kept}; epochs {one['epochs']}, loss {one['loss']}"
        for name in one["tests"] if base else ():
            yield f"    {name}  {_accuracies(row, number, name, base)}"


def _accuracies(row: Row, number: int, test_set: str, base: Row) -> str:
    """pass@1 and greedy in percent, then pass@1 by the generator's level."""
    each = rates(row, number, test_set)
    greedy = rates(row, number, test_set, "greedy")
    of = np.array(base["tests"][test_set]["source_levels"].split())
    by_level = (f"{level} {100 * each[of == level].mean():.0f}" for level in sorted(set(of)))
    return f"{100 * each.mean():.1f} (greedy {100 * greedy.mean():.1f}): {' '.join(by_level)}"


def _counts(counted: Mapping[str, int]) -> str:
    return "/".join(str(n) for n in counted.values())
