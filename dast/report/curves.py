"""Tables as the page's plots need them: columns that plots read, and no more points than a screen shows.

Guarantees: a round's first and last point stay; thinned rows are rows, never averages. Grain: one row as in the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dast.report.accuracy import Row

_MOST_POINTS = 300
"""Of a round's curve: a plot is 380 pixels wide."""


def thinned(rows: Sequence[Row]) -> list[Row]:
    """At most `_MOST_POINTS` rows a round, evenly."""
    by_round: dict[str, list[Row]] = {}
    for row in rows:
        by_round.setdefault(row["round"], []).append(row)
    return [row for part in by_round.values() for row in _even(part)]


def packed(rows: Sequence[Row]) -> dict[str, Any]:
    """Columns once, then the values row by row: a third of the size of one mapping a row."""
    columns = list(rows[0]) if rows else []
    return {"columns": columns, "rows": [[row[name] for name in columns] for row in rows]}


def tables_of(gathered: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """The tables that plots read, the training curves thinned."""
    return {name: thinned(rows) if name == "training" else list(rows) for name, rows in gathered.items()}


def _even(rows: list[Row]) -> list[Row]:
    if len(rows) <= _MOST_POINTS:
        return rows
    last = len(rows) - 1
    return [rows[round(place * last / (_MOST_POINTS - 1))] for place in range(_MOST_POINTS)]
