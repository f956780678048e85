"""Every kept training run: how far it came, what it takes, and whether a model that is still named was made by it.

Guarantees: looking changes nothing; a run that a process works in is never removed. Nothing heavy is imported. Grain:
one run.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from dast.errors import CommandError
from dast.policies.folder import fingerprint_over, folder_bytes, folder_digest
from dast.training.kept import alone, newest_checkpoint
from dast.training.trained import read_trained


@dataclass(frozen=True)
class KeptRun:
    """A run's folder."""

    folder: Path
    finished: bool
    n_steps: int
    """Optimiser steps that would not be taken again."""
    n_bytes: int
    used_s: float
    """When it was last written, in seconds since the epoch."""
    digest: str | None
    """`folder_digest` of the model; None of an unfinished run."""


def kept_runs(folder: Path) -> list[KeptRun]:
    """The runs below `folder`, the oldest first; reads every model (seconds a gigabyte)."""
    places = (path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else ()
    return sorted(map(_look, places), key=lambda run: (run.used_s, run.folder.name))


def made_of(run: KeptRun, fingerprints: Collection[str]) -> str | None:
    """The fingerprint among these of the model that the run gave; None where it gave none of them."""
    if run.digest is None or run.digest in fingerprints:
        return run.digest
    over = (fingerprint_over(run.digest, base) for base in fingerprints)
    return next((one for one in over if one in fingerprints), None)


def remove_run(run: KeptRun) -> bool:
    """Deletes the folder, unless a process trains the run; whether it did."""
    try:
        with alone(run.folder / "worker.lock"), alone(run.folder / "run.lock"):
            shutil.rmtree(run.folder)
    except CommandError:
        return False
    return True


def _look(folder: Path) -> KeptRun:
    done = read_trained(folder / "trained.json") if (folder / "model").is_dir() else None
    checkpoint = newest_checkpoint(folder / "work")
    steps = done.steps if done else int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
    times = [path.stat().st_mtime for path in (folder, *folder.rglob("*"))]
    digest = folder_digest(folder / "model") if done else None
    return KeptRun(folder, done is not None, steps, folder_bytes(folder), max(times), digest)
