"""A set's mix: how many rows of each level stay, and which, where a share or a size is asked for.

Guarantees: shares are met to within a row by leaving rows out, never by repeating any, so the scarcest level sets the
size; a level without rows leaves its share to the others; of a query's rows those kept first leave last, so that as
many queries as can be stay. Grain: one row of a set.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

import polars as pl

from dast.params.build import LevelRates
from dast.tables import LEVELS

Level = str | None


def mixed(rows: pl.DataFrame, rates: LevelRates | None, most: int | None) -> pl.DataFrame:
    """The rows that stay.

    Args:
        rows: with `level`, `rank` in their query, and `draw`.
        rates: share of each level; None keeps the shares that the rows have.
        most: most rows; None for no limit.
    """
    have = dict(rows.group_by("level").len().iter_rows())
    quota = quotas(have, rates, most)
    ordered = rows.sort("rank", "draw", "query_id", "rollout_id")
    asked = pl.DataFrame(
        {"level": list(quota), "quota": list(quota.values())},
        schema={"level": rows.schema["level"], "quota": pl.Int64},
    )
    place = pl.int_range(pl.len()).over("level")
    kept = ordered.with_columns(place=place).join(asked, on="level", nulls_equal=True)
    return kept.filter(pl.col("place") < pl.col("quota")).drop("place", "quota")


def quotas(have: Mapping[Level, int], rates: LevelRates | None, most: int | None) -> dict[Level, int]:
    """Rows of each level that stay, by largest remainders; rows without a level have no share of given rates."""
    total = sum(have.values())
    if rates is None:
        asked = {level: Fraction(count) for level, count in have.items()}
    else:
        asked = {level: Fraction(str(rates.at(level))) for level in LEVELS if have.get(level)}
    whole = sum(asked.values())
    shares = {level: rate / whole for level, rate in asked.items() if rate}
    if rates is not None:
        total = min((math.floor(have[level] / share) for level, share in shares.items()), default=0)
    size = total if most is None else min(total, most)
    exact = {level: size * share for level, share in shares.items()}
    counts = {level: math.floor(number) for level, number in exact.items()}
    by_remainder = sorted(exact, key=lambda level: (counts[level] - exact[level], _place(level)))
    for level in by_remainder[: size - sum(counts.values())]:
        counts[level] += 1
    return counts


def _place(level: Level) -> int:
    return LEVELS.index(level) if level else len(LEVELS)
