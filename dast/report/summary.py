"""The tables that a person wants first, as Markdown: accuracy, levels, allocation, luck, comparisons.

Guarantees: a section whose stages have not run says so instead of a table; figures are the small files' own.
Grain: one page over all rounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dast.markdown import NONE, number, percent, table
from dast.report.accuracy import Row, by_group, by_test_set, comparisons, comparisons_by_level, responses
from dast.report.ledger import ledger_rows
from dast.report.metrics import RoundMetrics, gather
from dast.tables import LEVELS

_NOTHING = "Nothing yet."
_ACCURACY = (
    "Accuracy by test set",
    "Percent, with the interval that `intervals.confidence` asks for; guess always gives its level's commonest answer.",
)
_BY_SOURCE_LEVEL = ("Accuracy in domain by source level", "pass@1 in percent, with its interval.")
_BY_LEVEL = ("Accuracy in domain by difficulty", "pass@1 in percent, with its interval; the base sets the levels.")
_RESPONSES = (
    "Test responses",
    "Shares of all rollouts; truncated ones met the token limit. An ungraded one is no wrong answer.",
)
_COMPARED = (
    "Compared",
    "Differences in points with their interval, paired over queries; the gate asks all in-domain queries together.",
)
_COMPARED_BY_LEVEL = (
    "Compared by difficulty",
    "pass@1 likewise, by the base's levels. So many verdicts are made that of twenty equal ones one is told apart.",
)
_CONTAMINATION = (
    "Contamination",
    "Train queries (base) and kept responses that have an n-gram in common with a test query, and those above "
    "`contamination.min_share`.",
)
_MIX = ("Difficulty mix", "Share of training queries by level, as the round's policy solves them.")
_ALLOCATION = ("Allocation", "Wanted and got are correct responses; spent is rollouts.")
_FORECAST = ("Forecast", "Expected before anything was spent, with its interval, and what became of it.")
_LADDER = (
    "Ladder",
    "Rollouts by step and what they gave. Length control shows as longer correct responses than `sample`'s.",
)
_COST = ("Cost", "Sampled tokens, and the seconds that generating them took when they were generated.")
_SETS = (
    "Training sets",
    "Lengths are of the kept sampled responses; by luck: those with the right answer and a wrong step. Chosen longer "
    "by: characters of a pair's chosen response less those of the rejected one.",
)


def summary_text(rounds: Sequence[RoundMetrics]) -> str:
    """The whole page."""
    accuracy = _rows(rounds, "accuracy")
    sections = (
        (by_test_set(accuracy), *_ACCURACY),
        (by_group(accuracy, "source_level"), *_BY_SOURCE_LEVEL),
        (by_group(accuracy, "level"), *_BY_LEVEL),
        (responses(_rows(rounds, "responses")), *_RESPONSES),
        (comparisons(_rows(rounds, "comparisons")), *_COMPARED),
        (comparisons_by_level(_rows(rounds, "comparisons")), *_COMPARED_BY_LEVEL),
        (_mix(_rows(rounds, "levels")), *_MIX),
        (_allocation(_rows(rounds, "allocation")), _ALLOCATION[0], _formulas(rounds)),
        (_forecast(_rows(rounds, "forecast")), *_FORECAST),
        (_ladder(_rows(rounds, "ladder")), *_LADDER),
        (_build(_rows(rounds, "build")), *_SETS),
        (_contamination(rounds), *_CONTAMINATION),
        (_cost(rounds), *_COST),
    )
    blocks = ["# Rounds", table([_about(entry) for entry in rounds])]
    for rows, title, note in sections:
        blocks += [f"## {title}", note if rows else _NOTHING, table(rows)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _rows(rounds: Iterable[RoundMetrics], name: str) -> list[Row]:
    return gather(rounds, name, ())[1]


def _about(entry: RoundMetrics) -> Row:
    about = entry.params.get("round", {})
    return {"round": entry.name, **{key: str(about.get(key, NONE)) for key in ("method", "policy", "init", "levels")}}


def _mix(rows: list[Row]) -> list[Row]:
    shown = []
    for name in dict.fromkeys(row["round"] for row in rows):
        count = {row["level"]: _int(row["n_queries"]) for row in rows if row["round"] == name}
        total = sum(count.values())
        share = {level: percent(count.get(level, 0) / total if total else None) for level in LEVELS}
        shown.append({"round": name, "queries": number(total), **share})
    return shown


def _allocation(rows: list[Row]) -> list[Row]:
    counted = ("n_queries", "wanted", "spent", "got", "n_newly_solved")
    titles = ("queries", "wanted", "spent", "got", "newly solved")
    return [
        {"round": row["round"], "level": row["level"]}
        | {title: number(_float(row.get(key, ""))) for key, title in zip(counted, titles, strict=True)}
        for row in rows
    ]


def _formulas(rounds: Sequence[RoundMetrics]) -> str:
    """The table's note, and each round's strategy with its numbers."""
    told = [(entry.name, entry.numbers().get("augment", {})) for entry in rounds]
    lines = [f"- {name}: `{about['strategy']}`: {about['formula']}" for name, about in told if "formula" in about]
    return "\n".join([_ALLOCATION[1], *([""] if lines else []), *lines])


def _forecast(rows: list[Row]) -> list[Row]:
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


def _ladder(rows: list[Row]) -> list[Row]:
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
        for row in sorted(rows, key=lambda row: (row["round"], LEVELS.index(row["level"])))
    ]


def _build(rows: list[Row]) -> list[Row]:
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


def _contamination(rounds: Sequence[RoundMetrics]) -> list[Row]:
    told = [(entry.name, part.get("contamination", {})) for entry in rounds for part in entry.numbers().values()]
    return [
        {
            "round": name,
            "texts": number(about["n_texts"]),
            "test set": test_set,
            "the same": number(row["n_exact"]),
            "an n-gram in common": number(row["n_shared"]),
            "contaminated": number(row["n_contaminated"]),
        }
        for name, about in told
        for test_set, row in about.get("tests", {}).items()
    ]


def _cost(rounds: Sequence[RoundMetrics]) -> list[Row]:
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
