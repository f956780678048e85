"""Where a batch goes that was paid for and that the store's file cannot take: a file of its own beside it.

Guarantees: a batch that could not be committed is written, whole and with its digest, into room that was set aside
while there was some, and is taken into the store when it is next opened for writing. Grain: one file a batch.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from pathlib import Path

from dast.store.blocks import digest_of

log = logging.getLogger(__name__)

RESERVE_BYTES = 8 << 20
"""Set aside: more than a batch of some thousand responses takes."""

_RESERVE = "reserve"
_SPILLED = "spilled-*.batch"
_DIGEST_BYTES = 16


def set_aside(folder: Path) -> None:
    """Fills the reserve file, where it is not there yet and the disk gives the room."""
    path = folder / _RESERVE
    if path.exists() and path.stat().st_size == RESERVE_BYTES:
        return
    try:
        with path.open("wb") as handle:
            os.posix_fallocate(handle.fileno(), 0, RESERVE_BYTES)
    except OSError as error:
        log.debug("%s: %s", path, error)
        path.unlink(missing_ok=True)


def missing_reserve(folder: Path) -> int:
    """Bytes of the reserve that are not set aside yet."""
    return 0 if (folder / _RESERVE).exists() else RESERVE_BYTES


def spill(folder: Path, payload: bytes) -> Path | None:
    """Writes an encoded batch beside the store; None where even the reserve is not enough."""
    (folder / _RESERVE).unlink(missing_ok=True)
    path = folder / f"spilled-{time.time_ns()}.batch"
    try:
        with path.open("wb") as handle:
            handle.write(digest_of(payload) + payload)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError:
        with suppress(OSError):
            path.unlink()
        return None
    return path


def spilled(folder: Path) -> list[tuple[Path, bytes]]:
    """Spilled batches that are whole, in the order they came; one that is not is said and left alone."""
    found = []
    for path in sorted(folder.glob(_SPILLED)):
        content = path.read_bytes()
        digest, payload = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if digest_of(payload) == digest:
            found.append((path, payload))
        else:
            log.warning("%s: not a whole batch, so it cannot be taken into the store; delete it", path)
    return found
