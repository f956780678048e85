"""Which training rows of one round the other has too, and why it does not have the rest.

A row is the same where query and text are the same: rollout ids name the policy, so those of two rounds never are.

Guarantees: kept and dropped rows add up to the first side's, kept and added ones to the second's, as long as no side
holds a text twice; each row that is not shared has one reason. Grain: one row a training row.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from dast.diff.material import Material
from dast.tables import LEVELS

REASONS = {
    "no_query": "the other side has no such query",
    "reference": "a reference solution that the other side does not take",
    "not_sampled": "its policy did not write this response",
    "not_correct": "it wrote it, and it was not graded correct",
    "not_chosen": "it wrote it, correct, and another response was chosen, or a guard left it out",
}
"""Why the other side lacks a row; the first that holds."""

ROW = ["query_id", "origin", "text"]
PAIR = ["query_id", "chosen", "rejected"]


def unshared(side: Material, other: Material) -> pl.LazyFrame:
    """SFT rows of `side` that `other` lacks: query_id, level, origin, text, reason."""
    alone = side.sft.join(other.sft.select(ROW), on=ROW, how="anti").with_row_index("row")
    known = other.queries.select("query_id").with_columns(known=pl.lit(value=True))
    written = other.rollouts.select("query_id", "text", right=pl.col("verdict") == "correct")
    found = (
        alone.select("row", "query_id", "text")
        .join(written, on=["query_id", "text"])
        .group_by("row")
        .agg(pl.col("right").any())
    )
    reason = (
        pl.when(pl.col("known").is_null())
        .then(pl.lit("no_query"))
        .when(pl.col("origin") == "reference")
        .then(pl.lit("reference"))
        .when(pl.col("right").is_null())
        .then(pl.lit("not_sampled"))
        .when(pl.col("right"))
        .then(pl.lit("not_chosen"))
        .otherwise(pl.lit("not_correct"))
    )
    joined = alone.join(known, on="query_id", how="left").join(found, on="row", how="left")
    return joined.select("query_id", "level", "origin", "text", reason=reason)


def shared(first: Material, second: Material) -> pl.LazyFrame:
    """SFT rows of the first side that the second has too: query_id, level, origin, text."""
    return first.sft.join(second.sft.select(ROW), on=ROW, how="semi")


def sft_counts(first: Material, second: Material, dropped: pl.DataFrame, added: pl.DataFrame) -> dict[str, Any]:
    """Rows of both, kept, added and dropped, and the reasons; `overlap_rate` is kept over all different rows."""
    n_a, n_b, n_kept = _heights(first.sft, second.sft, shared(first, second))
    n_all = n_kept + dropped.height + added.height
    return {
        "n_a": n_a,
        "n_b": n_b,
        "n_kept": n_kept,
        "n_added": added.height,
        "n_dropped": dropped.height,
        "overlap_rate": n_kept / n_all if n_all else None,
        "dropped": _by_reason(dropped),
        "added": _by_reason(added),
    }


def dpo_counts(first: Material, second: Material) -> dict[str, Any]:
    """Pairs of both, kept, added and dropped."""
    sides = [side.dpo.select(PAIR) for side in (first, second)]
    n_a, n_b, n_kept, n_added = _heights(
        *sides, sides[0].join(sides[1], on=PAIR, how="semi"), sides[1].join(sides[0], on=PAIR, how="anti")
    )
    n_all = n_kept + (n_a - n_kept) + n_added
    return {
        "n_a": n_a,
        "n_b": n_b,
        "n_kept": n_kept,
        "n_added": n_added,
        "n_dropped": n_a - n_kept,
        "overlap_rate": n_kept / n_all if n_all else None,
    }


def by_level(first: Material, second: Material, dropped: pl.DataFrame, added: pl.DataFrame) -> list[dict[str, Any]]:
    """One row a level: rows of both sides by each one's own levels, kept ones of the first's, and lengths.

    `mean_tokens` are those of correct plain rollouts by the round's own levels, `mean_chars` those of the policy's own
    training rows.
    """
    told: dict[str, dict[str, Any]] = {level: {} for level in LEVELS}
    for mark, side in (("a", first), ("b", second)):
        for row in pl.concat(pl.collect_all([_rows_by_level(side), _tokens_by_level(side)]), how="align").to_dicts():
            values = {f"{key}_{mark}": value for key, value in row.items() if key != "level"}
            told.setdefault(row["level"] or "none", {}).update(values)
    for name, rows in (("n_kept", shared(first, second).collect()), ("n_dropped", dropped), ("n_added", added)):
        for level, count in rows.group_by("level").len().iter_rows():
            told.setdefault(level or "none", {})[name] = count
    names = dict.fromkeys(key for row in told.values() for key in row)
    counts = {name for name in names if name.startswith("n_")}
    empty = {name: 0 if name in counts else None for name in names}
    return [{"level": level, **empty, **_known(row)} for level, row in told.items() if row]


def _known(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None}


def _rows_by_level(side: Material) -> pl.LazyFrame:
    own = pl.col("text").filter(pl.col("origin") == "self")
    return side.sft.group_by("level").agg(n_rows=pl.len(), mean_chars=own.str.len_chars().mean())


def _tokens_by_level(side: Material) -> pl.LazyFrame:
    plain = side.rollouts.filter(pl.col("verdict") == "correct", pl.col("step") == "sample")
    levelled = plain.select("query_id", "n_tokens").join(side.difficulty.select("query_id", "level"), on="query_id")
    return levelled.group_by("level").agg(mean_tokens=pl.col("n_tokens").mean())


def _by_reason(rows: pl.DataFrame) -> dict[str, int]:
    counts = dict(rows.group_by("reason").len().iter_rows())
    return {reason: int(counts[reason]) for reason in REASONS if reason in counts}


def _heights(*frames: pl.LazyFrame) -> list[int]:
    return [int(frame.item()) for frame in pl.collect_all([frame.select(pl.len()) for frame in frames])]
