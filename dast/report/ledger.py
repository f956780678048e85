"""What each stage's rollouts cost, by round and level.

Guarantees: a stage's tokens and seconds are its own small file's; where that knows no levels (`sample` runs before
there are any) they are shared out by the levels' tokens. Grain: one row a round, stage and level.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dast.ledger import COLUMNS, UNKNOWN
from dast.report.metrics import RoundMetrics
from dast.tables import LEVELS

HEADER = ("round", "stage", "level", *COLUMNS)
ALL = "all"
"""Level of what cannot be told apart by level."""


def ledger_rows(rounds: Iterable[RoundMetrics]) -> list[dict[str, Any]]:
    """Rows with the columns of `HEADER`."""
    return [
        {"round": entry.name, "stage": stage, "level": level, **{name: cost.get(name) for name in COLUMNS}}
        for entry in rounds
        for stage, levels in _stages(entry)
        for level, cost in levels.items()
    ]


def _stages(entry: RoundMetrics) -> Iterator[tuple[str, Mapping[str, Mapping[str, Any]]]]:
    numbers = entry.numbers()
    if "sample" in numbers:
        yield "sample", _by_level(numbers["sample"], entry.rows("levels"))
    for stage in ("augment", "evaluate"):
        if levels := numbers.get(stage, {}).get("ledger"):
            yield stage, {level: levels[level] for level in (*LEVELS, UNKNOWN) if level in levels}


def _by_level(cost: Mapping[str, Any], levels: Sequence[Mapping[str, str]]) -> dict[str, dict[str, Any]]:
    """A cost shared out over levels, exact for rollouts, by tokens for what else it has."""
    rollouts = {row["level"]: int(row["n_rollouts"] or 0) for row in levels if row.get("n_rollouts")}
    tokens = {row["level"]: rollouts.get(row["level"], 0) * float(row.get("mean_tokens") or 0) for row in levels}
    whole = sum(tokens.values())
    if not whole:
        return {ALL: dict(cost)}
    shares = {level: tokens[level] / whole for level, count in rollouts.items() if count}
    shared = [name for name in COLUMNS if name != "n_rollouts" and cost.get(name) is not None]
    return {
        level: {"n_rollouts": rollouts[level], **{name: _part(cost[name], share) for name in shared}}
        for level, share in shares.items()
    }


def _part(value: float, share: float) -> float:
    return round(value * share) if isinstance(value, int) else value * share
