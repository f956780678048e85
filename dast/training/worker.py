"""One of several processes that train a run together; started by `accelerate launch` on a folder with a job."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

from dast.entry import run
from dast.errors import DastError
from dast.training.job import read_job, write_fault
from dast.training.kept import alone
from dast.training.loop import train_model
from dast.training.trained import write_trained


def main(*, folder: Path) -> None:
    """Trains; the first process saves the model and says what was done."""
    first = os.environ.get("RANK", "0") == "0"
    job = read_job(folder)
    try:
        with alone(folder / "worker.lock") if first else nullcontext():
            done = train_model(job.rows, job.method, job.start, job.settings, job.out, job.work, job.plot)
            if first:
                write_trained(folder / "result.json", done)
    except DastError as error:
        write_fault(folder, error)
        raise


if __name__ == "__main__":
    run(main)
