"""The tables of a round that a comparison reads, unread until they are needed.

Guarantees: a table that no stage has written is empty, and is named in `missing`. Grain: as the tables'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import polars as pl

from dast import tables
from dast.diff.files import Tree
from dast.tables import Table

PLAIN_STEP = "sample"
"""Step of the plain rollouts, the only ones that estimates are made from."""

_ROLLOUT = ("query_id", "step", "verdict", "response", "n_tokens")
_WANTED: Mapping[str, tuple[Table, tuple[str, ...]]] = {
    "difficulty": (tables.DIFFICULTY, ("query_id", "level", "pass_rate")),
    "graded": (tables.GRADED, _ROLLOUT),
    "augmented": (tables.GRADED, _ROLLOUT),
    "sft": (tables.SFT, ("query_id", "level", "origin", "completion")),
    "dpo": (tables.DPO, ("query_id", "chosen", "rejected")),
}
_QUERIES = (tables.QUERIES, ("query_id", "query", "answer"))


@dataclass(frozen=True)
class Material:
    """One side's tables."""

    queries: pl.LazyFrame
    """query_id, query, answer."""
    difficulty: pl.LazyFrame
    """query_id, level, pass_rate."""
    rollouts: pl.LazyFrame
    """query_id, step, verdict, text, n_tokens: `sample`'s and the augmentation's."""
    sft: pl.LazyFrame
    """query_id, level, origin, text."""
    dpo: pl.LazyFrame
    """query_id, chosen, rejected (texts)."""
    missing: tuple[str, ...]
    """Tables that no stage has written."""


def material(tree: Tree, data: PurePosixPath, queries: PurePosixPath, name: str) -> Material:
    """The tables of the round `name`.

    Args:
        tree: Where they are.
        data: Folder of the rounds' tables, below the root.
        queries: Table of the train queries, below the root.
        name: The round.

    Raises:
        CommandError: a table that was written is neither in the working tree nor in DVC's cache.
    """
    found = {one: tree.scan(table, data / name / f"{one}.parquet", wanted) for one, (table, wanted) in _WANTED.items()}
    known = {one: _empty(*_WANTED[one]) if rows is None else rows for one, rows in found.items()}
    asked = tree.scan(_QUERIES[0], queries, _QUERIES[1])
    return Material(
        queries=_empty(*_QUERIES) if asked is None else asked,
        difficulty=_as_text(known["difficulty"], "level"),
        rollouts=_as_text(pl.concat([known["graded"], known["augmented"]]), "step", "verdict").rename(
            {"response": "text"}
        ),
        sft=_as_text(known["sft"], "level", "origin").select("query_id", "level", "origin", text=_said("completion")),
        dpo=known["dpo"].select("query_id", chosen=_said("chosen"), rejected=_said("rejected")),
        missing=tuple(one for one, rows in {**found, "queries": asked}.items() if rows is None),
    )


def _empty(table: Table, columns: tuple[str, ...]) -> pl.LazyFrame:
    return pl.LazyFrame(schema={name: table.schema[name] for name in columns})


def _as_text(rows: pl.LazyFrame, *columns: str) -> pl.LazyFrame:
    # The categories of an Enum may differ between versions of the project.
    return rows.with_columns(pl.col(columns).cast(pl.String))


def _said(column: str) -> pl.Expr:
    """The last message's text."""
    return pl.col(column).list.last().struct.field("content")
