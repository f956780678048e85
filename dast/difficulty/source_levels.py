"""A source's own human levels against what the policy solves.

Names are put in an order before they can be compared: by the number in them, when all the numbered names of the source
agree in the text around it (`L1`, `Level 3`, `5`); else as words (`easy`, `medium`, `hard` and their usual synonyms,
whatever their case). A name that fits neither (`Level ?`) has no rank: its queries stand in the table and are counted,
but not correlated; and a source whose names are kinds of query (`Subtraction`) has no ranks at all.

Guarantees: sources are never mixed, since level 3 of one says nothing of level 3 of another; queries that were not
graded are counted, not correlated. Grain: one object a source; one row a source, source level and difficulty level.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dast.difficulty.breakdown import UNGRADED_LEVEL
from dast.tables import LEVELS

SOURCE_LEVEL_COLUMNS = ("source", "source_level", "rank", "level", "n_queries", "mean_pass_rate")

_WORDS = (
    ("very easy", "trivial"),
    ("easy", "simple", "beginner", "basic"),
    ("medium", "moderate", "intermediate", "normal"),
    ("hard", "difficult", "challenging", "advanced"),
    ("very hard", "very difficult", "expert"),
)
_WORD_RANK = {word: float(rank) for rank, words in enumerate(_WORDS) for word in words}
_NUMBERED = re.compile(r"(\D*)(\d+(?:\.\d+)?)(\D*)")


def ranks(names: Iterable[str]) -> dict[str, float]:
    """Rank of each name of one source's levels, rising with difficulty; names without one are left out."""
    distinct = sorted(set(names))
    numbered = {name: match for name in distinct if (match := _NUMBERED.fullmatch(name.strip()))}
    around = {(match[1].casefold(), match[3].casefold()) for match in numbered.values()}
    if len(around) == 1:
        return {name: float(match[2]) for name, match in numbered.items()}
    worded = {name: " ".join(name.casefold().replace("-", " ").split()) for name in distinct}
    return {name: _WORD_RANK[word] for name, word in worded.items() if word in _WORD_RANK}


def agreement(queries: pl.DataFrame, difficulty: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """For each source that has levels: queries with one, those correlated, and Kendall's tau-b.

    Tau-b is that of the fail rate (1 - pass rate) against the rank, so that 1 is full agreement and 0 none; None when
    all ranks or all rates are the same.
    """
    return {source: _agreement(rows) for source, rows in _by_source(queries, difficulty)}


def source_level_rows(queries: pl.DataFrame, difficulty: pl.DataFrame) -> list[dict[str, Any]]:
    """The cross table: queries and their mean pass rate for each source level and level that occur together."""
    return [
        {"source": source, "source_level": name, "rank": rank, "level": level}
        | {"n_queries": part.height, "mean_pass_rate": part["pass_rate"].mean()}
        for source, rows in _by_source(queries, difficulty)
        for name, rank in _ordered(rows["source_level"])
        for level in (*LEVELS, UNGRADED_LEVEL)
        if (part := rows.filter(source_level=name, level=level)).height
    ]


def kendall_tau_b(table: NDArray[np.int64]) -> float | None:
    """Kendall's tau-b of a contingency table, rows and columns in rising order; None when either variable is constant.

    (concordant - discordant pairs) / sqrt(pairs not tied in rows × pairs not tied in columns), Kendall 1945.
    """
    total = int(table.sum())
    pairs = total * (total - 1) // 2
    apart = [pairs - sum(int(held) * (int(held) - 1) // 2 for held in table.sum(axis=axis)) for axis in (0, 1)]
    if not all(apart):
        return None
    below = np.cumsum(np.cumsum(table, axis=0), axis=1)
    # Of each cell: observations smaller in both, and smaller in rows but larger in columns.
    smaller = np.pad(below, ((1, 0), (1, 0)))[:-1, :-1]
    larger = np.pad(below[:, -1:] - below, ((1, 0), (0, 0)))[:-1]
    difference = int((table * (smaller - larger)).sum())
    return difference / math.sqrt(apart[0] * apart[1])


def _by_source(queries: pl.DataFrame, difficulty: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    known = queries.drop_nulls("source_level").select("query_id", "source", "source_level")
    rows = known.join(difficulty.select("query_id", "level", "pass_rate"), on="query_id").with_columns(
        pl.col("level").cast(pl.String).fill_null(UNGRADED_LEVEL)
    )
    return [(source, rows.filter(source=source)) for source in rows["source"].unique().sort()]


def _agreement(rows: pl.DataFrame) -> dict[str, Any]:
    rank = ranks(rows["source_level"])
    compared = rows.drop_nulls("pass_rate").filter(pl.col("source_level").is_in(list(rank)))
    fails = (1.0 - compared["pass_rate"]).to_list()
    return {
        "n_queries": rows.height,
        "n_compared": compared.height,
        "tau_b": kendall_tau_b(_crossed(fails, [rank[name] for name in compared["source_level"]])),
    }


def _crossed(rows: Sequence[float], columns: Sequence[float]) -> NDArray[np.int64]:
    high, at_row = np.unique(np.array(rows), return_inverse=True)
    wide, at_column = np.unique(np.array(columns), return_inverse=True)
    table = np.zeros((high.size, wide.size), dtype=np.int64)
    np.add.at(table, (at_row, at_column), 1)
    return table


def _ordered(names: pl.Series) -> list[tuple[str, float | None]]:
    rank = ranks(names)
    return sorted(((name, rank.get(name)) for name in set(names)), key=lambda pair: (pair[1] is None, pair[1], pair[0]))
