"""Which training rows of one round the other has too, and why it does not have the rest.

A row is the same where query and text are the same: rollout ids name the policy, so those of two rounds never are.

Guarantees: kept and dropped rows add up to the first side's, kept and added ones to the second's, as long as no side
holds a text twice; each row that is not shared has one reason. Grain: one row a training row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from dast.diff.keyed import SELF, Keyed
from dast.tables import LEVELS

REASONS = {
    "no_query": "the other side has no such query",
    "reference": "a reference solution that the other side does not take",
    "not_sampled": "its policy did not write this response",
    "not_correct": "it wrote it, and it was not graded correct",
    "not_chosen": "it wrote it, correct, and another response was chosen, or a guard left it out",
}
"""Why the other side lacks a row; the first that holds."""

ROW = ["key", "origin"]


@dataclass(frozen=True)
class Fates:
    """What became of the SFT rows of both sides: each with the columns of `Keyed.sft`."""

    kept: pl.DataFrame
    """As the first side has them."""
    dropped: pl.DataFrame
    """With `reason`."""
    added: pl.DataFrame
    """With `reason`."""


def fates(first: Keyed, second: Keyed) -> Fates:
    """Every row of either side once."""
    kept = first.sft.join(second.sft, on=ROW, how="semi")
    return Fates(kept, _unshared(first, second), _unshared(second, first))


def _unshared(side: Keyed, other: Keyed) -> pl.DataFrame:
    """Rows of `side` that `other` lacks, with `reason`."""
    alone = side.sft.join(other.sft, on=ROW, how="anti")
    written = other.rollouts.select("key", "right").join(alone, on="key", how="semi")
    verdicts = written.group_by("key").agg(pl.col("right").any())
    known = other.queries.select("query_id", known=pl.lit(value=True))
    reason = (
        pl.when(pl.col("known").is_null())
        .then(pl.lit("no_query"))
        .when(pl.col("origin") != SELF)
        .then(pl.lit("reference"))
        .when(pl.col("right").is_null())
        .then(pl.lit("not_sampled"))
        .when(pl.col("right"))
        .then(pl.lit("not_chosen"))
        .otherwise(pl.lit("not_correct"))
    )
    joined = alone.join(known, on="query_id", how="left").join(verdicts, on="key", how="left")
    return joined.with_columns(reason=reason).drop("known", "right")


def sft_counts(first: Keyed, second: Keyed, found: Fates) -> dict[str, Any]:
    """Rows of both, kept, added and dropped, and the reasons; `overlap_rate` is kept over all different rows."""
    heights = (found.kept.height, found.added.height, found.dropped.height)
    return {
        **_counts(first.sft.height, second.sft.height, *heights),
        "dropped": _by_reason(found.dropped),
        "added": _by_reason(found.added),
    }


def dpo_counts(first: Keyed, second: Keyed) -> dict[str, Any]:
    """Pairs of both, kept, added and dropped; a pair is the same by both its texts."""
    kept = first.dpo.join(second.dpo, on="key", how="semi").height
    added = second.dpo.join(first.dpo, on="key", how="anti").height
    return _counts(first.dpo.height, second.dpo.height, kept, added, first.dpo.height - kept)


def by_level(first: Keyed, second: Keyed, found: Fates) -> list[dict[str, Any]]:
    """One row a level: rows of both sides by each one's own levels, kept ones by the first's, and lengths.

    `mean_tokens` are those of correct plain rollouts by the round's own levels, `mean_chars` those of the policy's own
    training rows.
    """
    sides = {"a": first, "b": second}
    counts = {
        **{f"n_rows_{mark}": _len_by_level(side.sft) for mark, side in sides.items()},
        **{f"n_{end}": _len_by_level(getattr(found, end)) for end in ("kept", "added", "dropped")},
    }
    means = {
        **{f"mean_chars_{mark}": _chars_by_level(side) for mark, side in sides.items()},
        **{f"mean_tokens_{mark}": _tokens_by_level(side) for mark, side in sides.items()},
    }
    present = {level for part in (*counts.values(), *means.values()) for level in part}
    return [
        {
            "level": level or "none",
            **{name: part.get(level, 0) for name, part in counts.items()},
            **{name: part.get(level) for name, part in means.items()},
        }
        for level in (*LEVELS, None)
        if level in present
    ]


def _counts(n_a: int, n_b: int, n_kept: int, n_added: int, n_dropped: int) -> dict[str, Any]:
    n_all = n_kept + n_added + n_dropped
    counts = {"n_a": n_a, "n_b": n_b, "n_kept": n_kept, "n_added": n_added, "n_dropped": n_dropped}
    return {**counts, "overlap_rate": n_kept / n_all if n_all else None}


def _len_by_level(rows: pl.DataFrame) -> dict[str | None, Any]:
    return dict(rows.group_by("level").len().iter_rows())


def _chars_by_level(side: Keyed) -> dict[str | None, Any]:
    own = side.sft.filter(pl.col("origin") == SELF)
    return dict(own.group_by("level").agg(pl.col("n_chars").mean()).iter_rows())


def _tokens_by_level(side: Keyed) -> dict[str | None, Any]:
    plain = side.rollouts.filter("right", "plain").join(side.levels, on="query_id")
    return dict(plain.group_by("level").agg(pl.col("n_tokens").mean()).iter_rows())


def _by_reason(rows: pl.DataFrame) -> dict[str, int]:
    counts = dict(rows.group_by("reason").len().iter_rows())
    return {reason: int(counts[reason]) for reason in REASONS if reason in counts}
