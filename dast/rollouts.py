"""From wanted rollouts to the tables that record them.

Guarantees: a rollout is named by its sampler, prompt and draw, so what one round generated serves every other, and two
queries with one prompt share its draws. A started response is kept as its continuation and recorded whole; its tokens
are the generated ones. Tables depend on what was wanted and on what the store held at the start, not on where a run was
interrupted. Grain: one row a rollout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from dast.engines.protocol import Engine, Item, Message
from dast.engines.starts import joined, start_of
from dast.frames import frame
from dast.generating import Draw
from dast.params.decoding import Decoding
from dast.policies.counting import BY_CHARACTERS, TokenCounter
from dast.prompts import prompt_digest
from dast.samplers import rollout_id, sampler_of
from dast.store.blocks import NOBODY, Asker
from dast.store.keeping import Store
from dast.supply import Order, Supply
from dast.tables import PROMPTS, ROLLOUTS, SETTINGS

_TIMED = {**ROLLOUTS.schema, "seconds": pl.Float32}


@dataclass
class Recorder:
    """Gives wanted rollouts of one policy, and holds every row, prompt and setting of them."""

    engine: Engine
    policy: str
    seed: int
    batch_rollouts: int
    about: Mapping[str, Any] = field(default_factory=dict)
    """`text_settings` of the policy."""
    store: Store | None = None
    """Where rollouts are kept beyond this run; None keeps none."""
    asker: Asker = NOBODY
    replay: bool = False
    """Refuse to generate: a missing rollout ends the stage."""
    count: TokenCounter = BY_CHARACTERS
    """Tokens of a text, for the starts of responses."""
    prompts: dict[str, Sequence[Message]] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    drawn: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """How often each query's prompt was drawn already, by query, prompt and settings."""
    parts: list[pl.DataFrame] = field(default_factory=list)
    """ROLLOUTS and `seconds`: what generating each rollout took, when it was generated."""

    def count_earlier(self, rollouts: pl.DataFrame) -> None:
        """Counts the rollouts of an earlier stage as drawn, so that none of them is given again."""
        self.drawn.update(rollouts.select("query_id", "prompt_digest", "settings_digest").iter_rows())

    def collect(self, items: Sequence[Item], decoding: Decoding, what: str) -> pl.DataFrame:
        """The wanted rollouts that the store held or the engine gave (ROLLOUTS), in no particular order.

        Raises:
            StoreError: a replay that lacks some, or a store or disk that cannot take what is generated.
        """
        if not items:
            return frame(ROLLOUTS, [])
        sampler = sampler_of(self.about, self.engine.name, self.seed, decoding)
        self.settings[sampler.digest] = sampler.settings
        self.prompts.update({item.prompt_digest: item.messages for item in items})
        order = Order(list(self._draws(items, sampler.digest)), sampler, decoding, self.seed, what)
        supply = Supply(self.engine, self.batch_rollouts, self.store, self.asker, self.replay)
        rows = self._rows(order.table.join(supply.give(order), on=supply.names), sampler.digest)
        self.parts.append(rows)
        return rows.select(ROLLOUTS.schema.keys())

    def rollouts_table(self) -> pl.DataFrame:
        """Every rollout that was collected (ROLLOUTS)."""
        return self._timed().select(ROLLOUTS.schema.keys())

    def seconds_table(self) -> pl.DataFrame:
        """What generating each rollout took, when it was generated: query_id, rollout_id, seconds."""
        return self._timed().select("query_id", "rollout_id", "seconds")

    def cost(self) -> dict[str, Any]:
        """Tokens of all rollouts, and the seconds that generating them took when they were generated."""
        return {name: self._timed().get_column(name).sum() for name in ("n_prompt_tokens", "n_tokens", "seconds")}

    def prompts_table(self) -> pl.DataFrame:
        """Every prompt that was sent (PROMPTS)."""
        return frame(PROMPTS, [{"prompt_digest": key, "messages": list(value)} for key, value in self.prompts.items()])

    def settings_table(self) -> pl.DataFrame:
        """Every set of sampling settings (SETTINGS), as JSON."""
        return frame(SETTINGS, [{"settings_digest": key, "settings": value} for key, value in self.settings.items()])

    def _timed(self) -> pl.DataFrame:
        return pl.concat([pl.DataFrame(schema=_TIMED), *self.parts])

    def _draws(self, items: Iterable[Item], settings_digest: str) -> Iterator[Draw]:
        for item in sorted(items, key=lambda item: (item.query_id, item.sample_index)):
            name = (item.query_id, item.prompt_digest, settings_digest)
            yield Draw(item, self.drawn[name])
            self.drawn[name] += 1

    def _rows(self, found: pl.DataFrame, settings_digest: str) -> pl.DataFrame:
        names = found.select("query_id", "prompt_digest", "draw").iter_rows()
        ids = [rollout_id(query_id, settings_digest, prompt, draw) for query_id, prompt, draw in names]
        whole = self._with_starts(found).with_columns(
            pl.Series("rollout_id", ids, dtype=pl.String),
            settings_digest=pl.lit(settings_digest),
            policy=pl.lit(self.policy),
        )
        return whole.select(_TIMED.keys()).cast(pl.Schema(_TIMED))

    def _with_starts(self, found: pl.DataFrame) -> pl.DataFrame:
        """Whole responses, and `n_hint_tokens` of their starts; a row that ended in `error` has no response."""
        starts = {}
        for key in found.get_column("prompt_digest").unique():
            if (start := start_of(self.prompts[key])) is not None:
                starts[key] = start
        if not starts:
            return found.with_columns(n_hint_tokens=pl.lit(0))
        n_tokens = dict(zip(starts, self.count.many(list(starts.values())), strict=True))
        rows = found.select("prompt_digest", "response", "finish_reason").iter_rows()
        whole = [joined(starts[key], text) if key in starts and end != "error" else text for key, text, end in rows]
        return found.with_columns(
            pl.Series("response", whole, dtype=pl.String),
            n_hint_tokens=pl.col("prompt_digest").replace_strict(n_tokens, default=0, return_dtype=pl.Int32),
        )


def wanted(query_id: str, step: str, indices: Iterable[int], messages: Sequence[Message]) -> list[Item]:
    """Items for samples `indices` of one query under one prompt."""
    key = prompt_digest(messages)
    return [Item(query_id, step, index, key, messages) for index in indices]
