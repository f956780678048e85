"""The same engine several times, by Ray: on one machine's devices, or on a cluster.

Guarantees: a batch is cut into chunks that depend on the batch alone, so neither the number of workers nor which of
them die changes what is asked; the chunk of a worker that died, or whose engine did, goes to another one, a new worker
takes its place, and responses of other chunks are handed on meanwhile. A chunk that no worker could do ends the stage.

Workers are actors that live as long as the stage. Ray Data was tried for it: `map_batches` makes its actors anew for
each batch that is to be kept (two runs, four actors: the model is loaded again each time), and waits for ever where
they take all CPUs of the cluster. Grain: one response an item, which comes with its chunk.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read on import
import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

import dast
from dast.engines.protocol import Engine, Item, Response
from dast.errors import DastError, EngineError
from dast.params.decoding import Decoding
from dast.params.engines import RayPool

log = logging.getLogger(__name__)

TRIES_OF_A_CHUNK = 3
"""Workers that may die of one chunk, or whose engine may fail on it, before it ends the stage."""
SECONDS_BETWEEN_LOOKS = 5.0


class Worker:
    """One engine in a process of its own."""

    def start(self, open_inner: Callable[[], Engine]) -> str:
        """Opens the engine; its name."""
        self._engine = open_inner()
        return self._engine.name

    def generate(self, chunk: Sequence[Item], decoding: Decoding, seed: int) -> list[tuple[int, Response]]:
        """Responses, each with its item's place in the chunk."""
        places = {id(item): place for place, item in enumerate(chunk)}
        return [(places[id(item)], response) for item, response in self._engine.generate(chunk, decoding, seed)]


class RayEngine(Engine):
    """See the module's guarantees."""

    name = "ray"

    def __init__(self, pool: RayPool, open_inner: Callable[[], Engine]) -> None:
        self._pool, self._open_inner = pool, open_inner
        _connect()
        self._actor = ray.remote(num_cpus=pool.cpus_per_worker, num_gpus=pool.gpus_per_worker)(Worker)
        self._starting: dict[Any, Any] = {}
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, int]] = {}
        self._n_deaths = 0
        self._last_sign_of_life = time.monotonic()
        log.info("ray engine: %d workers wanted on %s", pool.workers, _resources())
        self._staff()

    def generate(self, batch: Sequence[Item], decoding: Decoding, seed: int) -> Iterator[tuple[Item, Response]]:
        """Responses of one batch, chunk by chunk, in the order in which workers end."""
        size = self._pool.chunk_rollouts
        chunks = [batch[start : start + size] for start in range(0, len(batch), size)]
        todo, tries = deque(range(len(chunks))), Counter[int]()
        n_open = len(chunks)

        def hand_out() -> None:
            while todo and self._idle:
                number = todo.popleft()
                self._give(number, chunks[number], decoding, (seed + number * size) & 0x7FFFFFFF)

        while n_open:
            self._staff()
            hand_out()
            for ref in self._ended():
                number, answers = self._take(ref, tries)
                if answers is None:
                    todo.appendleft(number)
                    continue
                n_open -= 1
                hand_out()  # the worker goes on while its responses are graded and kept
                yield from ((chunks[number][place], response) for place, response in answers)

    def close(self) -> None:
        """Ends the workers."""
        for worker in [*self._starting.values(), *self._idle, *(worker for worker, _ in self._busy.values())]:
            ray.kill(worker)
        self._starting, self._idle, self._busy = {}, [], {}

    def _staff(self) -> None:
        missing = self._pool.workers - len(self._starting) - len(self._idle) - len(self._busy)
        for _ in range(missing):
            worker = self._actor.remote()
            self._starting[worker.start.remote(self._open_inner)] = worker

    def _give(self, number: int, chunk: Sequence[Item], decoding: Decoding, seed: int) -> None:
        worker = self._idle.pop()
        self._busy[worker.generate.remote(list(chunk), decoding, seed)] = worker, number

    def _ended(self) -> list[Any]:
        """Chunks whose worker has ended them, or itself; workers that have started are put to use on the way."""
        refs = [*self._busy, *self._starting]
        done, _ = ray.wait(refs, num_returns=1, timeout=SECONDS_BETWEEN_LOOKS)
        for ref in done:
            if ref in self._starting:
                self._welcome(ref)
        if self._busy or self._idle:
            self._last_sign_of_life = time.monotonic()
        elif time.monotonic() - self._last_sign_of_life > self._pool.start_timeout_s:
            wish = f"{self._pool.cpus_per_worker:g} CPUs and {self._pool.gpus_per_worker:g} GPUs"
            raise EngineError(
                f"generation.ray: no worker started in {self._pool.start_timeout_s:.0f} s; each wants {wish}, "
                f"and there are {_resources()}; ask for less there, or wait longer (start_timeout_s)"
            )
        return [ref for ref in done if ref in self._busy]

    def _welcome(self, ref: Any) -> None:
        worker = self._starting.pop(ref)
        try:
            name = ray.get(ref)
        except RayTaskError as error:
            if isinstance(error.cause, DastError):
                raise type(error.cause)(str(error.cause)) from error
            self._bury(worker, error)
        except RayError as error:
            self._bury(worker, error)
        else:
            log.info("ray engine: a worker with %s is ready", name)
            self._idle.append(worker)

    def _take(self, ref: Any, tries: Counter[int]) -> tuple[int, list[tuple[int, Response]] | None]:
        worker, number = self._busy.pop(ref)
        try:
            answers: list[tuple[int, Response]] = ray.get(ref)
        except RayError as error:
            tries[number] += 1
            self._bury(worker, error)
            if tries[number] >= TRIES_OF_A_CHUNK:
                raise _given_up(error, self._pool.chunk_rollouts) from error
            return number, None
        self._idle.append(worker)
        return number, answers

    def _bury(self, worker: Any, error: RayError) -> None:
        ray.kill(worker)  # its process may live on with an engine that does not
        self._n_deaths += 1
        log.warning("a worker died (%d so far): %s; another takes over", self._n_deaths, _why(error))
        if self._n_deaths > self._pool.max_deaths:
            raise EngineError(
                f"generation.ray.max_deaths: {self._n_deaths} workers died, the last by {_why(error)}; see Ray's logs"
            ) from error


def _connect() -> None:
    """Joins the cluster of RAY_ADDRESS, or one that runs on this machine, or starts one here."""
    if ray.is_initialized():
        return
    code = str(Path(dast.__file__).parent)  # so that workers on other machines run this code, whatever lies there
    try:
        ray.init(log_to_driver=False, logging_level=logging.WARNING, runtime_env={"py_modules": [code]})
    except (ConnectionError, RuntimeError, ValueError) as error:
        told = " ".join(str(error).split())[:200]
        raise EngineError(
            f"RAY_ADDRESS={os.environ.get('RAY_ADDRESS', '')}: no Ray cluster there; start one "
            f"(ray start --head), or unset it to use this machine alone ({told})"
        ) from error


def _resources() -> str:
    total = ray.cluster_resources()
    return f"{total.get('CPU', 0):g} CPUs and {total.get('GPU', 0):g} GPUs"


def _why(error: RayError) -> str:
    cause = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(cause, RayActorError):  # ten lines, of which these name the place and the reason
        told = [
            line.strip() for line in str(cause).splitlines() if line.strip().startswith(("pid:", "ip:", "The actor"))
        ]
        return " ".join(told).partition(" Worker exit")[0][:200]
    return f"{type(cause).__name__}: {' '.join(str(cause).split())[:200]}"


def _given_up(error: RayError, chunk_rollouts: int) -> Exception:
    """What ends the stage: the engine's own fault as it is, or that a chunk kills its workers."""
    if isinstance(error, RayTaskError):
        cause = error.cause
        return type(cause)(str(cause)) if isinstance(cause, DastError) else error
    return EngineError(
        f"generation.ray.chunk_rollouts: {TRIES_OF_A_CHUNK} workers died of one chunk of {chunk_rollouts}; "
        f"if memory is short, make it smaller ({_why(error)})"
    )
