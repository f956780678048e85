"""A broken store file: what of it can be read, and where it goes.

Guarantees: a batch is taken over only when its bytes and rows match their digests; the broken file is moved aside, not
deleted, and only after the new one stands complete on the disk. Grain: one store file.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from dast.errors import StoreError
from dast.store.blocks import Batch, BrokenBlockError, faulty_rows
from dast.store.database import batch_of, connect, encoded, insert

_SIDES = ("", "-wal", "-shm")
"""Endings of the files that are one SQLite database."""

_SMALLEST = 512
"""Bytes that any batch takes."""

_BEYOND = 4096
"""Batch numbers that are tried beyond the last one that a scan met: a scan ends at the first broken page."""


@dataclass(frozen=True)
class Salvaged:
    """What came of a broken file."""

    n_batches: int
    n_rollouts: int
    folder: Path
    """Where the broken file lies now."""


def salvage(path: Path) -> Salvaged:
    """Puts a new file with every readable batch in the place of the broken one.

    Raises:
        StoreError: the disk has no room for a second copy; everything is as it was then.
    """
    fresh = path.with_name(f"{path.name}.salvaged")
    _delete(fresh)
    n_batches = n_rollouts = 0
    try:
        with closing(connect(fresh, create=True)) as connection:
            for batch in readable_batches(path):
                insert(connection, encoded(batch))
                n_batches, n_rollouts = n_batches + 1, n_rollouts + batch.rows.height
    except (sqlite3.Error, OSError) as error:
        _delete(fresh)
        raise StoreError(
            f"{path}: broken, and what is readable cannot be copied ({error}); free space first"
        ) from error
    aside = path.with_name(f"broken-{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 1000:03}")
    aside.mkdir()
    for side in _SIDES:
        with suppress(FileNotFoundError):
            path.with_name(path.name + side).rename(aside / (path.name + side))
    fresh.rename(path)
    return Salvaged(n_batches, n_rollouts, aside)


def finish(path: Path) -> None:
    """Ends a salvage that was killed between its two moves: the new file is complete, and the old one lies aside."""
    fresh = path.with_name(f"{path.name}.salvaged")
    if fresh.exists() and not path.exists():
        fresh.rename(path)


def readable_batches(path: Path) -> Iterator[Batch]:
    """Batches whose digests fit, the whole one and every row's, in the order of their commits."""
    try:
        connection = sqlite3.connect(path, isolation_level=None)
    except sqlite3.Error:
        return
    with closing(connection):
        # A file that is shorter than its header says is refused whole, unless the schema may be written (SQLite's own
        # recovery opens it so).
        with suppress(sqlite3.Error):
            connection.execute("PRAGMA writable_schema = ON")
        for batch_id in _candidates(connection, path.stat().st_size):
            with suppress(sqlite3.Error, BrokenBlockError):
                batch = batch_of(connection, batch_id)
                if not faulty_rows(batch):
                    yield batch


def _candidates(connection: sqlite3.Connection, n_bytes: int) -> list[int]:
    """Numbers of batches that may be there: those that scans meet before they break, those between, and some beyond."""
    met = {*_scanned(connection, "ASC"), *_scanned(connection, "DESC")}
    # A number that was overwritten may be anything: more batches than a file of this size can hold are not looked for.
    last = max((number for number in met if number <= n_bytes // _SMALLEST), default=0)
    return sorted(met.union(range(1, last + _BEYOND)))


def _scanned(connection: sqlite3.Connection, order: str) -> set[int]:
    met: set[int] = set()
    with suppress(sqlite3.Error):
        met.update(
            number for (number,) in connection.execute(f"SELECT batch_id FROM batches ORDER BY batch_id {order}")
        )
    return met


def _delete(path: Path) -> None:
    for side in _SIDES:
        path.with_name(path.name + side).unlink(missing_ok=True)
