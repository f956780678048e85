"""One writer at a time.

Guarantees: the lock is the process's own (a POSIX record lock), so it ends with the process however that ends, stays
with an orphan of a killed `dvc`, and is not held by what a process forks. Who holds it stands in the lock file:
process, command, host, since when, and how many batches it had committed. Grain: one lock a store.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from dast.errors import StoreError

log = logging.getLogger(__name__)

FILE = "lock"
WAIT_VARIABLE = "DAST_STORE_WAIT"
"""Seconds to wait for another writer to end; unset or 0 ends at once, naming it."""

_HELD: set[Path] = set()
"""Locks of this process: it would be granted a second one of the same file, and the end of either would end both."""

_COMMAND_CHARS = 120
_LOOK_S = 0.5
_SAY_S = 60.0


class WriterLock:
    """The lock of the store in `folder`; `n_batches` is what the holder before said it had committed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._handle: int | None = None
        self.n_batches = 0

    @property
    def held(self) -> bool:
        """Whether this process has it."""
        return self._handle is not None

    def acquire(self) -> None:
        """Takes the lock, and makes the folder where there is none; nothing where this lock is held.

        Raises:
            StoreError: another process has it, and goes on having it for as long as `DAST_STORE_WAIT` says; or the
                folder cannot be written to.
        """
        if self.held:
            return
        if self._path.resolve() in _HELD:
            raise StoreError(f"{self._path.parent}: this process is writing to this store already")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StoreError(
                f"{self._path.parent}: the store cannot be written to ({error.strerror}); name another in DAST_STORE"
            ) from error
        try:
            self._take(handle)
        except BaseException:
            os.close(handle)
            raise
        self.n_batches = int(_record(handle).get("n_batches", 0))
        self._handle = handle
        _HELD.add(self._path.resolve())
        self.note(self.n_batches)

    def _take(self, handle: int) -> None:
        end, said = time.monotonic() + wait_s(), 0.0
        while True:
            try:
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if not isinstance(error, BlockingIOError | PermissionError):
                    raise StoreError(
                        f"{self._path}: cannot be locked ({error.strerror}); name a place on a local disk in DAST_STORE"
                    ) from error
            else:
                return
            now = time.monotonic()
            holder = _told(_record(handle))
            if now >= end:
                raise StoreError(
                    f"{self._path.parent}: {holder} is writing to this store; wait for it to end, or end it, and run "
                    f"again: what it has kept stays kept ({WAIT_VARIABLE}=600 would wait ten minutes for it)"
                )
            if now - said >= _SAY_S or not said:
                said = now
                log.info("waiting for the store: %s is writing to it", holder)
            time.sleep(_LOOK_S)

    def note(self, n_batches: int) -> None:
        """Writes down that this process holds the lock and how many batches are committed."""
        self.n_batches = n_batches
        self._write(
            {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "command": _command(),
                "since": _SINCE,
                "n_batches": n_batches,
            }
        )

    def release(self) -> None:
        """Gives the lock back, leaving the count."""
        if self._handle is not None:
            self._write({"n_batches": self.n_batches})
            os.close(self._handle)
            self._handle = None
            _HELD.discard(self._path.resolve())

    def _write(self, record: dict[str, Any]) -> None:
        if self._handle is None:
            return
        text = json.dumps(record, sort_keys=True).encode()
        try:
            os.pwrite(self._handle, text, 0)
            os.ftruncate(self._handle, len(text))
        except OSError as error:  # a full disk: the lock holds without its record
            log.debug("%s: %s", self._path, error)


def wait_s() -> float:
    """What `DAST_STORE_WAIT` says.

    Raises:
        StoreError: not a number of seconds.
    """
    text = os.environ.get(WAIT_VARIABLE, "0")
    try:
        return float(text)
    except ValueError as error:
        raise StoreError(f"{WAIT_VARIABLE}={text}: not a number of seconds; 600 is ten minutes") from error


_SINCE = time.strftime("%Y-%m-%d %H:%M:%S")
"""When this process started to think of stores: near enough to its start."""


def _command() -> str:
    whole = " ".join(" ".join([Path(sys.executable).name, *sys.orig_argv[1:]]).split())
    return whole if len(whole) <= _COMMAND_CHARS else f"{whole[:_COMMAND_CHARS]}…"


def _record(handle: int) -> dict[str, Any]:
    try:
        content = json.loads(os.pread(handle, 4096, 0) or b"{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _told(record: dict[str, Any]) -> str:
    if "pid" not in record:
        return "another process"
    where = "" if record.get("host") == socket.gethostname() else f" on {record.get('host')}"
    return f"process {record['pid']}{where} ({record.get('command')}), since {record.get('since')},"
