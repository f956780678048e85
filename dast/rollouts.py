"""From wanted rollouts to the tables that record them.

Guarantees: batches are formed from the full list of wanted rollouts in an order that depends on nothing but that list,
and each is seeded by its own keys, so what one batch gives does not depend on where a run was interrupted. A finished
batch is handed to `keep` before the next one starts. Grain: one row a rollout.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from dast.engines.protocol import Engine, Item, Message, Response
from dast.params.sections import Decoding
from dast.progress import Progress
from dast.prompts import digest, prompt_digest
from dast.tables import PROMPTS, ROLLOUTS, SETTINGS, frame

log = logging.getLogger(__name__)

Row = dict[str, Any]
Keep = Callable[[list[Row]], None]
"""Takes the rows of one finished batch: the place where a store keeps them."""


@dataclass
class Recorder:
    """Generates wanted rollouts with one policy, and holds every row, prompt and setting of them."""

    engine: Engine
    policy: str
    seed: int
    batch_rollouts: int
    rows: list[Row] = field(default_factory=list)
    prompts: dict[str, Sequence[Message]] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    def collect(self, items: Sequence[Item], decoding: Decoding, what: str) -> list[Row]:
        """Rows of the wanted rollouts that the engine gave, in no particular order."""
        settings_digest = self._register(items, decoding)
        before = len(self.rows)
        with Progress(what, len(items), "rollouts") as progress:
            for batch in batches(items, self.batch_rollouts):
                seed = batch_seed(batch, self.seed, settings_digest)
                done = self.engine.generate(batch, decoding, seed)
                self.keep([_row(item, response, self.policy, settings_digest) for item, response in done])
                progress.advance(len(batch))
        return self.rows[before:]

    def keep(self, rows: list[Row]) -> None:
        """Keeps one finished batch."""
        self.rows += rows

    def rollouts_table(self) -> pl.DataFrame:
        """Every kept rollout (ROLLOUTS)."""
        return frame(ROLLOUTS, self.rows)

    def prompts_table(self) -> pl.DataFrame:
        """Every prompt that was sent (PROMPTS)."""
        return frame(PROMPTS, [{"prompt_digest": key, "messages": list(value)} for key, value in self.prompts.items()])

    def settings_table(self) -> pl.DataFrame:
        """Every set of sampling settings (SETTINGS), as JSON."""
        return frame(SETTINGS, [{"settings_digest": key, "settings": value} for key, value in self.settings.items()])

    def _register(self, items: Iterable[Item], decoding: Decoding) -> str:
        settings = {"engine": self.engine.name, "seed": self.seed, **decoding.model_dump()}
        key = digest(settings)
        self.settings[key] = json.dumps(settings, sort_keys=True)
        self.prompts.update({item.prompt_digest: item.messages for item in items})
        return key


def wanted(query_id: str, step: str, indices: Iterable[int], messages: Sequence[Message]) -> list[Item]:
    """Items for samples `indices` of one query under one prompt."""
    key = prompt_digest(messages)
    return [Item(query_id, step, index, key, messages) for index in indices]


def batches(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    """Batches of at most `size`, prompts of like length together (padding costs time), the same for any input order."""
    ordered = sorted(items, key=lambda item: (_length(item.messages), item.query_id, item.step, item.sample_index))
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def batch_seed(batch: Sequence[Item], seed: int, settings_digest: str) -> int:
    """A seed of 31 bits that follows from the batch's keys alone."""
    keys = [[item.query_id, item.prompt_digest, item.step, item.sample_index] for item in batch]
    return int(digest([seed, settings_digest, keys])[:8], 16) & 0x7FFFFFFF


def rollout_id(item: Item, policy: str, settings_digest: str) -> str:
    """16 hex digits that name a rollout by what determines it, so that rounds can be joined without a clash."""
    return digest([policy, item.query_id, item.prompt_digest, settings_digest, item.step, item.sample_index])


def _row(item: Item, response: Response, policy: str, settings_digest: str) -> Row:
    return {
        "query_id": item.query_id,
        "rollout_id": rollout_id(item, policy, settings_digest),
        "step": item.step,
        "sample_index": item.sample_index,
        "prompt_digest": item.prompt_digest,
        "settings_digest": settings_digest,
        "policy": policy,
        "response": response.text,
        "n_prompt_tokens": response.n_prompt_tokens,
        "n_tokens": response.n_tokens,
        "n_hint_tokens": 0,
        "finish_reason": response.finish_reason,
    }


def _length(messages: Sequence[Message]) -> int:
    return sum(len(message["content"]) for message in messages)
