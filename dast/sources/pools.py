"""Recorded responses to known queries: a file or dataset becomes the pool that the `recorded` engine reads.

Guarantees: every response belongs to a train query, found by normalised text; `pool_index` counts a query's responses
in the order of the rows and, within a row, of the params' columns; what leaves is counted. Grain: one response.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from dast import frames, tables
from dast.errors import DataError
from dast.params.sources import Pool, PoolResponse
from dast.queries import Tally, first, normalise
from dast.sources.rows import RawRow, file_rows, hub_rows, missing_columns, text_at, value_at

log = logging.getLogger(__name__)

DROPPED = ("no_query", "unknown_query", "empty")
"""Why a response leaves: its row has no query, or one that is not trained on, or it has no text."""

_WHERE = "prepare.pool"
_TRUTH = {True: True, False: False, "true": True, "false": False, "True": True, "False": False}


@dataclass(frozen=True)
class PoolTable:
    """The POOL table and counts of responses."""

    rows: pl.DataFrame
    counts: dict[str, int]


def pool_table(pool: Pool | None, raw: Path, train: pl.DataFrame) -> PoolTable:
    """Responses to the queries of `train`; an empty table without a pool.

    Raises:
        DataError: the pool cannot be read, a named column is nowhere, a label is neither true nor false, a row's query
            is unknown while `unknown_queries` refuses it, or no response is left.
    """
    if pool is None:
        return PoolTable(frames.frame(tables.POOL, []), Tally().counts(DROPPED))
    rows = list(_raw_rows(pool, raw))
    _check_columns(rows, pool)
    tally = Tally(len(rows) * len(pool.responses))
    known = {normalise(query): query_id for query_id, query in train.select("query_id", "query").iter_rows()}
    kept = list(_responses(rows, pool, known, tally))
    unknown = tally.places.get("unknown_query", [])
    if unknown and pool.unknown_queries == "refuse":
        raise DataError(
            f"{pool.path}: {len(unknown)} responses belong to no train query ({first(unknown)}); give their queries in "
            f"prepare.train (one that was left out there counts as unknown), or set {_WHERE}.unknown_queries to drop"
        )
    if not kept:
        raise DataError(f"{pool.path}: no response can be used: {tally.told() or 'it has no rows'}; correct {_WHERE}")
    if tally.places:
        log.warning("pool %s: of %d responses left out %s", pool.path, tally.n_read, tally.told())
    return PoolTable(frames.frame(tables.POOL, kept), tally.counts(DROPPED))


def _raw_rows(pool: Pool, raw: Path) -> Iterator[RawRow]:
    if pool.kind == "file":
        return file_rows(raw / pool.path, pool.path)
    return hub_rows(pool.path, pool.config, pool.split, pool.revision, _WHERE)


def _check_columns(rows: Sequence[RawRow], pool: Pool) -> None:
    wanted = list(pool.query)
    for column in pool.responses:
        wanted += [column.response, *([column.label] if column.label else [])]
        wanted += [column.origin] if column.origin_is_column else []
    missing, present = missing_columns(rows, wanted)
    if rows and missing:
        raise DataError(
            f"{pool.path}: no row has {', '.join(missing)} (its columns: {', '.join(present)}); correct {_WHERE}"
        )


def _responses(rows: Sequence[RawRow], pool: Pool, known: Mapping[str, str], tally: Tally) -> Iterator[dict[str, Any]]:
    n_of: Counter[str] = Counter()
    for row in rows:
        texts = [text_at(row.values, path) for path in pool.query]
        query_id = known.get(normalise(" ".join(texts)))
        for column in pool.responses:
            response = text_at(row.values, column.response)
            if not all(texts):
                tally.drop("no_query", row.place)
            elif query_id is None:
                tally.drop("unknown_query", row.place)
            elif not response:
                tally.drop("empty", f"{row.place} {column.response}")
            else:
                yield {
                    "query_id": query_id,
                    "pool_index": n_of[query_id],
                    "origin": text_at(row.values, column.origin) if column.origin_is_column else column.origin,
                    "response": response,
                    "label": _label(row, column),
                }
                n_of[query_id] += 1


def _label(row: RawRow, column: PoolResponse) -> bool | None:
    value = value_at(row.values, column.label) if column.label else None
    if value is None:
        return None
    if not isinstance(value, bool | int | float | str) or value not in _TRUTH:
        raise DataError(
            f"{row.place}: {column.label} is {str(value)[:40]!r}, neither true nor false; correct {_WHERE}.responses"
        )
    return _TRUTH[value]
