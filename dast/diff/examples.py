"""A few examples of every kind of change, to read.

Guarantees: the first by query id, a digest, so they are nobody's choice and the same on every machine. Grain: one
query, or one training row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from dast.diff.material import Material
from dast.diff.queries import PLAIN_STEP, kinds

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


def row_examples(
    first: Material, second: Material, rows: Mapping[str, pl.DataFrame], n: int
) -> dict[str, list[dict[str, Any]]]:
    """By kind, `rows`' names with each one's reason: query_id, query, answer, level and text of training rows."""
    parts = {
        f"{kind}_{reason}" if reason else kind: part.sort("query_id", "text").head(n)
        for kind, found in rows.items()
        for reason, part in _by_reason(found)
    }
    texts = _texts(first, second)
    return {
        kind: part.lazy()
        .join(texts, on="query_id", how="left")
        .sort("query_id", "text")
        .select("query_id", "query", "answer", "level", "text")
        .collect()
        .to_dicts()
        for kind, part in parts.items()
    }


def _by_reason(rows: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    if "reason" not in rows.columns:
        return [("", rows)]
    return [(reason, rows.filter(pl.col("reason") == reason)) for reason in sorted(rows["reason"].unique())]


def _texts(first: Material, second: Material) -> pl.LazyFrame:
    return pl.concat([second.queries, first.queries]).unique("query_id", keep="first", maintain_order=True)


def _responses(side: Material, ids: pl.DataFrame, mark: str) -> pl.LazyFrame:
    plain = side.rollouts.filter(pl.col("step") == PLAIN_STEP).join(ids.lazy(), on="query_id", how="semi")
    ordered = plain.sort(pl.col("verdict") != "correct", "text")
    return ordered.group_by("query_id").agg(
        pl.col("text").first().alias(f"response_{mark}"), pl.col("verdict").first().alias(f"verdict_{mark}")
    )
