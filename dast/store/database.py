"""The store's file: one SQLite table of batches.

Guarantees: a batch is in the file whole or not at all, and once `insert` has returned it outlives a kill and a power
cut (write-ahead log, synchronised at each commit); readers never wait for a writer. Grain: one row a batch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from dast.errors import StoreError
from dast.samplers import Sampler
from dast.store.blocks import Batch, BrokenBlockError, decode, digest_of, encode, pack_keys, unpack_keys

FILE = "rollouts.sqlite"
_FORMAT = 1
_WAIT_S = 60.0
"""For a checkpoint or a `gc` of another process to end."""

_PAGE_BYTES = 16384
"""Batches of 512 rollouts of 1 KB went in 1.4 times as fast as with SQLite's 4096."""

_LOG_BYTES = 4 << 20
"""Size of the write-ahead log at which it is written back into the file."""

_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}

_SCHEMA = """
CREATE TABLE IF NOT EXISTS batches (
  batch_id INTEGER PRIMARY KEY,
  settings_digest TEXT NOT NULL,
  policy TEXT NOT NULL,
  policy_name TEXT NOT NULL,
  round TEXT NOT NULL,
  stage TEXT NOT NULL,
  n_rollouts INTEGER NOT NULL,
  n_tokens INTEGER NOT NULL,
  n_text_bytes INTEGER NOT NULL,
  seconds REAL NOT NULL,
  digest BLOB NOT NULL,
  keys BLOB NOT NULL,
  payload BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS batches_settings ON batches (settings_digest);
"""

_INSERT = """
INSERT INTO batches (settings_digest, policy, policy_name, round, stage, n_rollouts, n_tokens, n_text_bytes, seconds,
                     digest, keys, payload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True)
class Holding:
    """What one round's stage had generated of one policy under one set of settings."""

    policy: str
    policy_name: str
    round: str
    stage: str
    settings_digest: str
    n_rollouts: int
    n_tokens: int
    n_text_bytes: int
    n_bytes: int
    seconds: float


def connect(path: Path) -> sqlite3.Connection:
    """An open store file, made where there is none.

    Raises:
        StoreError: written by a later version.
        sqlite3.DatabaseError: not a database, or a broken one.
    """
    connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
    try:
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")  # of a file that is made now
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_BYTES // _PAGE_BYTES}")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > _FORMAT:
            raise StoreError(f"{path}: written by a later version of dast (format {version}); use that version")
        if version < _FORMAT:
            connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_FORMAT}; COMMIT;")
        connection.execute("SELECT 1 FROM batches LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def is_broken(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file's content cannot be trusted."""
    return _code(error) in _BROKEN or _detail(error) == sqlite3.SQLITE_IOERR_SHORT_READ


def is_full(error: sqlite3.Error) -> bool:
    """Whether SQLite could not write: no space, a limit on a file's size, a read-only file, a failing disk."""
    return _code(error) in _FULL and not is_broken(error)


def encoded(batch: Batch) -> tuple[object, ...]:
    """The batch as `insert` takes it."""
    payload, asker, rows = encode(batch), batch.asker, batch.rows
    return (
        batch.sampler.digest,
        batch.sampler.policy,
        asker.policy_name,
        asker.round,
        asker.stage,
        rows.height,
        int(rows.get_column("n_tokens").sum()),
        int(rows.get_column("response").str.len_bytes().sum()),
        float(rows.get_column("seconds").sum()),
        digest_of(payload),
        pack_keys(rows),
        payload,
    )


def size_of(row: tuple[object, ...]) -> int:
    """Bytes of an `encoded` batch."""
    return sum(len(part) for part in row if isinstance(part, bytes))


def insert(connection: sqlite3.Connection, row: tuple[object, ...]) -> None:
    """Commits one `encoded` batch, or leaves the file as it was."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(_INSERT, row)
        connection.execute("COMMIT")
    except sqlite3.Error:
        with suppress(sqlite3.Error):  # a failed COMMIT may have rolled back by itself
            connection.execute("ROLLBACK")
        raise


def keys_of(connection: sqlite3.Connection, settings_digest: str, after: int = 0) -> pl.DataFrame:
    """Prompt, draw, batch_id and place of everything that a sampler's batches after `after` hold.

    Raises:
        BrokenBlockError: keys that are not what was committed.
    """
    rows: Iterable[tuple[int, bytes]] = connection.execute(
        "SELECT batch_id, keys FROM batches WHERE settings_digest = ? AND batch_id > ? ORDER BY batch_id",
        (settings_digest, after),
    )
    return unpack_keys(rows)


def batch_of(connection: sqlite3.Connection, batch_id: int) -> Batch:
    """One batch, held against its digest.

    Raises:
        BrokenBlockError: its bytes are not what was committed.
    """
    row = connection.execute("SELECT digest, payload FROM batches WHERE batch_id = ?", (batch_id,)).fetchone()
    if row is None or not isinstance(row[1], bytes) or digest_of(row[1]) != row[0]:
        raise BrokenBlockError(f"batch {batch_id} is not what was committed")
    return decode(row[1])


def is_labelled(connection: sqlite3.Connection, batch_id: int, batch: Batch) -> bool:
    """Whether the columns that a batch is found by are what the batch itself says."""
    columns = "settings_digest, policy, keys"
    row = connection.execute(f"SELECT {columns} FROM batches WHERE batch_id = ?", (batch_id,)).fetchone()
    return bool(row == (batch.sampler.digest, batch.sampler.policy, pack_keys(batch.rows)))


def samplers(connection: sqlite3.Connection, policy: str) -> list[Sampler]:
    """Every sampler of a policy."""
    firsts = connection.execute(
        "SELECT min(batch_id) FROM batches WHERE policy = ? GROUP BY settings_digest", (policy,)
    )
    return [batch_of(connection, batch_id).sampler for (batch_id,) in firsts.fetchall()]


def batch_ids(connection: sqlite3.Connection) -> list[int]:
    """Every batch, in the order of their commits."""
    return [batch_id for (batch_id,) in connection.execute("SELECT batch_id FROM batches ORDER BY batch_id")]


def holdings(connection: sqlite3.Connection) -> list[Holding]:
    """What is kept, by policy, round, stage and settings."""
    rows: Iterable[tuple[str, str, str, str, str, int, int, int, int, float]] = connection.execute(
        "SELECT policy, policy_name, round, stage, settings_digest, sum(n_rollouts), sum(n_tokens), sum(n_text_bytes),"
        " sum(length(keys) + length(payload)), sum(seconds) FROM batches"
        " GROUP BY policy, policy_name, round, stage, settings_digest ORDER BY min(batch_id)"
    )
    return [Holding(*row) for row in rows]


def drop_policies(connection: sqlite3.Connection, policies: Iterable[str]) -> None:
    """Deletes every batch of these policies, and gives the space back to the disk."""
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("DELETE FROM batches WHERE policy = ?", [(policy,) for policy in policies])
    connection.execute("COMMIT")
    connection.execute("VACUUM")


def _code(error: sqlite3.Error) -> int:
    return _detail(error) & 0xFF


def _detail(error: sqlite3.Error) -> int:
    # The low byte is the kind of fault, the rest its detail; an error of Python's own module has none.
    return int(getattr(error, "sqlite_errorcode", 0))
