"""The wave of a further rollout, as it follows from its number, held against the waves that were really drawn."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from dast.engines.protocol import Item
from dast.params.augment import Augment
from dast.tracing.material import Material, Recorded
from dast.tracing.spending import turn
from tests.standings import augment_settings
from tests.test_augmentation import SAMPLED, augment


def material(settings: Augment) -> Material:
    return Material(
        *("r1", "base", "r1", {"augment": settings.model_dump()}),
        table=lambda name: pl.LazyFrame(),
        recorded=lambda name, row: Recorded(None, "", None, None),
    )


def seldom_right(item: Item) -> str:
    return "#### 4" if (item.sample_index + int(item.query_id[1:])) % 5 == 0 else "#### 5"


@pytest.mark.parametrize(
    ("strategy", "changes", "exact"),
    [
        ("dast", {}, True),
        ("dast", {"budget": {"per_query": 9.0}, "wave": 2}, True),
        ("uniform", {"wave": 3}, True),
        ("prop2diff", {}, True),
        ("dast_budget", {}, False),
        ("boundary", {}, False),
        ("dast", {"budget": {"unit": "tokens", "per_query": 70.0}, "decoding": {"max_new_tokens": 20}}, False),
    ],
)
def test_wave_of_every_further_rollout_is_the_one_it_was_drawn_in(
    strategy: str, changes: dict[str, Any], exact: bool
) -> None:
    settings = augment_settings(strategy=strategy, **{"budget": {"per_query": 14.0}, **changes})
    work, added = augment(seldom_right, settings)
    everything = pl.concat([SAMPLED, added])
    n_told = 0
    for number, wave in enumerate(work.kept, start=1):
        for rollout in wave.iter_rows(named=True):
            own = everything.filter(query_id=rollout["query_id"])
            told = turn(material(settings), own, rollout)
            assert told is not None
            assert told["wave_is_exact"] == exact
            assert told["wave"] == number if exact else told["wave"] <= number
            n_told += 1
    assert n_told == added.height
    assert n_told > 0 or strategy == "boundary"


def test_wave_of_a_plain_rollout_is_none() -> None:
    own = SAMPLED.filter(query_id="q000")
    assert turn(material(augment_settings()), own, own.row(0, named=True)) is None
