"""Parameters of the rounds side by side.

Guarantees: rounds that have no settings of their own, such as the base, are left out. Grain: one row a parameter.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from dast.report.metrics import RoundMetrics, flat

Row = dict[str, str]
_SAID_BY_THE_ROUND = "round."
"""Where a round comes from: it always differs, and stands in a table of its own."""


def params_rows(rounds: Sequence[RoundMetrics]) -> list[Row]:
    """One row a parameter: its value in each round that has params, and `yes` where they differ."""
    values = {entry.name: dict(flat(entry.params)) for entry in rounds if entry.params}
    names = dict.fromkeys(name for settings in values.values() for name in settings)
    rows = []
    for name in names:
        shown = {entry: _shown(settings[name]) if name in settings else "" for entry, settings in values.items()}
        rows.append({"param": name, **shown, "changed": "yes" if len(set(shown.values())) > 1 else ""})
    return rows


def differing(rounds: Sequence[RoundMetrics]) -> list[Row]:
    """The rows that differ, without the mark, and without what names the round itself."""
    return [
        {name: value for name, value in row.items() if name != "changed"}
        for row in params_rows(rounds)
        if row["changed"] and not row["param"].startswith(_SAID_BY_THE_ROUND)
    ]


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
