"""Training runs that are kept: found again by what determines them, and gone on with where they were killed.

Guarantees: the key covers the rows as trained, the start model's fingerprint, the settings that mean other weights, and
the declared recipe, not source bytes; a finished run is copied out without training, and without torch; a run is
finished when its folder `model` stands, which gets that name whole; one process trains a run. Grain: one folder a key.

    <folder>/<key>: model           model and tokenizer
                    trained.json    what the run did
                    work            checkpoints; gone when the run is finished
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from dast.params.train import Train
from dast.policies.folder import fingerprint
from dast.training.job import Job
from dast.training.kept import alone, remove_halves
from dast.training.launching import launch
from dast.training.sets import rows_digest, trained_rows
from dast.training.trained import Method, Trained, read_trained, write_trained

log = logging.getLogger(__name__)

RECIPE_VERSION = 1
"""Raised by a change of code or of pinned packages that means other weights for equal settings."""

_ALL: Any = ...
CHANGES_WEIGHTS = {"bf16": _ALL, "seed": _ALL, "packing": _ALL, "lora": _ALL, "launch": {"processes"}}
"""Fields of `train`, beside the method's own, that mean other weights; those that choose rows stand in the rows."""


@dataclass(frozen=True)
class Run:
    """One training run, whose `folder` is its own."""

    rows: pl.DataFrame
    """The round's set (SFT or DPO)."""
    method: Method
    start: Path
    """Folder of the model that training starts from, with its card."""
    settings: Train
    folder: Path


def find_run(rows: pl.DataFrame, method: Method, start: Path, settings: Train, kept: Path) -> Run:
    """The run that these inputs determine, in its folder below `kept`.

    Raises:
        DataError: the set is empty.
        ModelError: the start model is not what its card says.
    """
    about = {
        "recipe": RECIPE_VERSION,
        "method": method,
        "rows": rows_digest(trained_rows(rows, method, settings)),
        "start": fingerprint(start),
        "settings": settings.model_dump(
            mode="json", include={method: _ALL, **CHANGES_WEIGHTS}, exclude={"dpo": {"precompute_ref_log_probs"}}
        ),
    }
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]
    return Run(rows, method, start, settings, kept / key)


def finish_run(run: Run, out: Path, plot: Path | None = None) -> Trained:
    """Trains what is left of the run, nothing where it is finished, and copies model and tokenizer to `out`.

    Args:
        run: the run.
        out: an empty or new folder.
        plot: CSV of the curve, written anew whenever it grew.

    Raises:
        DataError: a row longer than `max_tokens` or than the model's limit.
        ModelError: the start model cannot be loaded, or the loss is not finite.
        CommandError: another process trains this run.
    """
    done = _finished(run)
    if done is None:
        with alone(run.folder / "worker.lock"):
            pass  # no process of an earlier launch is left, whose stage was killed
        with alone(run.folder / "run.lock"):
            done = _train(run, plot)
    else:
        log.info("trained before: copied from %s", run.folder.name)
    shutil.copytree(run.folder / "model", out, dirs_exist_ok=True)
    return done


def _finished(run: Run) -> Trained | None:
    done = read_trained(run.folder / "trained.json") if (run.folder / "model").is_dir() else None
    # The limit is no part of the key; a run with longer rows goes the way on which they are refused.
    return done if done and done.longest_tokens <= run.settings.max_tokens else None


def _train(run: Run, plot: Path | None) -> Trained:
    partial, work = run.folder / "model.partial", run.folder / "work"
    shutil.rmtree(partial, ignore_errors=True)
    remove_halves(work)
    job = Job(run.rows, run.method, run.start, run.settings, partial, work, plot)
    done = _here(job) if run.settings.launch.processes == 1 else launch(run.folder, job)
    write_trained(run.folder / "trained.json", done)
    shutil.rmtree(run.folder / "model", ignore_errors=True)
    partial.replace(run.folder / "model")
    _clear(run.folder)
    return read_trained(run.folder / "trained.json") or done  # rounded, as whoever copies the run is told it


def _here(job: Job) -> Trained:
    # torch: takes seconds to import, and a finished run needs none of it.
    from dast.training.loop import train_model

    return train_model(job.rows, job.method, job.start, job.settings, job.out, job.work, job.plot)


def _clear(folder: Path) -> None:
    """Leaves what a finished run is made of."""
    shutil.rmtree(folder / "work", ignore_errors=True)
    for path in folder.iterdir():
        if path.is_file() and path.suffix != ".lock" and path.name != "trained.json":
            path.unlink()
