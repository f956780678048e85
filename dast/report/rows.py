"""The tables of a round's work that a person wants first: levels, moves, lengths, allocation, ladder, sets, cost.

Guarantees: figures are the small files' own; a column that an older file lacks is a dash. Grain: one line a round and
what the table is by; every cell is text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dast.markdown import NONE, number, percent
from dast.report.accuracy import Row
from dast.report.ledger import ledger_rows
from dast.report.metrics import RoundMetrics
from dast.report.moves import read_moves
from dast.tables import LEVELS

_LENGTHS = {"mean": "mean", "median": "median", "nine of ten below,": "q90"}


def about(rounds: Sequence[RoundMetrics]) -> list[Row]:
    """What each round is made from."""
    told = [(entry.name, entry.params.get("round", {})) for entry in rounds]
    return [
        {"round": name, **{key: str(given.get(key, NONE)) for key in ("method", "policy", "init", "levels")}}
        for name, given in told
    ]


def mix(rows: list[Row]) -> list[Row]:
    """Share of training queries by level."""
    shown = []
    for name in dict.fromkeys(row["round"] for row in rows):
        count = {row["level"]: _int(row["n_queries"]) for row in rows if row["round"] == name}
        total = sum(count.values())
        share = {level: percent(count.get(level, 0) / total if total else None) for level in LEVELS}
        shown.append({"round": name, "queries": number(total), **share})
    return shown


def moves(rows: list[Row]) -> list[Row]:
    """Queries that changed level since the policy's round, seen and by sampling noise alone."""
    return [
        {
            "rounds": f"{move.since} → {move.name}",
            "queries that": move.what,
            "seen": number(move.seen),
            "by noise alone": f"{move.expected:,.0f} ({number(move.low)} to {number(move.high)})",
            "beyond noise": "yes" if move.beyond else "no",
        }
        for move in read_moves(rows)
    ]


def lengths(rows: list[Row]) -> list[Row]:
    """How long the plain rollouts are."""
    return [
        {
            "round": row["round"],
            "level": row["level"],
            "verdict": row["verdict"].replace("_", " "),
            "rollouts": number(_int(row["n_rollouts"])),
            **{f"{name} characters": number(_float(row[f"{key}_chars"])) for name, key in _LENGTHS.items()},
            **{f"{name} tokens": number(_float(row[f"{key}_tokens"])) for name, key in _LENGTHS.items()},
        }
        for row in rows
    ]


def allocation(rows: list[Row]) -> list[Row]:
    """Correct responses wanted and got, and rollouts spent."""
    counted = ("n_queries", "wanted", "spent", "got", "n_newly_solved")
    titles = ("queries", "wanted", "spent", "got", "newly solved")
    return [
        {"round": row["round"], "level": row["level"]}
        | {title: number(_float(row.get(key, ""))) for key, title in zip(counted, titles, strict=True)}
        for row in rows
    ]


def forecast(rows: list[Row]) -> list[Row]:
    """What was expected, with its interval, and what came."""
    places = dict.fromkeys((row["round"], row["level"]) for row in rows)
    cells = {(row["round"], row["level"], row["measure"]): _foretold(row) for row in rows}
    measures = dict.fromkeys(row["measure"] for row in rows)
    return [
        {"round": name, "level": level}
        | {measure.replace("_", " "): cells.get((name, level, measure), NONE) for measure in measures}
        for name, level in places
    ]


def _foretold(row: Row) -> str:
    low, high = (number(_float(row[end])) for end in ("low", "high"))
    return f"{number(_float(row['expected']))} ({low} to {high}) → {number(_float(row['actual']))}"


def ladder(rows: list[Row]) -> list[Row]:
    """What each step of the augmentation gave."""
    names = list(dict.fromkeys(row["round"] for row in rows))
    return [
        {
            "round": row["round"],
            "level": row["level"],
            "step": row["step"],
            "rollouts": number(_int(row["n_rollouts"])),
            "correct": number(_int(row["n_correct"])),
            "yield": percent(_int(row["n_correct"]) / max(_int(row["n_rollouts"]), 1)),
            "queries": number(_int(row["n_queries"])),
            "queries with a correct one": number(_int(row["n_queries_solved"])),
            "mean tokens, correct": number(_float(row["mean_tokens_correct"]), 1),
        }
        for row in sorted(rows, key=lambda row: (names.index(row["round"]), LEVELS.index(row["level"])))
    ]


def sets(rows: list[Row]) -> list[Row]:
    """What the training sets hold."""
    return [
        {
            "round": row["round"],
            "level": row["level"],
            **{key[2:]: number(_int(row.get(key, ""))) for key in ("n_self", "n_reference")},
            "share": percent(_float(row.get("got_rate", ""))),
            "asked": percent(_float(row.get("asked_rate", ""))),
            "mean characters": number(_float(row.get("mean_chars", ""))),
            "mean tokens": number(_float(row.get("mean_tokens", ""))),
            "by luck": percent(_float(row.get("lucky_rate", ""))),
            "pairs": number(_int(row.get("n_pairs", ""))),
            "chosen longer by": number(_float(row.get("bias_chars", "")), 1),
        }
        for row in rows
    ]


def cost(rounds: Sequence[RoundMetrics]) -> list[Row]:
    """What sampling cost, stage by stage."""
    rows = ledger_rows(rounds)
    parts = {place: [row for row in rows if _place(row) == place] for place in dict.fromkeys(map(_place, rows))}
    return [
        {
            "round": place[0],
            "stage": place[1],
            "rollouts": number(sum(row["n_rollouts"] or 0 for row in part)),
            "tokens": number(sum(row["n_tokens"] or 0 for row in part)),
            "seconds": number(sum(row["seconds"] or 0 for row in part), 1),
            "tokens by level": ", ".join(f"{row['level']} {number(row['n_tokens'])}" for row in part),
        }
        for place, part in parts.items()
    ]


def _place(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["round"], row["stage"]


def _int(text: str) -> int:
    return round(float(text)) if text else 0


def _float(text: str) -> float | None:
    return float(text) if text else None
