"""An engine that generates nothing: it hands out the responses that were recorded in a pool.

Guarantees: sample `i` of a query is its response with `pool_index` `i`, always; beyond the pool nothing comes, and the
caller sees a query exhausted; none goes on from a start. Decoding and seed have no effect. Token counts are unknown.
Grain: one response an item.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from dast.engines.protocol import Item, Response
from dast.engines.starts import start_of
from dast.params.decoding import Decoding


class RecordedEngine:
    """Serves a POOL table; see the module's guarantees."""

    name = "recorded"

    def __init__(self, pool: pl.DataFrame) -> None:
        columns = pool.select("query_id", "pool_index", "response")
        self._responses = {(query_id, index): response for query_id, index, response in columns.iter_rows()}

    def generate(self, batch: Sequence[Item], decoding: Decoding, seed: int) -> Iterator[tuple[Item, Response]]:
        """Recorded responses in the batch's order; items beyond the pool are left out."""
        for item in batch:
            text = self._responses.get((item.query_id, item.sample_index))
            if text is not None and start_of(item.messages) is None:
                yield item, Response(text=text, n_prompt_tokens=None, n_tokens=None, finish_reason="recorded")
