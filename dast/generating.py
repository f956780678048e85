"""Generating what is missing, batch by batch.

Guarantees: batches are formed from the missing draws in an order that depends on their keys alone, each is seeded by
its own keys, and each is kept whole before the next one starts. All batches but the last are equally large, so what is
missing after an interruption falls into the same batches again, whichever of them were done. An engine that does not
give a batch's text again anyway hands over what it has every few seconds, and when it fails. Grain: one batch.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import polars as pl

from dast.engines.protocol import Engine, Item, Message, Response
from dast.params.decoding import Decoding
from dast.progress import SamplingProgress
from dast.prompts import digest

REPEATABLE = frozenset({"transformers"})
"""Engines whose batch gives the same text again on one device: theirs are kept whole or not at all."""

HAND_OVER_S = 10.0
"""Other engines' responses are kept at least this often, in seconds."""

GENERATED: dict[str, pl.DataType | type[pl.DataType]] = {
    "query_id": pl.String,
    "sample_index": pl.Int32,
    "prompt_digest": pl.String,
    "draw": pl.Int32,
    "response": pl.String,
    "n_prompt_tokens": pl.Int32,
    "n_tokens": pl.Int32,
    "finish_reason": pl.String,
}
"""Columns of what is handed over to be kept."""

Row = dict[str, Any]

Keep = Callable[[pl.DataFrame, float], None]
"""Takes rows (`GENERATED`) and the seconds that they took."""


class Cost(NamedTuple):
    """What a batch took."""

    n_rollouts: int
    n_tokens: int
    seconds: float


class Draw(NamedTuple):
    """A wanted rollout, and which draw of its prompt it is."""

    item: Item
    draw: int


def batches(draws: Sequence[Draw], size: int) -> list[list[Draw]]:
    """Batches of at most `size`, prompts of like length together (padding costs time), the same for any input order."""
    ordered = sorted(
        draws, key=lambda one: (_length(one.item.messages), one.item.prompt_digest, one.draw, one.item.query_id)
    )
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def batch_seed(batch: Sequence[Draw], seed: int, settings_digest: str) -> int:
    """A seed of 31 bits that follows from the batch's keys alone."""
    keys = [[one.item.prompt_digest, one.draw] for one in batch]
    return int(digest([seed, settings_digest, keys])[:8], 16) & 0x7FFFFFFF


@dataclass
class Work:
    """What one call has to generate, and where it goes."""

    engine: Engine
    decoding: Decoding
    seed: int
    settings_digest: str
    keep: Keep
    progress: SamplingProgress
    queries_of: Mapping[str, int]
    """How many queries have each prompt."""
    rows: list[Row] = field(default_factory=list)
    """Generated, and not handed over yet."""
    left: Counter[str] = field(default_factory=Counter)
    """Draws of each prompt that are not generated yet."""

    def run(self, draws: Sequence[Draw], size: int) -> Iterator[Cost]:
        """Generates every draw; tells what each batch cost once it is kept.

        The first batch is the middle one: its prompts are of middling length, so what it cost foretells the others.
        """
        self.left.update(one.item.prompt_digest for one in draws)
        queue = batches(draws, size)
        for batch in [queue.pop((len(queue) - 1) // 2), *queue]:
            yield self._run(batch)

    def _run(self, batch: Sequence[Draw]) -> Cost:
        draw_of = {_name(one.item): one.draw for one in batch}
        seed = batch_seed(batch, self.seed, self.settings_digest)
        done = self.engine.generate([one.item for one in batch], self.decoding, seed)
        clock = Clock()  # an engine that was opened by this call is not part of what the batch cost
        n_tokens = 0
        try:
            for item, response in done:
                self.rows.append(_row(item, draw_of[_name(item)], response))
                n_tokens += response.n_tokens or 0
                if self.engine.name not in REPEATABLE and clock.lap >= HAND_OVER_S:
                    self._hand_over(clock.turn())
        except BaseException:
            if self.engine.name not in REPEATABLE:
                self._hand_over(clock.turn())
            raise
        self._hand_over(clock.turn())
        return Cost(len(batch), n_tokens, clock.total)

    def _hand_over(self, seconds: float) -> None:
        rows = self.rows
        if not rows:
            return
        table = pl.DataFrame(rows, schema=GENERATED)
        self.rows = []
        self.keep(table, seconds)
        finished = 0
        for row in rows:
            self.left[row["prompt_digest"]] -= 1
            finished += self.queries_of[row["prompt_digest"]] if not self.left[row["prompt_digest"]] else 0
        self.progress.advance_rollouts(len(rows), sum(row["n_tokens"] or 0 for row in rows), finished)


class Clock:
    """Seconds in all, and since the last turn."""

    def __init__(self) -> None:
        self._start = self._turn = time.monotonic()

    @property
    def total(self) -> float:
        """Since the start."""
        return time.monotonic() - self._start

    @property
    def lap(self) -> float:
        """Since the last turn."""
        return time.monotonic() - self._turn

    def turn(self) -> float:
        """The lap, which ends."""
        lap, self._turn = self.lap, time.monotonic()
        return lap


def _name(item: Item) -> tuple[str, int, str]:
    # An engine may give back another object: it may have crossed a process.
    return item.query_id, item.sample_index, item.prompt_digest


def _row(item: Item, draw: int, response: Response) -> Row:
    return {
        "query_id": item.query_id,
        "sample_index": item.sample_index,
        "prompt_digest": item.prompt_digest,
        "draw": draw,
        "response": response.text,
        "n_prompt_tokens": response.n_prompt_tokens,
        "n_tokens": response.n_tokens,
        "finish_reason": response.finish_reason,
    }


def _length(messages: Sequence[Message]) -> int:
    return sum(len(message["content"]) for message in messages)
