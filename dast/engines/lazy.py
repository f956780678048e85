"""An engine that is opened by its first batch, so that a stage without one reads no weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from dast.engines.protocol import Engine, Item, Response
from dast.params.decoding import Decoding


class LazyEngine(Engine):
    """The engine behind `open_engine`, which must have this name."""

    def __init__(self, name: str, open_engine: Callable[[], Engine]) -> None:
        self.name = name
        self._open = open_engine
        self._engine: Engine | None = None

    def generate(self, batch: Sequence[Item], decoding: Decoding, seed: int) -> Iterator[tuple[Item, Response]]:
        """What the opened engine gives."""
        if self._engine is None:
            self._engine = self._open()
        return self._engine.generate(batch, decoding, seed)
