"""The run at a glance: a handful of figures that stand at the top of the page.

Guarantees: a figure whose stages have not run is left out. Grain: one figure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dast.markdown import number, percent
from dast.report.ledger import ledger_rows
from dast.report.metrics import BASE, RoundMetrics, gather

_TOLD = 4
"""Most rounds that are listed one by one."""
_UNTITLED = "Difficulty-aware self-training"


@dataclass(frozen=True)
class Glance:
    """A figure, what it is, and what to hold it against."""

    title: str
    value: str
    detail: str


def title_of(rounds: Sequence[RoundMetrics]) -> str:
    """The dataset's title in the latest round's params."""
    titles = [entry.params["package"]["title"] for entry in rounds if "package" in entry.params]
    return str(titles[-1]) if titles else _UNTITLED


def subtitle_of(rounds: Sequence[RoundMetrics]) -> str:
    """The rounds and their methods, in order."""
    told = [(entry.name, str(entry.params["round"]["method"])) for entry in rounds if "round" in entry.params]
    if not told:
        return "No round has run yet."
    if len(told) <= _TOLD:
        return f"{len(told)} round{'s' if len(told) > 1 else ''}: {', '.join(f'{name} ({how})' for name, how in told)}."
    counts = Counter(how for _, how in told)
    methods = ", ".join(f"{count} by {how}" for how, count in counts.items())
    return f"{len(told)} rounds, {told[0][0]} to {told[-1][0]}: {methods}."


def glances(rounds: Sequence[RoundMetrics]) -> list[Glance]:
    """Accuracy, what stays unsolved, what was sampled, what the gate said."""
    return [*_accuracy(rounds), *_unsolved(rounds), *_trained(rounds), *_sampled(rounds), *_gate(rounds)]


def _accuracy(rounds: Sequence[RoundMetrics]) -> Iterator[Glance]:
    whole = [
        row
        for row in gather(rounds, "accuracy", ())[1]
        if row["domain"] == "in" and row["group"] == "all" and row["measure"] == "pass@1"
    ]
    for test_set in list(dict.fromkeys(row["test_set"] for row in whole))[:1]:
        mine = [row for row in whole if row["test_set"] == test_set]
        first, last = mine[0], mine[-1]
        ends = [percent(float(last[end])) for end in ("low", "high") if last.get(end)]
        interval = f" ({' to '.join(ends)})" if len(ends) == 2 else ""
        start = f"; {first['round']} {percent(float(first['estimate']))}" if first is not last else ""
        yield Glance(
            "Accuracy in domain", percent(float(last["estimate"])), f"pass@1 of {last['round']}{interval}{start}"
        )


def _unsolved(rounds: Sequence[RoundMetrics]) -> Iterator[Glance]:
    counted = [(entry.name, entry.numbers().get("difficulty", {}).get("levels")) for entry in rounds]
    found = [(name, levels) for name, levels in counted if levels]
    if found:
        (first, before), (last, after) = found[0], found[-1]
        start = f"; {number(before['unsolved'])} in {first}" if first != last else ""
        queries = number(sum(after.values()))
        yield Glance("Never solved", number(after["unsolved"]), f"of {queries} training queries in {last}{start}")


def _trained(rounds: Sequence[RoundMetrics]) -> Iterator[Glance]:
    rows = [
        (entry.name, about["n_rows"]) for entry in rounds if "n_rows" in (about := entry.numbers().get("train", {}))
    ]
    if rows:
        detail = ", ".join(f"{name} {number(count)}" for name, count in rows[-_TOLD:])
        yield Glance("Trained on", number(sum(count for _, count in rows)), f"rows in all; {detail}")


def _sampled(rounds: Sequence[RoundMetrics]) -> Iterator[Glance]:
    rows = ledger_rows(rounds)
    n_rollouts, n_tokens = (sum(row[name] or 0 for row in rows) for name in ("n_rollouts", "n_tokens"))
    if n_rollouts:
        yield Glance("Sampled", number(n_rollouts), f"rollouts of {number(n_tokens)} tokens, tests included")


def _gate(rounds: Sequence[RoundMetrics]) -> Iterator[Glance]:
    rows = [row for row in gather(rounds, "comparisons", ())[1] if row.get("gate")]
    names = list(dict.fromkeys(row["round"] for row in rows))
    other = [f"{row['round']} {row['gate']} against {row['against']}" for row in rows if row["gate"] != "passed"]
    if names:
        passed = len(names) - len({row["round"] for row in rows if row["gate"] != "passed"})
        detail = "; ".join(other) or f"rounds held against {BASE} and their policy"
        yield Glance("Gate passed", f"{passed} of {len(names)}", detail)
