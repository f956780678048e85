"""Why a query had further rollouts: its level with the interval, what it wanted and might have, and the wave.

The wave of a rollout is not in the tables, and follows from its number. A strategy that gives everybody who is short
`wave` rollouts in every wave gives a query its n-th further rollout in wave (n - 1) // `wave` + 1; of other strategies,
and of a budget in tokens, which may cut a wave short, that is the earliest wave. Grain: one query, or one rollout.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from dast.allocation.registry import strategy_of
from dast.params.augment import Augment
from dast.params.sections import Difficulty
from dast.tracing.material import Material

Told = dict[str, Any]

_ALL_AT_ONCE = ("uniform", "prop2diff", "dast")
"""Strategies that serve everybody who is short in every wave (`quota_wave`)."""


def level(material: Material, query_id: str) -> Told | None:
    """The query's difficulty, with the interval of its pass rate; None where nothing was estimated."""
    found = material.table("difficulty").filter(query_id=query_id).collect()
    if found.is_empty():
        return None
    interval = material.section("difficulty", Difficulty).interval
    return {"round": material.levels, **found.row(0, named=True), "interval": interval}


def allocation(material: Material, query_id: str) -> Told | None:
    """What the query wanted, might have, was given and gave; None where the round has no row for it."""
    found = material.table("allocation").filter(query_id=query_id).collect()
    if found.is_empty():
        return None
    settings = material.section("augment", Augment)
    named = {"strategy": settings.strategy, "formula": strategy_of(settings).formula}
    budget = {"budget": settings.budget.model_dump(), "wave_size": settings.wave}
    return {**named, **budget, **found.row(0, named=True)}


def turn(material: Material, rollouts: pl.DataFrame, rollout: Mapping[str, Any]) -> Told | None:
    """Where a further rollout stood among its query's; None for a plain one, which no one allocates.

    Args:
        material: The round.
        rollouts: All of the query (GRADED).
        rollout: One of them.
    """
    if rollout["step"] == "sample":
        return None
    before = rollouts.filter(pl.col("sample_index") < rollout["sample_index"])
    got = before.filter(pl.col("verdict") == "correct", pl.col("step") != "hinted").height
    n_earlier = before.filter(pl.col("step") != "sample").height
    n_further = rollouts.filter(pl.col("step") != "sample").height
    settings = material.section("augment", Augment)
    exact = settings.strategy in _ALL_AT_ONCE and settings.budget.unit == "rollouts" and rollout["step"] != "hinted"
    wave = {"wave": n_earlier // settings.wave + 1, "wave_is_exact": exact}
    return {
        "step": rollout["step"],
        "nth": n_earlier + 1,
        "of": n_further,
        "n_before": before.height,
        "got": got,
        **wave,
    }
