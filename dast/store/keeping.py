"""Keeping rollouts, and finding them again.

Guarantees: a kept rollout is found by its sampler, prompt and draw whichever round, stage or step asks; what was kept
first is what is found; nothing is changed without the writer's lock. A broken file costs what cannot be read of it, and
one line. Nothing is opened, or made on the disk, before it is needed. Grain: one row a rollout.
"""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar

import polars as pl

from dast.errors import StoreError
from dast.progress import size
from dast.samplers import Sampler
from dast.store import blocks, database
from dast.store.blocks import KEYS, ROWS, Batch, BrokenBlockError, decode, with_prompt_numbers
from dast.store.lock import WriterLock
from dast.store.salvage import finish, salvage
from dast.store.spill import missing_reserve, set_aside, spill, spilled

log = logging.getLogger(__name__)

Given = TypeVar("Given")


class Store:
    """The store in one folder; use as a context manager. Without `mends`, a broken file is refused, and left alone."""

    def __init__(self, folder: Path, *, mends: bool = True) -> None:
        self.folder = folder
        self._mends = mends
        self.path = folder / database.FILE
        self._lock = WriterLock(folder)
        self._is_ready = False
        self._connection: sqlite3.Connection | None = None
        self._keys: dict[str, pl.DataFrame] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file, and gives the lock back."""
        self._is_ready = False
        self._disconnect()
        self._lock.release()

    def find(self, sampler: Sampler, wanted: pl.DataFrame) -> pl.DataFrame:
        """Which of the wanted rollouts (prompt_digest, draw) are kept, with the batch and the row that hold them."""
        if not self.path.exists() and not self._lock.held:
            return wanted.head(0).with_columns(batch_id=pl.lit(0, pl.Int64), place=pl.lit(0, pl.Int32))
        return self.guarded(lambda: self._find(sampler, wanted))

    def kept(self, sampler: Sampler, wanted: pl.DataFrame) -> pl.DataFrame:
        """Rows (`ROWS`) of those of the wanted rollouts (prompt_digest, draw) that are kept, in no particular order."""
        if not self.path.exists() and not self._lock.held:
            return pl.DataFrame(schema=ROWS)
        # One piece of work: a file that is salvaged in between numbers its batches anew.
        return self.guarded(lambda: self._rows(self._find(sampler, wanted)))

    def start_writing(self) -> bool:
        """Takes the writer's lock, and into the file what an earlier full disk left beside it; False if it has it.

        Raises:
            StoreError: another process is writing, or the folder cannot be written to.
        """
        if self._is_ready:
            return False
        self._lock.acquire()
        self._is_ready = True
        self._disconnect()  # another process may have written or salvaged since this one looked
        finish(self.path)
        set_aside(self.folder)
        for path, payload in spilled(self.folder):
            self._insert(database.encoded(decode(payload)))
            path.unlink()
        lost = self._lock.n_batches - self.count_batches()
        if lost > 0:
            log.warning("%s: %d batches that were committed are gone (cut off); they are made anew", self.path, lost)
        return True

    def keep(self, batch: Batch) -> int:
        """Commits one batch, and says how many bytes it takes; needs `start_writing`.

        Raises:
            StoreError: the file cannot be written; the batch lies beside it then, or its loss is said.
        """
        row = database.encoded(batch)
        try:
            self._repaired(lambda: database.insert(self.connection(), row))
        except (sqlite3.Error, StoreError) as error:
            raise StoreError(self._unwritten(error, row)) from error
        self._lock.note(self._lock.n_batches + 1)
        return database.size_of(row)

    def require_room(self, n_bytes: int, what: str) -> None:
        """Refuses what the disk cannot take.

        Raises:
            StoreError: less room than `n_bytes` and the reserve.
        """
        nearest = next(folder for folder in (self.folder, *self.folder.parents) if folder.exists())
        free = shutil.disk_usage(nearest).free
        if free < n_bytes + missing_reserve(self.folder):
            raise StoreError(
                f"{self.folder}: {what} will take about {size(n_bytes)} and the disk has {size(free)} left; "
                "free space, or name another place for the store in DAST_STORE"
            )

    def bytes_per_rollout(self) -> float | None:
        """Mean size of a kept rollout; None where there is none."""
        kept = self.holdings()
        count = sum(holding.n_rollouts for holding in kept)
        return sum(holding.n_bytes for holding in kept) / count if count else None

    def engines(self, policy: str) -> set[str]:
        """Names of the engines that generated what is kept of a policy (its fingerprint)."""
        if not self.path.exists():
            return set()
        samplers = self.guarded(lambda: database.samplers(self.connection(), policy))
        return {str(json.loads(sampler.settings).get("engine")) for sampler in samplers}

    def holdings(self) -> list[database.Holding]:
        """What is kept, by policy, round, stage and settings."""
        return self.guarded(lambda: database.holdings(self.connection())) if self.path.exists() else []

    def batches(self) -> Iterator[Batch]:
        """Every batch that can be read, in the order of their commits; one that cannot is said."""
        if not self.path.exists():
            return
        for batch_id in self.guarded(lambda: database.batch_ids(self.connection())):
            try:
                yield database.batch_of(self.connection(), batch_id)
            except (BrokenBlockError, sqlite3.Error) as error:
                log.warning("%s: batch %d cannot be read (%s)", self.path, batch_id, error)

    def mend(self) -> None:
        """Puts a file without what is broken in the place of this one; the broken one is kept aside."""
        self._lock.acquire()
        self._salvage("as told")

    def count_batches(self) -> int:
        """The number of batches, noted with the lock."""
        n_batches = self.guarded(lambda: len(database.batch_ids(self.connection())))
        self._lock.note(n_batches)
        return n_batches

    def connection(self) -> sqlite3.Connection:
        """The open file."""
        if self._connection is None:
            self._connection = database.connect(self.path, create=self._lock.held)
        return self._connection

    def guarded(self, work: Callable[[], Given]) -> Given:
        """What `work` gives; on a broken file, what it gives on the salvaged one.

        Raises:
            StoreError: the file cannot be opened, read or written, or is broken and another process has the lock.
        """
        try:
            return self._repaired(work)
        except sqlite3.Error as error:
            hint = "is there room, and is it on a local disk that this user may write to?"
            raise StoreError(f"{self.path}: {error}; {hint}") from error

    def _repaired(self, work: Callable[[], Given]) -> Given:
        try:
            return work()
        except (sqlite3.Error, BrokenBlockError) as error:
            self._refuse(error)
        if not self._lock.held:
            self._disconnect()
            self._lock.acquire()
        try:
            return work()  # whoever had the lock may have mended it meanwhile
        except (sqlite3.Error, BrokenBlockError) as error:
            self._refuse(error)
            self._salvage(str(error))
        return work()

    def _refuse(self, error: sqlite3.Error | BrokenBlockError) -> None:
        """Raises what salvaging does not help against."""
        if isinstance(error, sqlite3.Error) and not database.is_broken(error):
            raise error
        if not self._mends:
            raise StoreError(
                f"{self.path}: broken ({error}); `dast store verify --mend` keeps what can be read of it"
            ) from error

    def _insert(self, row: tuple[object, ...]) -> None:
        self.guarded(lambda: database.insert(self.connection(), row))

    def _find(self, sampler: Sampler, wanted: pl.DataFrame) -> pl.DataFrame:
        return with_prompt_numbers(wanted).join(self._known(sampler), on=list(KEYS)).drop("prompt")

    def _known(self, sampler: Sampler) -> pl.DataFrame:
        """Every key that the sampler's batches hold, each with the place where it was kept first."""
        known = self._keys.get(sampler.digest)
        last = 0 if known is None or known.is_empty() else int(str(known.get_column("batch_id").max()))
        new = database.keys_of(self.connection(), sampler.digest, last)
        whole = new if known is None else pl.concat([known, new])
        self._keys[sampler.digest] = whole.unique(list(KEYS), keep="first", maintain_order=True)
        return self._keys[sampler.digest]

    def _rows(self, found: pl.DataFrame) -> pl.DataFrame:
        parts = [pl.DataFrame(schema=ROWS)]
        for (batch_id,), places in found.group_by("batch_id", maintain_order=True):
            rows = database.batch_of(self.connection(), int(str(batch_id))).rows
            parts.append(blocks.picked(rows, places.get_column("place")))
        return pl.concat(parts)

    def _salvage(self, why: str) -> None:
        self._disconnect()
        done = salvage(self.path)
        log.warning(
            "%s: broken (%s); moved to %s; %d rollouts in %d batches could be read and are kept",
            *(self.path, why, done.folder, done.n_rollouts, done.n_batches),
        )
        self._lock.note(done.n_batches)

    def _unwritten(self, error: Exception, row: tuple[object, ...]) -> str:
        payload = row[-1]
        assert isinstance(payload, bytes)
        place = spill(self.folder, payload)
        fate = f"the batch in flight lies in {place.name}" if place else "the batch in flight is lost"
        kept = "what was kept before stays kept"
        with suppress(sqlite3.Error):
            kept = f"{sum(one.n_rollouts for one in database.holdings(self.connection())):,} rollouts are kept"
        return (
            f"{self.path}: cannot be written ({error}); {kept}, {fate}; free space, and run again to go on from there"
        )

    def _disconnect(self) -> None:
        self._keys.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
