"""The different responses of each query, in the order in which they are kept.

Guarantees: no two candidates of a query have the same text, nor, where asked, the same reasoning; each says how many
rollouts gave it; equal candidates are told apart by a digest of seed and rollout, so row order does not matter.
Grain: one candidate.
"""

from __future__ import annotations

from hashlib import sha256

import polars as pl

from dast.building.diversity import diverse_ranks
from dast.building.equations import equations, reasoning
from dast.params.build import Build

_ORDER = ("query_id", "late", "n_given", "draw", "rollout_id")
_DESCENDING = (False, False, True, False, False)


def drawn(rows: pl.DataFrame, seed: int, by: str = "rollout_id") -> pl.DataFrame:
    """With `draw`: 16 hex digits by which the seed orders rows that nothing else tells apart."""
    # What `dast.prompts.digest([seed, id])` gives for an id of hex digits, without its JSON: a million in a second.
    draws = [sha256(f'[{seed},"{one}"]'.encode()).hexdigest()[:16] for one in rows[by]]
    return rows.with_columns(draw=pl.Series(draws, dtype=pl.String))


def right_candidates(rows: pl.DataFrame, settings: Build) -> pl.DataFrame:
    """Different right responses, the commonest or (`choose`) the least alike first.

    Args:
        rows: right rollouts that the guards passed, with `text`, `whole`, `draw` and `level`.
        settings: what counts as alike, and which responses come first.

    Returns:
        The columns of `rows`, of the first rollout that gave the response; `n_rows` and `n_texts`, the rollouts and
        different texts that it stands for; `n_alike`, those rollouts less the hinted ones, which were shown the way;
        `rank` in the query, from 0.
    """
    found = _told_apart(_with_counts(rows), "text").with_columns(n_texts=pl.lit(1, dtype=pl.UInt32))
    if settings.same_reasoning == "alike" or settings.choose == "diverse":
        found = found.with_columns(equations=equations(pl.col("text")))
    if settings.same_reasoning == "alike":
        found = _told_apart(found.with_columns(key=reasoning(pl.col("equations"), pl.col("text"))), "key")
    found = _ranked(found)
    if settings.choose == "diverse":
        level = pl.col("level").cast(pl.String)
        most = level.replace_strict(settings.keep.model_dump(), default=0, return_dtype=pl.Int32)
        found = diverse_ranks(found.with_columns(most=most)).drop("most")
    return found


def wrong_candidates(rows: pl.DataFrame) -> pl.DataFrame:
    """Different wrong responses, those given most often first, with the columns of `right_candidates`."""
    return _ranked(_told_apart(_with_counts(rows), "text"))


def _with_counts(rows: pl.DataFrame) -> pl.DataFrame:
    """What each row stands for, and what puts it behind others: a hinted response was shown the way."""
    hinted = pl.col("step") == "hinted"
    return rows.with_columns(
        late=2 * hinted.cast(pl.Int8) + (~pl.col("whole")).cast(pl.Int8),
        n_given=(~hinted).cast(pl.UInt32),
        n_rows=pl.lit(1, dtype=pl.UInt32),
    )


def _told_apart(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    """One row for each value of `by` in a query: the first in order, with the counts of all."""
    counts = [name for name in ("n_given", "n_rows", "n_texts") if name in rows.columns]
    ordered = rows.sort(_ORDER, descending=_DESCENDING).with_row_index("at")
    groups = ordered.group_by("query_id", by).agg(pl.col("at").min(), *(pl.col(name).sum() for name in counts))
    return ordered.drop(counts).join(groups.select("at", *counts), on="at").drop("at")


def _ranked(found: pl.DataFrame) -> pl.DataFrame:
    ordered = found.sort(_ORDER, descending=_DESCENDING)
    rank = pl.int_range(pl.len(), dtype=pl.Int32).over("query_id")
    return ordered.with_columns(rank=rank, n_alike=pl.max_horizontal("n_given", 1).cast(pl.Int32))
