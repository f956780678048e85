"""Markdown that people read: tables, verbatim text, numbers.

Guarantees: text of the data cannot break out of a table cell or a verbatim block. Grain: one block a call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

NONE = "–"


def number(value: float | None, digits: int = 0) -> str:
    """With thousands separators; a dash for None."""
    return NONE if value is None else f"{value:,.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share between 0 and 1 as percent; a dash for None."""
    return NONE if value is None else f"{100 * value:.{digits}f} %"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table with the first row's keys as its header; every cell as text. Empty for no rows."""
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([str(row[name]) for name in rows[0]] for row in rows)]
    return "\n".join(f"| {' | '.join(_cell(field) for field in line)} |" for line in lines)


def verbatim(text: str, language: str = "") -> str:
    """A fenced block; the fence is longer than any run of backticks in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def code(text: str) -> str:
    """Text of the data within a line: its white space as single spaces, its backticks inside a longer fence."""
    flat = " ".join(text.split())
    fence = "`" * (max((len(run) for run in re.findall(r"`+", flat)), default=0) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
