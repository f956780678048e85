"""The tables of accuracy that a person wants first: by test set, by level, responses, comparisons.

Guarantees: figures are the small files' own; a column that an older file lacks is a dash. Grain: one line a round and
what the table is by.
"""

from __future__ import annotations

from dast.markdown import NONE, number, percent
from dast.tables import LEVELS

Row = dict[str, str]

_MAIN_MEASURES = ("greedy", "pass@1", "guess")


def by_test_set(rows: list[Row]) -> list[Row]:
    """Every measure of whole test sets."""
    rows = [row for row in rows if row["group"] == "all"]
    measures = dict.fromkeys([*_MAIN_MEASURES, *(row["measure"] for row in rows)])
    cells = {(row["test_set"], row["round"], row["measure"]): _estimate(row) for row in rows}
    first = {(row["test_set"], row["round"]): row for row in reversed(rows)}
    names = dict.fromkeys(row["round"] for row in rows)
    return [
        {
            "test set": test_set,
            "domain": row["domain"],
            "round": name,
            "queries": row["n_queries"],
            **{measure: cells.get((test_set, name, measure), NONE) for measure in measures},
        }
        for test_set in dict.fromkeys(row["test_set"] for row in rows)
        for name in names
        if (row := first.get((test_set, name))) is not None
    ]


def by_group(rows: list[Row], group: str) -> list[Row]:
    """pass@1 in domain by the values of a group, rounds side by side."""
    rows = [row for row in rows if row["group"] == group and row["domain"] == "in"]
    measured = [row for row in rows if row["measure"] == "pass@1"]
    guesses = {(row["test_set"], row["value"]): _estimate(row) for row in rows if row["measure"] == "guess"}
    names = dict.fromkeys(row["round"] for row in measured)
    cells = {(row["test_set"], row["value"], row["round"]): _estimate(row) for row in measured}
    return [
        {
            "test set": test_set,
            "level": value,
            **{name: cells.get((test_set, value, name), NONE) for name in names},
            "guess": guesses.get((test_set, value), NONE),
        }
        for test_set, value in dict.fromkeys((row["test_set"], row["value"]) for row in measured)
    ]


def responses(rows: list[Row]) -> list[Row]:
    """Lengths, and what did not become an answer."""
    return [
        {
            "test set": row["test_set"],
            "round": row["round"],
            "decoding": row["decoding"],
            "rollouts": number(float(row["n_rollouts"])),
            "mean tokens": _decimal(row["mean_tokens"]),
            "of correct ones": _decimal(row["mean_tokens_correct"]),
            **{name: percent(float(row[f"{name.replace(' ', '_')}_rate"])) for name in ("truncated", "no answer")},
            "ungraded": percent(float(row["ungraded_rate"])),
        }
        for row in sorted(rows, key=lambda row: row["test_set"])
    ]


def comparisons(rows: list[Row]) -> list[Row]:
    """Paired differences over whole test sets, and what the gate said."""
    return [
        {
            "round": row["round"],
            "against": row["against"],
            "test set": row["test_set"],
            "measure": row["measure"],
            "difference": _difference(row),
            "p": f"{float(row['p_value']):.2g}" if row.get("p_value") else NONE,
            "verdict": row["verdict"],
            "gate": row.get("gate") or NONE,
        }
        for row in rows
        if row.get("group") != "level"
    ]


def comparisons_by_level(rows: list[Row]) -> list[Row]:
    """Paired differences of pass@1 by the base's levels, and their verdicts."""
    rows = [row for row in rows if row.get("group") == "level" and row["measure"] == "pass@1"]
    places = dict.fromkeys((row["round"], row["against"], row["test_set"]) for row in rows)
    cells = {
        (row["round"], row["against"], row["test_set"], row["value"]): f"{_difference(row)} {row['verdict']}"
        for row in rows
    }
    return [
        dict(zip(("round", "against", "test set"), place, strict=True))
        | {level: cells.get((*place, level), NONE) for level in LEVELS}
        for place in places
    ]


def _difference(row: Row) -> str:
    return f"{_points(row['difference'])} ({_points(row['low'])} to {_points(row['high'])})"


def _estimate(row: Row) -> str:
    ends = (row.get("low"), row.get("high"))
    interval = f" ({' to '.join(f'{100 * float(end):.1f}' for end in ends if end)})" if all(ends) else ""
    return f"{100 * float(row['estimate']):.1f}{interval}" if row["estimate"] else NONE


def _points(text: str) -> str:
    return f"{100 * float(text):+.1f}" if text else NONE


def _decimal(text: str) -> str:
    return number(float(text) if text else None, 1)
