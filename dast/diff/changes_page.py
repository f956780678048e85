"""DVC's changes of params and metrics as blocks: the ones that a person wants first, or all.

Grain: one changed parameter or metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dast.diff.by_dvc import Changes
from dast.diff.page import Block, arrow, shown

_MOST_PARAMS = 8
"""Of the summary, which is to fit a screen."""
_MOST_METRICS = 6
_FIRST = ("pass@1", "greedy")
"""Measures that the summary shows, where there are any."""


def changes_block(kind: str, changes: Changes) -> Block:
    """Every change."""
    rows = [_row(kind.removesuffix("s"), name, change) for name, change in changes.items()]
    return Block(_heading(kind, changes), (), rows)


def changes_summary(kind: str, changes: Changes) -> Block:
    """A few of them."""
    if kind == "params":
        told = [f"{name} {arrow(change['old'], change['new'])}" for name, change in changes.items()]
        more = [f"and {len(told) - _MOST_PARAMS:,} more"] if len(told) > _MOST_PARAMS else []
        return Block(_heading(kind, changes), [*_filled([*told[:_MOST_PARAMS], *more])])
    first = [name for name in changes if name.endswith(_FIRST) and "evaluate." in name] or list(changes)[:_MOST_METRICS]
    rows = [_row("metric", name.replace("evaluate.", ""), changes[name]) for name in first]
    return Block(_heading(kind, changes), (), rows)


def _heading(kind: str, changes: Changes) -> str:
    return f"{kind.capitalize()}: {f'{len(changes):,} differ' if changes else 'the same'}"


def _row(what: str, name: str, change: Mapping[str, Any]) -> dict[str, str]:
    old, new = change["old"], change["new"]
    row = {what: name, "before": shown(old), "after": shown(new)}
    if what == "param":
        return row
    both = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (old, new))
    return {**row, "change": f"{new - old:+.4g}" if both else "–"}


def _filled(parts: Iterable[str], width: int = 100) -> Iterator[str]:
    """Parts on as few lines as they fit on, none broken."""
    line = ""
    for part in parts:
        if line and len(line) + len(part) + 2 > width:
            yield f"{line};"
            line = part
        else:
            line = f"{line}; {part}" if line else part
    if line:
        yield line
