"""Stores, recorders and an engine whose text depends on the whole batch, for tests of what is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from dast.engines.protocol import Item, Response
from dast.frames import write
from dast.params.decoding import Decoding
from dast.rollouts import Recorder, wanted
from dast.store.blocks import Asker
from dast.store.keeping import Store
from dast.tables import ROLLOUTS
from tests.makers import default_settings

DECODING = default_settings().sample.decoding
SIZE = 4


class StoppedError(Exception):
    """What `BatchEngine` raises when it has given what it was to give."""


class BatchEngine:
    """As sampling on a CPU is: text follows from the seed, from every item of the batch and from the item's place."""

    name = "transformers"

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after = stop_after
        self.batches: list[list[tuple[str, int]]] = []
        self.n_given = 0

    def generate(self, batch: Sequence[Item], decoding: Decoding, seed: int) -> Iterator[tuple[Item, Response]]:
        self.batches.append([(item.query_id, item.sample_index) for item in batch])
        whole = f"{seed} {decoding} {[item.messages for item in batch]}"
        for place, item in enumerate(batch):
            if self.n_given == self.stop_after:
                raise StoppedError
            self.n_given += 1
            text = hashlib.sha256(f"{whole} {place}".encode()).hexdigest()
            yield item, Response(text, 3, 1 + place % 7, "stop")


def asked(n_queries: int, k: int, first: int = 0, step: str = "sample") -> list[Item]:
    """Items for samples first..k of each query; prompts of different lengths."""
    return [
        item
        for number in range(n_queries)
        for item in wanted(
            f"q{number:03}", step, range(first, k), [{"role": "user", "content": f"{number}." * (1 + number % 4)}]
        )
    ]


def recorder(
    folder: Path | Store, engine: object, *, seed: int = 1, size: int = SIZE, policy: str = "f" * 64, **more: object
) -> Recorder:
    """A recorder of round r1's sample stage."""
    store = folder if isinstance(folder, Store) else Store(folder)
    about = {"policy": policy, "dtype": "float32"}
    return Recorder(engine, "base", seed, size, about, store, Asker("base", "r1", "sample"), **more)  # type: ignore[arg-type]


def sampled(folder: Path, items: list[Item], engine: object, **more: object) -> bytes:
    """One run of a stage: bytes of the table that it writes."""
    with Store(folder) as store:
        rows = recorder(store, engine, **more).collect(items, DECODING, "rollouts")
    write(ROLLOUTS, rows, folder / "table.parquet")
    return (folder / "table.parquet").read_bytes()


def broken_off(folder: Path, items: list[Item], stop_after: int, **more: object) -> None:
    """A run that ends after so many responses."""
    try:
        sampled(folder, items, BatchEngine(stop_after), **more)
    except StoppedError:
        return
