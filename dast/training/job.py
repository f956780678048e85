"""What one process tells another of a run, by files in the run's folder: the job there, a user's fault back.

Grain: one run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from dast.errors import CommandError, DataError, EngineError, ModelError
from dast.params.train import Train
from dast.smallfiles import read_json, write_json
from dast.training.trained import Method

_KINDS = {kind.__name__: kind for kind in (CommandError, DataError, EngineError, ModelError)}


@dataclass(frozen=True)
class Job:
    """The arguments of `train_model`."""

    rows: pl.DataFrame
    method: Method
    start: Path
    settings: Train
    out: Path
    work: Path
    plot: Path | None


def write_job(folder: Path, job: Job) -> None:
    """Lays the job down, and removes what an earlier try left."""
    for name in ("fault.json", "result.json"):
        (folder / name).unlink(missing_ok=True)
    job.rows.write_parquet(folder / "rows.parquet")
    places = {"start": job.start, "out": job.out, "work": job.work, "plot": job.plot}
    told = {name: str(path.absolute()) if path else None for name, path in places.items()}
    told["start"] = str(job.start)  # as it is named in params: an adapter's config will name it so
    write_json(folder / "job.json", {**told, "method": job.method, "settings": job.settings.model_dump_json()})


def read_job(folder: Path) -> Job:
    """The job that `write_job` laid down."""
    told = read_json(folder / "job.json")
    settings = Train.model_validate_json(told["settings"])
    start, out, work = (Path(told[name]) for name in ("start", "out", "work"))
    plot = Path(told["plot"]) if told["plot"] else None
    return Job(pl.read_parquet(folder / "rows.parquet"), told["method"], start, settings, out, work, plot)


def write_fault(folder: Path, fault: Exception) -> None:
    """Tells the waiting process of a user's fault."""
    write_json(folder / "fault.json", {"kind": type(fault).__name__, "message": str(fault)})


def raise_fault(folder: Path) -> None:
    """Raises the fault that was told, if one was."""
    if (folder / "fault.json").is_file():
        fault = read_json(folder / "fault.json")
        raise _KINDS.get(fault["kind"], EngineError)(fault["message"])
