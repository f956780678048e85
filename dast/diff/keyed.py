"""A side's tables without their texts: what counting needs, in memory.

A text is known by 64 bits of it and of its query. Two of a million texts are then taken for one with a probability of
3e-8, and a join of a million rows takes a second and not a minute.

Guarantees: nothing but keys, levels, lengths and verdicts is held. Grain: as the tables'.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from dast.diff.material import PLAIN_STEP, Material

SELF = "self"
"""Origin of a response of the policy; the other one is a reference solution."""


@dataclass(frozen=True)
class Keyed:
    """One side."""

    queries: pl.DataFrame
    """query_id."""
    levels: pl.DataFrame
    """query_id, level."""
    rollouts: pl.DataFrame
    """query_id, key, right, plain, n_tokens."""
    sft: pl.DataFrame
    """query_id, key, level, origin, n_chars."""
    dpo: pl.DataFrame
    """key of both texts."""


def keyed(side: Material) -> Keyed:
    """Reads each table once."""
    parts = [
        side.queries.select("query_id"),
        side.difficulty.select("query_id", "level"),
        side.rollouts.select(
            "query_id",
            "n_tokens",
            key=text_key("text"),
            right=pl.col("verdict") == "correct",
            plain=pl.col("step") == PLAIN_STEP,
        ),
        side.sft.select("query_id", "level", "origin", key=text_key("text"), n_chars=pl.col("text").str.len_chars()),
        side.dpo.select(key=text_key("chosen") ^ pl.col("rejected").hash(2)),
    ]
    return Keyed(*(part.collect(engine="streaming") for part in parts))


def text_key(column: str) -> pl.Expr:
    """The key of a text of a query."""
    return pl.col("query_id").hash(0) ^ pl.col(column).hash(1)
