"""A few examples of every kind of change, to read.

Guarantees: the first by query id, a digest, so they are nobody's choice. Grain: one
query, or one training row.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from dast.diff.keyed import text_key
from dast.diff.material import PLAIN_STEP, Material
from dast.diff.queries import kinds
from dast.diff.rows import REASONS, Fates

QUERY_KINDS = ("newly_solved", "newly_lost", "easier", "harder")


def query_examples(first: Material, second: Material, moves: pl.DataFrame, n: int) -> dict[str, list[dict[str, Any]]]:
    """By kind: query_id, query, answer, both levels, and a plain response of each side, a correct one if there is one.

    Args:
        first: Tables of the first side.
        second: Of the second.
        moves: `moved` of both.
        n: Most examples a kind.
    """
    found = {kind: moves.filter(kinds()[kind]).head(n) for kind in QUERY_KINDS}
    ids = pl.concat([rows.select("query_id") for rows in found.values()])
    told = ids.lazy().join(_texts(first, second), on="query_id", how="left")
    for mark, side in (("a", first), ("b", second)):
        told = told.join(_responses(side, ids, mark), on="query_id", how="left")
    about = told.unique("query_id").collect()
    return {
        kind: rows.join(about, on="query_id", how="left").sort("query_id").to_dicts() for kind, rows in found.items()
    }


def row_examples(first: Material, second: Material, found: Fates, n: int) -> dict[str, list[dict[str, Any]]]:
    """By kind, and by reason where rows have one: query_id, query, answer, level and text of training rows."""
    parts = {"kept": (first, found.kept)}
    for end, side, rows in (("dropped", first, found.dropped), ("added", second, found.added)):
        reasons = [reason for reason in REASONS if reason in rows["reason"].unique()]
        parts |= {f"{end}_{reason}": (side, rows.filter(pl.col("reason") == reason)) for reason in reasons}
    texts = _texts(first, second)
    return {kind: _rows(side, rows.sort("query_id", "key").head(n), texts) for kind, (side, rows) in parts.items()}


def _rows(side: Material, rows: pl.DataFrame, texts: pl.LazyFrame) -> list[dict[str, Any]]:
    # First by query, which needs no text to be read for its key.
    near = side.sft.filter(pl.col("query_id").is_in(rows["query_id"].implode()))
    whole = near.with_columns(key=text_key("text")).join(rows.lazy(), on=["key", "origin"], how="semi")
    told = whole.join(texts, on="query_id", how="left").sort("query_id", "text")
    return told.select("query_id", "query", "answer", "level", "text").collect().to_dicts()


def _texts(first: Material, second: Material) -> pl.LazyFrame:
    return pl.concat([second.queries, first.queries]).unique("query_id", keep="first", maintain_order=True)


def _responses(side: Material, ids: pl.DataFrame, mark: str) -> pl.LazyFrame:
    plain = side.rollouts.filter(pl.col("query_id").is_in(ids["query_id"].implode()), pl.col("step") == PLAIN_STEP)
    ordered = plain.sort(pl.col("verdict") != "correct", "text")
    return ordered.group_by("query_id").agg(
        pl.col("text").first().alias(f"response_{mark}"), pl.col("verdict").first().alias(f"verdict_{mark}")
    )
