"""Many workers on one GPU: each takes the next run, whatever its base, until none is left or the time is over.

Guarantees: a row is on the disk when its run ends; no run is started that would not end in time, by the longest run so
far; what is still running when the time is over is given up and said; a run that fails stops no other. Grain: one run.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.experiments import rows
from benchmarks.experiments.design import Design, Run
from benchmarks.experiments.settings import digest_now
from benchmarks.experiments.studies import Study
from dast.errors import CommandError

log = logging.getLogger(__name__)

EQUAL_PARTS = 3.0
"""Equal parts of the GPU's memory that a worker may hold at most before it gives back what it does not use: training a
base, while others wait for it, takes about ten gigabytes, sampling a half of that."""


@dataclass(frozen=True)
class Work:
    """What a worker is told."""

    study: Study
    design: Design
    path: Path
    """Of the rows."""
    about: dict[str, Any]
    until: float
    """Seconds since the epoch; infinite for any time."""


def play_shared(runs: Iterable[Run], work: Work, n_workers: int) -> None:
    """Plays what has no row yet.

    Raises:
        CommandError: some runs ended in an error; the others have gone on to their end.
    """
    done = rows.usable(rows.read(work.path), work.design.digest, lambda run: digest_now(work.design, run))
    missing = [run for run in bases_first(runs) if run not in done]
    log.info("%d runs to play by %d workers", len(missing), n_workers)
    os.environ.update(work.study.environment)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(n_workers, context, initializer=_prepare, initargs=(min(0.9, EQUAL_PARTS / n_workers),))
    futures = {pool.submit(_play, work, run): run for run in missing}
    left_s = None if work.until == float("inf") else max(0.0, work.until - time.time())
    ended, going = wait(futures, timeout=left_s)
    if going:
        log.warning("time is over: %s given up", ", ".join(_told(futures[one]) for one in going))
        for child in multiprocessing.active_children():
            child.terminate()
    pool.shutdown(wait=not going, cancel_futures=True)
    _refuse_failed([(futures[one], one) for one in ended])


def bases_first(runs: Iterable[Run]) -> list[Run]:
    """All bases before all else, so that they are trained side by side; the order within each is kept."""
    return sorted(runs, key=lambda run: run.arm != rows.BASE)


def _prepare(gpu_share: float) -> None:
    """Makes a new process a worker."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("benchmarks").setLevel(logging.INFO)
    import torch

    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("high")
    if torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(gpu_share)


def _play(work: Work, run: Run) -> bool:
    """Whether the run was played; not where it would not end in time."""
    if time.time() + longest_s(work.path, work.design) > work.until:
        log.info("%s: not started, it would not end in time", _told(run))
        return False
    # torch and trl: seconds to import, in a worker alone.
    import torch

    from benchmarks.experiments.bench import Bench

    about = work.about
    if torch.cuda.is_available():
        about = {**about, "machine": f"{torch.cuda.get_device_name()}, {about['machine']}"}
    row = Bench(work.design, work.study.scratch, about, own_stores=True).play(run)
    rows.append(work.path, row)
    log.info("%s: done in %.0f s", _told(run), row["seconds"]["wall"])
    torch.cuda.empty_cache()
    return True


def longest_s(path: Path, design: Design) -> float:
    """Wall seconds of the longest run of this design so far; 0 while there is none."""
    found = [row for row in rows.read(path) if row["design"] == design.digest and row["arm"] != rows.BASE]
    return max((float(row["seconds"]["wall"]) for row in found), default=0.0)


def _refuse_failed(ended: Sequence[tuple[Run, Future[bool]]]) -> None:
    failed = [(run, error) for run, one in ended if (error := one.exception())]
    for run, error in failed:
        log.error("%s: failed", _told(run), exc_info=error)
    if failed:
        raise CommandError(f"{len(failed)} of {len(ended)} runs ended in an error; run again to go on from there")


def _told(run: Run) -> str:
    return f"{run.arm} {run.budget}, base {run.base}, data {run.data}"
