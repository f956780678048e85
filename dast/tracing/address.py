"""Which row is meant: `sft:12` by its place, `sft:<id>` by an id, `sft:<query_id>/<rollout_id>` by several.

Guarantees: a place counts from 0 in the order of the table, which is also the order of a package's split; what names no
row, or several, is refused with the places there are. Grain: one row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from dast.errors import CommandError

KEYS: Mapping[str, tuple[str, ...]] = {
    "sft": ("query_id", "rollout_id"),
    "dpo": ("query_id", "chosen_id", "rejected_id"),
    "rollouts": ("query_id", "rollout_id"),
    "queries": ("query_id",),
}
"""Ids of a row, by the table that it stands in."""

_SHOWN = 8


@dataclass(frozen=True)
class Address:
    """A row as it was asked for."""

    table: str
    named: str
    """A place, or ids with slashes between them."""

    def __str__(self) -> str:
        return f"{self.table}:{self.named}"


def parse_address(text: str) -> Address:
    """The address in a text.

    Raises:
        CommandError: no known table, or nothing after it.
    """
    table, _, named = text.partition(":")
    if table not in KEYS or not named:
        raise CommandError(f"{text!r} names no row; say one of {', '.join(f'{name}:ROW' for name in KEYS)}")
    return Address(table, named)


def find_row(rows: pl.LazyFrame, address: Address) -> dict[str, Any] | None:
    """The row of a table, with its `place`; None where there is none.

    Args:
        rows: The table.
        address: An id goes before a place: some ids are digits alone.

    Raises:
        CommandError: ids that several rows have.
    """
    keys = KEYS[address.table]
    placed = rows.sort(keys).with_row_index("place")
    named = [pl.any_horizontal(pl.col(key) == part for key in keys) for part in address.named.split("/")]
    found = placed.filter(pl.all_horizontal(named)).collect()
    if found.is_empty() and address.named.isdecimal():
        found = placed.filter(pl.col("place") == int(address.named)).collect()
    if found.height > 1:
        places = [f"{address.table}:{place}" for place in found["place"].head(_SHOWN)]
        more = f" and {found.height - _SHOWN} more" if found.height > _SHOWN else ""
        raise CommandError(f"{address}: {found.height} rows; name one of {', '.join(places)}{more}")
    return found.row(0, named=True) if found.height else None
