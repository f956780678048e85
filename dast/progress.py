"""Progress of a long step: a bar with rate and time left on a terminal, a log line every so often elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 30.0


class Progress:
    """Counts `unit`s done of `total`; use as a context manager."""

    def __init__(self, what: str, total: int, unit: str) -> None:
        self._what, self._total, self._unit = what, total, unit
        self._done = 0
        self._start = self._last_line = time.monotonic()
        self._bar = (
            tqdm(total=total, desc=what, unit=unit[:-1] if unit.endswith("s") else unit, delay=1.0)
            if _on_terminal()
            else None
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, count: int) -> None:
        """Counts `count` more as done."""
        self._done += count
        if self._bar is not None:
            self._bar.update(count)
        elif time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            log.info("%s", self._line())

    def _line(self) -> str:
        rate = self._done / max(time.monotonic() - self._start, 1e-9)
        left = (self._total - self._done) / rate if rate else float("inf")
        return f"{self._what}: {self._done} of {self._total} {self._unit}, {rate:.0f}/s, {left:.0f} s left"


def _on_terminal() -> bool:
    return sys.stderr.isatty()
