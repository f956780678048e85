"""One sentence a section, said from the figures: what to read off its plots and tables.

Guarantees: every number is the small files' own or a sum of them; without figures the sentence is empty. Grain: one
sentence a section, over all rounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from dast.markdown import number, percent
from dast.report.accuracy import Row
from dast.report.checks import audit_counts
from dast.report.ledger import ledger_rows
from dast.report.metrics import RoundMetrics
from dast.report.moves import Move, read_moves
from dast.report.settings import differing, params_rows

_Item = TypeVar("_Item")

_HARD = ("hard", "unsolved")
_TOLD = 3
"""Most rounds that a sentence lists: the latest."""


def accuracy(rows: list[Row]) -> str:
    """From the first model to the last, set by set."""
    whole = [row for row in rows if row["group"] == "all" and row["measure"] == "pass@1"]
    names = _ends(list(dict.fromkeys(row["round"] for row in whole)))
    found = {(row["test_set"], row["round"]): _estimate(row) for row in whole}
    ways = [
        f"{_from(found[test_set, name] for name in names)} on {test_set}"
        for test_set in dict.fromkeys(row["test_set"] for row in whole)
        if all((test_set, name) in found for name in names)
    ]
    return _said(f"between {' and '.join(names)}, pass@1 went" if len(names) > 1 else "pass@1 is", ways, "; ")


def mix(rows: list[Row]) -> str:
    """How many queries no rollout solved, first and last."""
    parts = []
    for name in _ends(list(dict.fromkeys(row["round"] for row in rows))):
        counts = {row["level"]: _int(row["n_queries"]) for row in rows if row["round"] == name}
        total, unsolved = sum(counts.values()), counts.get("unsolved", 0)
        share = percent(unsolved / total if total else None)
        parts.append(f"{number(unsolved)} of {number(total)} queries ({share}) in {name}")
    return _said("the policy never solved", parts, ", ")


def moves(rows: list[Row]) -> str:
    """How many queries changed level, beside what noise alone gives."""
    changed = [move for move in read_moves(rows) if move.what == "changed level"][-_TOLD:]
    return " ".join(_moved(move) for move in changed)


def pass_rates(rows: list[Row]) -> str:
    """The ends of the histogram, first and last."""
    parts = []
    for name in _ends(list(dict.fromkeys(row["round"] for row in rows))):
        counts = {float(row["pass_rate"]): _int(row["n_queries"]) for row in rows if row["round"] == name}
        total = sum(counts.values())
        always, never = (counts.get(rate, 0) / total for rate in (1.0, 0.0))
        parts.append(f"in {name} {percent(always)} of the queries were solved at every try, {percent(never)} at none")
    return _said("", parts, "; ")


def lengths(rows: list[Row]) -> str:
    """How much longer the hard queries' correct responses are than the easy ones'."""
    parts = []
    for name in _ends(list(dict.fromkeys(row["round"] for row in rows))):
        median = {
            row["level"]: number(float(row["median_chars"]))
            for row in rows
            if row["round"] == name and row["verdict"] == "correct" and row["median_chars"]
        }
        if "easy" in median and "hard" in median:
            parts.append(f"{median['hard']} characters to hard queries and {median['easy']} to easy ones in {name}")
    return _said("half of the correct responses are longer than", parts, "; ")


def allocation(rows: list[Row]) -> str:
    """What the unsolved queries got for what was spent on them."""
    spent = {name: sum(_int(row["spent"]) for row in part) for name, part in _by_round(rows)}
    unsolved = [row for row in rows if row["level"] == "unsolved" and _int(row["n_queries"])][:_TOLD]
    parts = [
        f"in {row['round']} {_count(row, 'n_newly_solved')} of the {_count(row, 'n_queries')} unsolved queries got a "
        f"correct response, for {_count(row, 'spent')} of {number(spent[row['round']])} rollouts"
        for row in unsolved
    ]
    return _said("", parts, "; ")


def ladder(rows: list[Row]) -> str:
    """Each step's yield on the unsolved queries of the first round that had any."""
    hard = [row for row in rows if row["level"] == "unsolved" and row["step"] != "sample" and _int(row["n_rollouts"])]
    first = hard[0]["round"] if hard else ""
    parts = [
        f"{percent(_int(row['n_correct']) / _int(row['n_rollouts']))} of {_count(row, 'n_rollouts')} rollouts with "
        f"`{row['step']}`"
        for row in hard
        if row["round"] == first
    ]
    return _said(
        f"queries that {first}'s policy had not solved in plain rollouts were answered correctly by", parts, ", "
    )


def sets(rows: list[Row], levels: list[Row]) -> str:
    """What share of the training rows comes from hard and unsolved queries, beside their share of the queries."""
    asked = {name: _share(part, "n_queries") for name, part in _by_round(levels)}
    parts = [
        f"{percent(_share(part, 'n_self'))} in {name} ({percent(asked.get(name))} of its queries)"
        for name, part in _by_round(rows)
    ]
    return _said("hard and unsolved queries give", parts[-_TOLD:], ", ", " of the sampled training rows")


def training(rounds: Sequence[RoundMetrics]) -> str:
    """Loss at both ends of each round's training."""
    told = [(entry.name, entry.numbers().get("train", {})) for entry in rounds]
    parts = [
        f"from {about['loss_first']:.3g} to {about['loss_last']:.3g} in {name} ({about['method']}, "
        f"{number(about['steps'])} steps)"
        for name, about in told
        if about.get("loss_first") is not None and about.get("loss_last") is not None
    ]
    return _said("the loss went", parts[-_TOLD:], ", ")


def cost(rounds: Sequence[RoundMetrics]) -> str:
    """All tokens and seconds, and each stage's share of the tokens."""
    rows = ledger_rows(rounds)
    tokens = dict.fromkeys((row["stage"] for row in rows), 0)
    for row in rows:
        tokens[row["stage"]] += row["n_tokens"] or 0
    whole, seconds = sum(tokens.values()), sum(row["seconds"] or 0 for row in rows)
    shares = [f"{percent(count / whole, 0)} by {stage}" for stage, count in tokens.items()] if whole else []
    start = f"the line sampled {number(whole)} tokens in {number(seconds)} seconds of generating:"
    return _said(start, shares, ", ")


def settings(rounds: Sequence[RoundMetrics]) -> str:
    """How many parameters differ."""
    n_params, names = len(params_rows(rounds)), [row["param"] for row in differing(rounds)]
    if not n_params:
        return ""
    listed = f": {', '.join(names)}" if 0 < len(names) <= 2 * _TOLD else ""
    return f"{number(len(names))} of {number(n_params)} parameters differ between the rounds{listed}."


def audits(rounds: Sequence[RoundMetrics]) -> str:
    """How often the two ways of grading disagree, and how much could not be graded."""
    counts = [found for _, _, found in audit_counts(rounds)]
    if not counts:
        return ""
    n_checked, n_disagree, n_ungraded = (
        sum(found[f"n_{name}"] for found in counts) for name in ("checked", "disagree", "ungraded")
    )
    return (
        f"A second way of comparing disagrees with the grader on {number(n_disagree)} of the {number(n_checked)} pairs "
        f"of answers that it could check; {number(n_ungraded)} pairs could not be graded."
    )


def _moved(move: Move) -> str:
    noise = f"{number(move.expected)} ({number(move.low)} to {number(move.high)})"
    judged = f"where sampling noise alone gives {noise}" if move.beyond else f"no more than noise alone gives: {noise}"
    seen = f"{number(move.seen)} of {number(move.n_queries)} queries"
    return f"From {move.since} to {move.name} {seen} changed level, {judged}."


def _from(ends: Iterable[str]) -> str:
    told = list(ends)
    return f"from {' to '.join(told)}" if len(told) > 1 else told[0]


def _estimate(row: Row) -> str:
    ends = [f"{100 * float(row[end]):.1f}" for end in ("low", "high") if row.get(end)]
    return percent(float(row["estimate"])) + (f" ({' to '.join(ends)})" if len(ends) == 2 else "")


def _by_round(rows: list[Row]) -> Iterable[tuple[str, list[Row]]]:
    names = dict.fromkeys(row["round"] for row in rows)
    return [(name, [row for row in rows if row["round"] == name]) for name in names]


def _share(rows: list[Row], column: str) -> float | None:
    total = sum(_int(row[column]) for row in rows)
    return sum(_int(row[column]) for row in rows if row["level"] in _HARD) / total if total else None


def _ends(items: list[_Item]) -> list[_Item]:
    """The first and the last; one of one."""
    return items if len(items) < 2 else [items[0], items[-1]]


def _said(start: str, parts: Sequence[str], between: str, end: str = "") -> str:
    """A sentence with a capital and a full stop; empty without parts."""
    text = f"{start} {between.join(parts)}{end}.".strip()
    return text[0].upper() + text[1:] if parts else ""


def _count(row: Row, column: str) -> str:
    return number(_int(row[column]))


def _int(text: str) -> int:
    return round(float(text)) if text else 0
