"""Counts and means of what was built: by level, by step, of the mix and of the pairs.

Guarantees: a mean over nothing is None, never 0. Grain: one row a level, or one object a set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from dast.errors import DataError
from dast.params.build import Build
from dast.tables import LEVELS
from dast.tiny.world import steps_right

Figures = dict[str, Any]


def level_rows(rows: pl.DataFrame, pairs: pl.DataFrame, settings: Build) -> list[Figures]:
    """One row a level: rows of both sets, the share asked for and got, lengths, luck, and the pairs' length bias.

    Args:
        rows: rows of the SFT set, with `query`, `response` and, where known, `n_tokens`.
        pairs: rows of the DPO set, with `chosen_text`, `rejected_text`, `chosen_tokens`, `rejected_tokens`.
        settings: what was asked for.
    """
    parts = [(level, rows.filter(level=level), pairs.filter(level=level)) for level in LEVELS]
    return [
        {
            "level": level,
            "n_self": mine.filter(origin="self").height,
            "n_reference": mine.filter(origin="reference").height,
            "asked_rate": settings.level_rates.at(level) if settings.level_rates else None,
            "got_rate": mine.height / rows.height if rows.height else None,
            **_lengths(mine.filter(origin="self")),
            "lucky_rate": lucky_rate(list(mine.filter(origin="self").select("query", "response").iter_rows())),
            "n_pairs": paired.height,
            **length_bias(paired),
        }
        for level, mine, paired in parts
    ]


def accepted(right: pl.DataFrame) -> Figures:
    """Correct responses that the guards passed, by level and step: how many and how long, before any is chosen."""
    groups = right.group_by("level", "step").agg(
        n=pl.len(), mean_tokens=pl.col("n_tokens").mean(), mean_chars=pl.col("response").str.len_chars().mean()
    )
    found: Figures = {}
    for row in groups.sort("level", "step").iter_rows(named=True):
        found.setdefault(row.pop("level") or "none", {})[row.pop("step")] = row
    return found


def length_bias(pairs: pl.DataFrame) -> Figures:
    """By how much the chosen responses are longer than the rejected ones, and how often."""
    chars = pl.col("chosen_text").str.len_chars().cast(pl.Int64) - pl.col("rejected_text").str.len_chars()
    tokens = pl.col("chosen_tokens") - pl.col("rejected_tokens")
    means = pairs.select(bias_chars=chars.mean(), bias_tokens=tokens.mean(), chosen_longer_rate=(chars > 0).mean())
    return means.row(0, named=True)


def lucky_rate(kept: Sequence[tuple[str, str]]) -> float | None:
    """Share of kept (query, response) pairs with a wrong step; None where the steps are not known (real queries)."""
    verdicts = [_steps_right(query, response) for query, response in kept]
    known = [right for right in verdicts if right is not None]
    return sum(not right for right in known) / len(known) if known else None


def mix(rows: pl.DataFrame, settings: Build) -> Figures:
    """Shares asked for and got in the SFT set; no level rates asked for is None."""
    share: Mapping[str, int] = dict(rows["origin"].cast(pl.String).value_counts().iter_rows())
    got = share.get("reference", 0) / rows.height if rows.height else None
    by_level = dict(rows["level"].cast(pl.String).fill_null("none").value_counts().sort("level").iter_rows())
    return {
        "reference": {"asked": settings.reference_rate, "got": got},
        "levels": {
            "asked": settings.level_rates.model_dump() if settings.level_rates else None,
            "got": {level: count / rows.height for level, count in by_level.items()},
        },
    }


def _lengths(rows: pl.DataFrame) -> Figures:
    means = rows.select(mean_chars=pl.col("response").str.len_chars().mean(), mean_tokens=pl.col("n_tokens").mean())
    return means.row(0, named=True)


def _steps_right(query: str, response: str) -> bool | None:
    try:
        return steps_right(query, response)
    except DataError:  # not a query of the built-in generator
        return None
