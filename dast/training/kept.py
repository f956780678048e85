"""The folder of a kept run: its checkpoints, and that one process at a time works in it.

Guarantees: a checkpoint counts only when its last file, the mark, stands, which is written after all others are on the
disk. Nothing heavy is imported. Grain: one folder a run.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dast.errors import CommandError

MARK = "whole.pt"
"""Last file of a checkpoint."""


def newest_checkpoint(work: Path) -> Path | None:
    """The newest whole checkpoint below `work`."""
    whole = (path.parent for path in work.glob(f"checkpoint-*/{MARK}"))
    return max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)


def remove_halves(work: Path) -> None:
    """Removes checkpoints that are not whole."""
    for folder in work.glob("checkpoint-*"):
        if not (folder / MARK).is_file():
            shutil.rmtree(folder)


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Holds the lock file while the block runs.

    Raises:
        CommandError: another process holds it.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        try:
            # The process's own, so it ends with it however that ends, and stays with an orphan of a killed `dvc`.
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CommandError(
                f"{lock.parent}: another process trains this run (a `dvc repro` that is killed leaves its stage "
                "running); wait for it, or end it"
            ) from error
        yield
