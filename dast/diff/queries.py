"""How queries moved between two rounds: levels, solved and lost, and which queries have an answer.

Guarantees: levels are those of plain rollouts, as `score` gave them; every query of either side is in the matrix once.
Grain: one row a query.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from dast.diff.keyed import SELF, Keyed
from dast.tables import LEVELS

NONE = "none"
"""A query that has no level: no rollout of it could be graded."""
ABSENT = "absent"
"""A query that the other side alone has."""
STANDINGS = (*LEVELS, NONE, ABSENT)

SOLVED = LEVELS[:-1]
UNSOLVED = LEVELS[-1]


def moved(first: Keyed, second: Keyed) -> pl.DataFrame:
    """query_id, level_a, level_b of every query that has a difficulty on either side, by query_id."""
    sides = [
        one.levels.select("query_id", pl.col("level").fill_null(NONE).alias(name))
        for one, name in ((first, "level_a"), (second, "level_b"))
    ]
    joined = sides[0].join(sides[1], on="query_id", how="full", coalesce=True)
    return joined.with_columns(pl.col("level_a", "level_b").fill_null(ABSENT)).sort("query_id")


def matrix(moves: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Queries by the first side's level and the second's; levels that neither side has are left out."""
    counts = {(a, b): n for a, b, n in moves.group_by("level_a", "level_b").len().iter_rows()}
    present = [level for level in STANDINGS if any(level in pair for pair in counts)]
    return {a: {b: counts.get((a, b), 0) for b in present} for a in present}


def kinds() -> dict[str, pl.Expr]:
    """What may become of a query's level, each an expression over `moved`; the first four do not overlap."""
    rank = {level: place for place, level in enumerate(LEVELS)}
    before, after = (
        pl.col(name).replace_strict(rank, default=None, return_dtype=pl.Int8) for name in ("level_a", "level_b")
    )
    solved = pl.col("level_a").eq(UNSOLVED) & pl.col("level_b").is_in(SOLVED)
    lost = pl.col("level_a").is_in(SOLVED) & pl.col("level_b").eq(UNSOLVED)
    return {
        "newly_solved": solved,
        "newly_lost": lost,
        "easier": (after < before).fill_null(value=False) & ~solved,
        "harder": (after > before).fill_null(value=False) & ~lost,
        "same_level": pl.col("level_a").eq(pl.col("level_b")),
        "only_in_a": pl.col("level_b").eq(ABSENT),
        "only_in_b": pl.col("level_a").eq(ABSENT),
    }


def counted(moves: pl.DataFrame) -> dict[str, int]:
    """Queries of each kind of `kinds`, and all."""
    sums = moves.select(n_queries=pl.len(), **{name: found.sum() for name, found in kinds().items()})
    return {name: int(value) for name, value in sums.row(0, named=True).items()}


def coverage(side: Keyed) -> dict[str, Any]:
    """How many queries have a right answer: by a plain rollout, by any, among the training rows; and the shares.

    `n_with_row` counts reference solutions too, `n_with_own_row` the policy's own responses alone.
    """
    right = side.rollouts.filter("right")
    parts = {
        "n_solved_plain": right.filter("plain"),
        "n_solved": right,
        "n_with_own_row": side.sft.filter(pl.col("origin") == SELF),
        "n_with_row": side.sft,
    }
    n_queries = side.queries.height
    counts = {name: rows["query_id"].n_unique() for name, rows in parts.items()}
    shares = {
        f"{name.removeprefix('n_')}_rate": count / n_queries if n_queries else None for name, count in counts.items()
    }
    return {"n_queries": n_queries, **counts, **shares}
