"""Which runs are left, and playing them one after the other.

Guarantees: a run that has a row is not played again; a kill costs the run in progress and nothing else. Grain: one run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from benchmarks.experiments import rows
from benchmarks.experiments.design import Run
from benchmarks.experiments.rows import Row

log = logging.getLogger(__name__)


def with_bases(runs: Sequence[Run]) -> list[Run]:
    """The runs, each block's base before the block's first run."""
    return list(dict.fromkeys(one for run in runs for one in (rows.base_run(*run.block), run)))


def share_of(runs: Sequence[Run], worker: int, n_workers: int) -> list[Run]:
    """The runs of every `n_workers`-th base, so that no two workers train one base or write to one store."""
    bases = list(dict.fromkeys(run.base for run in runs))
    mine = set(bases[worker::n_workers])
    return [run for run in runs if run.base in mine]


def play_all(
    runs: Sequence[Run], path: Path, design: str, settings: Callable[[Run], str | None], play: Callable[[Run], Row]
) -> int:
    """Plays what has no row yet, appending each row as its run ends; gives how many were played."""
    known = cache(settings)
    done = rows.usable(rows.read(path), design, known)
    missing = [run for run in runs if run not in done]
    log.info("%d of %d runs have a row; %d to play", len(runs) - len(missing), len(runs), len(missing))
    started = time.monotonic()
    for number, run in enumerate(missing, start=1):
        rows.append(path, play(run))
        each = (time.monotonic() - started) / number
        log.info(
            "%s %s, base %d, data %d: done (%d of %d, %.0f s a run, %.1f h left)",
            *(run.arm, run.budget, *run.block, number, len(missing), each, each * (len(missing) - number) / 3600),
        )
    return len(missing)
