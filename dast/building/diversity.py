"""The diverse choice: the commonest response first, then always the one least like those before it.

Two responses are as alike as their equations are (Jaccard index of the two sets); of responses without equations the
words are compared. Grain: one query.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

Features = frozenset[str]


def diverse_ranks(ordered: pl.DataFrame) -> pl.DataFrame:
    """The candidates with `rank` anew, in each query with more than `most` of them, which is more than one.

    Args:
        ordered: candidates in the order of their ranks, with `query_id`, `late`, `equations`, `text`, `rank`, `most`.
    """
    rows = ordered.with_row_index("at")
    contested = rows.filter((pl.len().over("query_id") > pl.col("most")) & (pl.col("most") > 1))
    groups = contested.group_by("query_id", maintain_order=True).agg("at", "late", "equations", "text", "most")
    ranks: dict[str, list[int]] = {"at": [], "new": []}
    for _, places, late, equations, texts, most in groups.iter_rows():
        features = [frozenset(found or text.split()) for found, text in zip(equations, texts, strict=True)]
        ranks["at"] += places
        ranks["new"] += _ranks(features, late, most[0])
    renewed = pl.DataFrame(ranks, schema={"at": pl.UInt32, "new": pl.Int32})
    rank = pl.coalesce("new", "rank")
    return rows.join(renewed, on="at", how="left", maintain_order="left").with_columns(rank=rank).drop("at", "new")


def _ranks(features: Sequence[Features], late: Sequence[int], most: int) -> list[int]:
    """Rank of each candidate: `most` are chosen one by one, the others follow in their order; later kinds last."""
    likest = [0.0] * len(features)
    chosen = [0]
    rest = list(range(1, len(features)))
    while len(chosen) < most:
        for place in rest:
            likest[place] = max(likest[place], likeness(features[place], features[chosen[-1]]))
        best = min(rest, key=lambda place: (late[place], likest[place], place))
        chosen.append(best)
        rest.remove(best)
    ranks = [0] * len(features)
    for rank, place in enumerate((*chosen, *rest)):
        ranks[place] = rank
    return ranks


def likeness(one: Features, other: Features) -> float:
    """Jaccard index: shared features among all, 0 to 1."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared) if shared else 0.0
