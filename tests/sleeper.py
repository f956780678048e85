"""Engines for workers in other processes, which import them from here: sleeping, dying, refusing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dast.engines.protocol import Engine, Item, Response
from dast.errors import EngineError, ModelError
from dast.params.decoding import Decoding


class Sleeper(Engine):
    """Takes ten milliseconds an item; `fate` may end its process or raise before it answers."""

    name = "sleeper"

    def __init__(self, fate: Callable[[Sequence[Item]], None] = lambda _: None) -> None:
        self.fate = fate

    def generate(self, batch: Sequence[Item], decoding: Decoding, seed: int) -> Iterator[tuple[Item, Response]]:
        time.sleep(0.01 * len(batch))
        self.fate(batch)
        for place, item in enumerate(batch):
            yield item, Response(f"{item.query_id} {seed + place}", 1, 1, "stop")


def killed_once(mark: Path) -> Callable[[Sequence[Item]], None]:
    """The first process to come here dies of it."""

    def fate(_: Sequence[Item]) -> None:
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    return fate


def killed_by(query_id: str) -> Callable[[Sequence[Item]], None]:
    def fate(batch: Sequence[Item]) -> None:
        if any(item.query_id == query_id for item in batch):
            os.kill(os.getpid(), signal.SIGKILL)

    return fate


def refuse(_: Sequence[Item]) -> None:
    raise EngineError("the engine of this worker is dead")


def no_model() -> Engine:
    raise ModelError("models/r9: no model there")
