"""Difficulty-matched exemplars: length control (DAST-L).

A query's exemplars are solved queries of its own level, their solutions taken around a quantile of that level's lengths
that is higher for harder levels, so that the model is shown longer work where more work is needed. Never the query
itself, never a test query. How the paper matches exemplars is not known; this rule is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from dast.params.augment import Exemplars
from dast.prompts import Solved, digest
from dast.queries import normalise
from dast.tables import LEVELS

_WINDOW_PER_EXEMPLAR = 8
"""Candidates looked at for one exemplar: enough for variety, few enough to keep to the length asked for."""


@dataclass(frozen=True)
class Candidate:
    """A solved query that may serve as exemplar."""

    query_id: str
    query: str
    solution: str
    key: str
    """Normalised text of the query: what two queries are told apart by."""


class Shelf:
    """The exemplars on hand, by level."""

    def __init__(self, by_level: Mapping[str, Sequence[Candidate]], settings: Exemplars, seed: int) -> None:
        self._by_level = {
            level: sorted(found, key=lambda one: (len(one.solution), one.query_id)) for level, found in by_level.items()
        }
        self._settings, self._seed = settings, seed

    def matched(self, query_id: str, query: str, level: str) -> list[Solved]:
        """Up to `n_exemplars` solved queries for one query, the shortest first; empty when nothing fits."""
        own = normalise(query)
        for near in _nearest_levels(level):
            usable = [one for one in self._by_level.get(near, ()) if one.query_id != query_id and one.key != own]
            if usable:
                chosen = self._around_quantile(usable, level, query_id)
                return [(one.query, one.solution) for one in sorted(chosen, key=lambda one: len(one.solution))]
        return []

    def _around_quantile(self, usable: Sequence[Candidate], level: str, query_id: str) -> Sequence[Candidate]:
        wanted = self._settings.n_exemplars
        width = min(len(usable), wanted * _WINDOW_PER_EXEMPLAR)
        middle = round(self._settings.length_quantile.at(level) * (len(usable) - 1))
        start = min(max(0, middle - width // 2), len(usable) - width)
        window = usable[start : start + width]
        return sorted(window, key=lambda one: digest([self._seed, query_id, one.query_id]))[:wanted]


def shelf_of(
    solved: pl.DataFrame,
    queries: pl.DataFrame,
    difficulty: pl.DataFrame,
    tests: pl.DataFrame,
    settings: Exemplars,
    seed: int,
) -> Shelf:
    """The shelf of an SFT table: one candidate a query (its longest solution that fits), test queries left out.

    Args:
        solved: the policy's own SFT rows, or the reference solutions (SFT).
        queries: train queries (QUERIES).
        difficulty: levels of the round that `levels` names (DIFFICULTY).
        tests: every test query (TEST_QUERIES); none of them becomes an exemplar.
        settings: length control.
        seed: breaks ties.
    """
    rows = (
        solved.select("query_id", solution=pl.col("completion").list.first().struct.field("content"))
        .join(queries.select("query_id", "query"), on="query_id")
        .join(difficulty.select("query_id", "level"), on="query_id")
        .filter(pl.col("level").is_not_null())
        .filter(pl.col("solution").str.len_chars() + pl.col("query").str.len_chars() <= settings.max_exemplar_chars)
        .sort(pl.col("solution").str.len_chars(), "query_id", "solution", descending=[True, False, False])
        .unique("query_id", keep="first", maintain_order=True)
    )
    forbidden = {normalise(query) for query in tests.get_column("query")}
    by_level: dict[str, list[Candidate]] = {}
    for row in rows.iter_rows(named=True):
        key = normalise(row["query"])
        if key not in forbidden:
            candidate = Candidate(row["query_id"], row["query"], row["solution"], key)
            by_level.setdefault(row["level"], []).append(candidate)
    return Shelf(by_level, settings, seed)


def _nearest_levels(level: str) -> list[str]:
    at = LEVELS.index(level)
    return sorted(LEVELS, key=lambda other: (abs(LEVELS.index(other) - at), -LEVELS.index(other)))
