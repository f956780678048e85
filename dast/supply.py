"""Where rollouts come from: the store for those that are kept, the engine for those that are not.

Guarantees: nothing is generated that the store holds, and nothing at all in a replay; what is generated is kept before
more is; a run is refused before it starts, or after its first batch, when the disk cannot take what it will write.
Grain: one row a draw.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from dast.engines.protocol import Engine, Message
from dast.errors import StoreError
from dast.generating import GENERATED, Cost, Draw, Work
from dast.params.decoding import Decoding
from dast.progress import SamplingProgress, duration, size
from dast.samplers import Sampler
from dast.store.blocks import Asker, batch_of_rows, with_seconds
from dast.store.keeping import Store

log = logging.getLogger(__name__)

REPLAY_VARIABLE = "DAST_REPLAY"
"""1 refuses to generate: a missing rollout ends the stage."""

RECORDED = "recorded"
"""Name of the engine that generates nothing: what it gives belongs to a query, and passes the store by."""

GIVEN = ("response", "n_prompt_tokens", "n_tokens", "finish_reason", "seconds")
"""Columns of a rollout that are not its name."""

Prompts = Mapping[str, Sequence[Message]]
"""Messages by prompt digest."""

COPIES = 3
"""A rollout lies in the store, in its stage's table and in the next one's: what room is foreseen for."""


@dataclass(frozen=True)
class Order:
    """What one call wants: draws by one sampler."""

    draws: Sequence[Draw]
    sampler: Sampler
    decoding: Decoding
    seed: int
    what: str
    """For messages."""

    @cached_property
    def table(self) -> pl.DataFrame:
        """One row a draw, in order."""
        items = [one.item for one in self.draws]
        return pl.DataFrame(
            {
                "query_id": [item.query_id for item in items],
                "step": [item.step for item in items],
                "sample_index": [item.sample_index for item in items],
                "prompt_digest": [item.prompt_digest for item in items],
                "draw": [one.draw for one in self.draws],
            },
            schema_overrides={"query_id": pl.String, "sample_index": pl.Int32, "draw": pl.Int32},
        )


@dataclass
class Supply:
    """Kept and generated rollouts of one policy."""

    engine: Engine
    batch_rollouts: int
    store: Store | None
    asker: Asker
    replay: bool
    _n_bytes: int = 0
    """Written to the store by the call in progress."""

    @property
    def names(self) -> list[str]:
        """Columns that name a rollout within its sampler."""
        return ["query_id", "sample_index"] if self.engine.name == RECORDED else ["prompt_digest", "draw"]

    def give(self, order: Order) -> pl.DataFrame:
        """What is there of the wanted rollouts, each once: `names` and `GIVEN`.

        Raises:
            StoreError: a replay that lacks some; a store or disk that cannot take them.
        """
        wanted = order.table
        given = self._kept(order, wanted)
        missing = self._missing(wanted, given)
        if not missing.is_empty() and self.store is not None:
            if self.replay:
                raise StoreError(self._lacking(order, wanted, missing))
            if self.store.start_writing():  # another process may have written before
                given = self._kept(order, wanted)
                missing = self._missing(wanted, given)
        if self.store is not None:
            self._tell(order, wanted, given, missing)
        return given if missing.is_empty() else pl.concat([given, *self._generated(order, wanted, given, missing)])

    def _tell(self, order: Order, wanted: pl.DataFrame, given: pl.DataFrame, missing: pl.DataFrame) -> None:
        n_wanted, n_queries = given.height + missing.height, wanted.get_column("query_id").n_unique()
        told = "all kept in the store"
        if not missing.is_empty():
            n_batches = -(-missing.height // self.batch_rollouts)
            told = f"{given.height:,} kept, {missing.height:,} to generate in {n_batches:,} batches"
        log.info("%s of %s queries: %s", f"{n_wanted:,} {order.what}", f"{n_queries:,}", told)

    def _kept(self, order: Order, wanted: pl.DataFrame) -> pl.DataFrame:
        if self.store is None:
            return self._shape(pl.DataFrame(schema={**GENERATED, "seconds": pl.Float32}))
        return self._shape(self.store.kept(order.sampler, wanted.select(self.names).unique()))

    def _missing(self, wanted: pl.DataFrame, given: pl.DataFrame) -> pl.DataFrame:
        lacking = wanted.with_row_index("row").join(given, on=self.names, how="anti")
        return lacking.unique(self.names, keep="first", maintain_order=True)

    def _shape(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.select(*self.names, *GIVEN)

    def _generated(
        self, order: Order, wanted: pl.DataFrame, given: pl.DataFrame, missing: pl.DataFrame
    ) -> list[pl.DataFrame]:
        draws = [order.draws[row] for row in missing.get_column("row")]
        prompts = {one.item.prompt_digest: one.item.messages for one in draws}
        parts: list[pl.DataFrame] = []

        def keep(rows: pl.DataFrame, seconds: float) -> None:
            parts.append(self._keep(rows, seconds, order.sampler, prompts))

        self._n_bytes = 0
        self._foresee_first(order, len(draws))
        unfinished = set(missing.get_column("prompt_digest"))
        per_prompt = Counter(prompt for _, prompt in wanted.select("query_id", "prompt_digest").unique().iter_rows())
        n_done = sum(count for prompt, count in per_prompt.items() if prompt not in unfinished)
        with SamplingProgress(
            order.what, given.height + missing.height, given.height, per_prompt.total(), n_done
        ) as progress:
            work = Work(self.engine, order.decoding, order.seed, order.sampler.digest, keep, progress, per_prompt)
            for number, cost in enumerate(work.run(draws, self.batch_rollouts)):
                if number == 0 and cost.n_rollouts < len(draws):
                    self._foresee_rest(order, cost, len(draws) - cost.n_rollouts)
        return parts

    def _keep(self, rows: pl.DataFrame, seconds: float, sampler: Sampler, prompts: Prompts) -> pl.DataFrame:
        timed = with_seconds(rows, seconds)
        if self.store is not None:
            # A request that failed is no rollout: the next run asks again. A prompt that is too long stays too long.
            failed = (pl.col("finish_reason") == "error") & pl.col("n_tokens").is_null()
            kept = timed.filter(~failed)
            if not kept.is_empty():
                texts = {key: json.dumps(prompts[key], ensure_ascii=False) for key in kept["prompt_digest"].unique()}
                self._n_bytes += self.store.keep(batch_of_rows(kept, sampler, self.asker, texts))
        return self._shape(timed)

    def _foresee_first(self, order: Order, n_missing: int) -> None:
        if self.store is not None:
            # A token takes about one byte, compressed, of the store; few responses are as long as they may be.
            each = self.store.bytes_per_rollout() or order.decoding.max_new_tokens / 2
            self.store.require_room(int(each * n_missing * COPIES), f"{n_missing:,} {order.what}")

    def _foresee_rest(self, order: Order, cost: Cost, n_left: int) -> None:
        if self.engine.name == RECORDED:
            return
        share = n_left / cost.n_rollouts
        log.info(
            "%s: forecast from the first batch (%s rollouts, %s): %s more, about %s tokens, %s (%s tokens/s)%s",
            *(order.what, f"{cost.n_rollouts:,}", duration(cost.seconds), f"{n_left:,}"),
            *(f"{cost.n_tokens * share:,.0f}", duration(cost.seconds * share)),
            f"{cost.n_tokens / max(cost.seconds, 1e-9):,.0f}",
            f", {size(self._n_bytes * share)} in the store" if self.store is not None else "",
        )
        if self.store is not None:
            self.store.require_room(int(self._n_bytes * share * COPIES), f"{n_left:,} more {order.what}")

    def _lacking(self, order: Order, wanted: pl.DataFrame, missing: pl.DataFrame) -> str:
        assert self.store is not None
        n_wanted = wanted.select(self.names).n_unique()
        others = self.store.engines(order.sampler.policy) - {self.engine.name}
        hint = f"; it has some of this policy by {', '.join(sorted(others))}: set generation.engine" if others else ""
        return (
            f"{order.what}: a replay lacks {missing.height:,} of {n_wanted:,} rollouts, of "
            f"{missing['query_id'].n_unique():,} queries, of policy {self.asker.policy_name} by {self.engine.name}, in "
            f"{self.store.folder}{hint}; import them with `dast store import`, or unset {REPLAY_VARIABLE}"
        )


def is_replay() -> bool:
    """What `DAST_REPLAY` says.

    Raises:
        StoreError: neither a yes nor a no.
    """
    text = os.environ.get(REPLAY_VARIABLE, "")
    if text not in ("", "0", "1"):
        raise StoreError(f"{REPLAY_VARIABLE}={text}: use 1 to refuse to generate, or 0")
    return text == "1"
