"""Blocks of a comparison, as text for a terminal or as Markdown for a pull request.

Guarantees: both say the same. Grain: one block: a heading, sentences, a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dast.markdown import table as markdown_table

Style = Literal["text", "md"]
_WIDEST = {False: 70, True: 400}
"""Characters of a cell in a terminal, of a table and of `tall` rows; a longer one is cut."""


@dataclass(frozen=True)
class Block:
    """One part of the page."""

    heading: str
    sentences: Sequence[str] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    deep: bool = False
    """A heading below another one."""
    tall: bool = False
    """Rows hold long texts: a terminal is given a line a cell."""


def rendered(title: str, blocks: Iterable[Block], style: Style) -> str:
    """The whole page, without a newline at its end."""
    parts = [f"# {title}" if style == "md" else title, *(_block(block, style) for block in blocks)]
    return "\n\n".join(part for part in parts if part)


def arrow(old: object, new: object) -> str:
    """A change on one line."""
    return f"{shown(old)} → {shown(new)}"


def shown(value: object) -> str:
    """A value for a person: six digits at most, thousands separated."""
    if isinstance(value, bool) or value is None:
        return "–" if value is None else str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _block(block: Block, style: Style) -> str:
    if style == "md":
        heading = f"{'###' if block.deep else '##'} {block.heading}"
        return "\n\n".join([heading, *block.sentences, *([markdown_table(block.rows)] if block.rows else [])])
    rows = _tall(block.rows) if block.tall else _aligned(block.rows)
    return "\n".join([block.heading, *(f"  {line}" for line in (*block.sentences, *rows))])


def _tall(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"{'- ' if place == 0 else '  '}{name}: {_cut(str(value), tall=True)}"
        for row in rows
        for place, (name, value) in enumerate(row.items())
    ]


def _aligned(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    cells = [list(map(str, rows[0])), *([_cut(str(row[name])) for name in rows[0]] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    texts = [_is_text(column[1:]) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if text else cell.rjust(width)
            for cell, width, text in zip(row, widths, texts, strict=True)
        ).rstrip()
        for row in cells
    ]


def _is_text(column: Sequence[str]) -> bool:
    return not all(cell == "–" or cell.lstrip("+-")[:1].isdigit() for cell in column)


def _cut(text: str, *, tall: bool = False) -> str:
    flat, most = " ".join(text.split()), _WIDEST[tall]
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"
