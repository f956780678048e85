"""Worker processes that compare answers, each comparison under a hard limit of CPU time, wall clock and memory.

Guarantees: a comparison that does not come back costs its own row alone: its worker is killed and replaced. Results are
in the order of the pairs, whatever the number of workers. No worker outlives the pool or its process. A wall-clock
limit or a crash, which load can cause, is never final without one retry alone. Grain: one result a pair.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import dast
from dast.equivalence.outcome import Outcome
from dast.errors import GradingError

_WORKERS_VARIABLE = "DAST_WORKERS"
_WALL_FACTOR = 10
_START_S = 120.0
_LOAD_REASONS = ("wall_limit", "crash")
"""What load, or a kernel short of memory, can cause: never final without one retry alone."""
_PAIRS_PER_WORKER = 32
"""A worker takes about a second to start; fewer pairs than this are not worth another one."""


def worker_count() -> int:
    """Most workers at a time: `DAST_WORKERS`, or the number of CPUs.

    Raises:
        GradingError: the variable is not a positive integer.
    """
    text = os.environ.get(_WORKERS_VARIABLE, "")
    if not text:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not text.isdigit() or int(text) < 1:
        raise GradingError(f"{_WORKERS_VARIABLE}={text}: not a positive integer; unset it to use every CPU")
    return int(text)


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    deadline: float
    task: int | None = None
    ready: bool = False
    buffer: bytearray = field(default_factory=bytearray)


class Pool:
    """Compares (reference, predicted) pairs; starts workers when there is something to compare."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._most = worker_count()
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def compare(
        self, pairs: Sequence[tuple[str, str]], advance: Callable[[int], None] = lambda count: None
    ) -> list[Outcome]:
        """Verdict and reason of each pair; `advance` is told of every one that is done.

        Raises:
            GradingError: a worker cannot be started.
        """
        outcomes: list[Outcome | None] = [None] * len(pairs)
        self._run(pairs, list(range(len(pairs))), outcomes, self._most, advance)
        for place, outcome in enumerate(outcomes):
            if outcome is not None and outcome[1] in _LOAD_REASONS:
                self._run(pairs, [place], outcomes, 1, lambda count: None)
        return [outcome for outcome in outcomes if outcome is not None]

    def close(self) -> None:
        """Ends every worker; the pool can be used again."""
        for worker in list(self._workers):
            self._end(worker)

    def _run(
        self,
        pairs: Sequence[tuple[str, str]],
        places: list[int],
        outcomes: list[Outcome | None],
        most: int,
        advance: Callable[[int], None],
    ) -> None:
        waiting = deque(places)
        left = len(places)
        while left:
            wanted = min(most, -(-left // _PAIRS_PER_WORKER))
            while len(self._workers) < wanted:
                self._start()
            for worker in self._workers[:most]:
                if worker.ready and worker.task is None and waiting:
                    self._give(worker, waiting.popleft(), pairs)
            for worker in self._reported():
                place, outcome = self._outcome(worker)
                if place is not None:
                    outcomes[place] = outcome
                    left -= 1
                    advance(1)

    def _start(self) -> None:
        paths = [str(Path(dast.__file__).resolve().parents[1]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "dast.equivalence.worker", str(self._timeout_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        worker = _Worker(process, time.monotonic() + _START_S)
        assert process.stdout is not None
        self._selector.register(process.stdout, selectors.EVENT_READ, worker)
        self._workers.append(worker)

    def _give(self, worker: _Worker, place: int, pairs: Sequence[tuple[str, str]]) -> None:
        worker.task = place
        worker.deadline = time.monotonic() + _WALL_FACTOR * self._timeout_s
        assert worker.process.stdin is not None
        # The end of a worker that died meanwhile is seen when its output is read.
        with contextlib.suppress(BrokenPipeError):
            worker.process.stdin.write(json.dumps(pairs[place]).encode() + b"\n")
            worker.process.stdin.flush()

    def _reported(self) -> list[_Worker]:
        """Workers that said something, ended, or passed their deadline; waits for the first."""
        busy = [worker for worker in self._workers if worker.task is not None or not worker.ready]
        wait = max(0.0, min(worker.deadline for worker in busy) - time.monotonic())
        reported: list[_Worker] = [key.data for key, _ in self._selector.select(wait)]
        now = time.monotonic()
        return reported + [worker for worker in busy if worker.deadline <= now and worker not in reported]

    def _outcome(self, worker: _Worker) -> tuple[int | None, Outcome | None]:
        if worker.deadline <= time.monotonic() and not self._readable(worker):
            place = worker.task
            self._end(worker)
            if place is None:
                raise GradingError(f"a grading worker did not start within {_START_S:.0f} s; the machine is overloaded")
            return place, ("ungraded", "wall_limit")
        assert worker.process.stdout is not None
        chunk = os.read(worker.process.stdout.fileno(), 65536)
        if not chunk:
            return self._ended(worker)
        worker.buffer += chunk
        if not worker.buffer.endswith(b"\n"):
            return None, None
        said = json.loads(bytes(worker.buffer))
        worker.buffer.clear()
        place, worker.task = worker.task, None
        if "ready" in said:
            worker.ready = True
            return None, None
        return place, (said["verdict"], said["reason"])

    def _readable(self, worker: _Worker) -> bool:
        return any(key.data is worker for key, _ in self._selector.select(0))

    def _ended(self, worker: _Worker) -> tuple[int | None, Outcome | None]:
        """The result that a dead worker leaves: its limit of CPU time, or a crash."""
        place = worker.task
        self._end(worker)
        code = worker.process.returncode
        if not worker.ready:
            raise GradingError(
                f"a grading worker ended with status {code} before its first comparison; "
                "run `python -m dast.equivalence.worker 1` to see why"
            )
        return place, ("ungraded", "time_limit" if code == -signal.SIGPROF else "crash")

    def _end(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        assert worker.process.stdin is not None
        assert worker.process.stdout is not None
        self._selector.unregister(worker.process.stdout)
        worker.process.kill()
        worker.process.wait()
        worker.process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            worker.process.stdin.close()
