"""Difficulty-matched exemplars: length control (DAST-L).

A query's exemplars are solved queries of its own level (of the nearest one where it has none), their solutions taken
around a quantile of that level's lengths that is higher for harder levels, so that the model is shown longer work where
more work is needed; among those any, or the most similar ones. How the paper matches exemplars is not known; this rule
is ours.

Guarantees: never the query itself, a test query, or a near-duplicate of either; the exemplars of a prompt fit the token
budget together; what may not serve is counted by reason in the log. The same for any row order.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import groupby

import polars as pl

from dast.alike import NearDuplicates, Similarity
from dast.params.ladder import Matched
from dast.policies.counting import TokenCounter
from dast.prompts import Solved, digest
from dast.queries import normalise
from dast.tables import LEVELS

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    """A solved query that may serve as exemplar; `n_tokens` are those of query and solution."""

    query_id: str
    query: str
    solution: str
    level: str
    n_tokens: int


class Shelf:
    """The exemplars on hand."""

    def __init__(self, candidates: Sequence[Candidate], settings: Matched, seed: int) -> None:
        self._settings, self._seed = settings, seed
        self._all = sorted(candidates, key=lambda one: (len(one.solution), one.query_id))
        self._by_level: dict[str, list[int]] = {level: [] for level in LEVELS}
        self._places: dict[str, int] = {}
        for index, one in enumerate(self._all):
            self._by_level[one.level].append(index)
            self._places[one.query_id] = index
        queries = [normalise(one.query) for one in self._all]
        self._near = NearDuplicates(queries, settings.near_duplicate)
        self._similarity = Similarity(queries) if settings.choose_by == "similarity" else None

    def matched(self, query_id: str, query: str, level: str) -> list[Solved]:
        """Up to `n_exemplars` solved queries for one query, the shortest first; empty when nothing fits."""
        own = normalise(query)
        refused = self._near.of(own) | {self._places.get(query_id, -1)}
        for near in _nearest_levels(level):
            window = self._around_quantile(self._by_level[near], refused, level)
            if window:
                chosen = self._within_budget(self._ranked(window, query_id, own))
                return [(one.query, one.solution) for one in chosen]
        return []

    def _around_quantile(self, served: Sequence[int], refused: Set[int], level: str) -> Sequence[int]:
        """Of the candidates that are not refused; looks at no more of them than it gives, however many there are."""
        gone = sorted(_places(refused, served))
        n_usable = len(served) - len(gone)
        width = min(n_usable, max(self._settings.n_candidates, self._settings.n_exemplars))
        middle = round(self._settings.length_quantile.at(level) * (n_usable - 1))
        start = min(max(0, middle - width // 2), n_usable - width)
        for at in gone:
            start += at <= start
        return [index for index in served[start : start + width + len(gone)] if index not in refused][:width]

    def _ranked(self, window: Sequence[int], query_id: str, own: str) -> Iterator[int]:
        """The most similar first; those that are equally so in the order of a digest, which is not known before."""
        likeness = dict.fromkeys(window, 0.0)
        if self._similarity is not None:
            likeness = self._similarity.to(own, window)
        for _, equal in groupby(sorted(window, key=lambda index: -likeness[index]), likeness.__getitem__):
            yield from sorted(equal, key=lambda index: digest([self._seed, query_id, self._all[index].query_id]))

    def _within_budget(self, ranked: Iterable[int]) -> list[Candidate]:
        """The first that fit together, in order of length."""
        chosen: list[int] = []
        room = self._settings.max_exemplar_tokens
        for index in ranked:
            if self._all[index].n_tokens <= room:
                chosen.append(index)
                room -= self._all[index].n_tokens
            if len(chosen) == self._settings.n_exemplars:
                break
        return [self._all[index] for index in sorted(chosen)]


def shelf_of(
    solved: pl.DataFrame,
    queries: pl.DataFrame,
    difficulty: pl.DataFrame,
    tests: pl.DataFrame,
    settings: Matched,
    count: TokenCounter,
    seed: int,
) -> Shelf:
    """The shelf of a round: one candidate a query, its longest solution that fits the budget.

    Args:
        solved: what the policy was trained on: its own SFT rows, or the reference solutions (SFT). Not looked at where
            `settings.source` is `references`.
        queries: train queries (QUERIES).
        difficulty: levels of the round that `levels` names (DIFFICULTY).
        tests: every test query (TEST_QUERIES); none of them, and nothing like them, becomes an exemplar.
        settings: length control.
        count: tokens by the policy's tokenizer.
        seed: breaks ties.
    """
    rows = (
        _solutions(solved, queries, settings)
        .join(queries.select("query_id", "query"), on="query_id")
        .join(difficulty.select("query_id", "level"), on="query_id")
        .filter(pl.col("level").is_not_null())
        .sort(pl.col("solution").str.len_chars(), "query_id", "solution", descending=[True, False, False])
    )
    n_tokens = pl.Series(count.many(rows["query"].to_list())) + pl.Series(count.many(rows["solution"].to_list()))
    fitting = rows.with_columns(n_tokens=n_tokens).filter(pl.col("n_tokens") <= settings.max_exemplar_tokens)
    longest = fitting.unique("query_id", keep="first", maintain_order=True)
    held_out = NearDuplicates([normalise(query) for query in tests["query"]], settings.near_duplicate)
    found = [Candidate(**row) for row in longest.select(*Candidate.__dataclass_fields__).iter_rows(named=True)]
    candidates = [one for one in found if not held_out.of(normalise(one.query))]
    log.info(
        "exemplars: %d queries may serve; %d solved ones are too long, %d are like a test query",
        *(len(candidates), rows["query_id"].n_unique() - len(found), len(found) - len(candidates)),
    )
    return Shelf(candidates, settings, seed)


def _solutions(solved: pl.DataFrame, queries: pl.DataFrame, settings: Matched) -> pl.DataFrame:
    if settings.source == "references":
        return queries.filter(pl.col("solution").is_not_null()).select("query_id", "solution")
    return solved.select("query_id", solution=pl.col("completion").list.first().struct.field("content"))


def _places(some: Iterable[int], among: Sequence[int]) -> Iterator[int]:
    """Where those of some numbers stand that are among others, which are in order."""
    for number in some:
        at = bisect_left(among, number)
        if at < len(among) and among[at] == number:
            yield at


def _nearest_levels(level: str) -> list[str]:
    at = LEVELS.index(level)
    return sorted(LEVELS, key=lambda other: (abs(LEVELS.index(other) - at), -LEVELS.index(other)))
