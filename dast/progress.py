"""Progress of a long step: a bar with rate and time left on a terminal, a log line every so often elsewhere; sizes and
columns for a person.

Guarantees: no colours, so NO_COLOR is kept whether it is set or not.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tqdm import tqdm

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 60.0


class Progress:
    """Counts `unit`s done of `total`, `kept` of them before the start; use as a context manager.

    A bar comes after `delay_s`, so that a step that is soon done shows none.
    """

    def __init__(self, what: str, total: int, unit: str, kept: int = 0, delay_s: float = 0.0) -> None:
        self._what, self._total, self._unit, self._kept = what, total, unit, kept
        self._done = kept
        self._start = self._last_line = time.monotonic()
        name = unit[:-1] if unit.endswith("s") else unit
        self._bar = tqdm(total=total, initial=kept, desc=what, unit=name, delay=delay_s) if _on_terminal() else None

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
            self._bar.set_postfix_str(self.details(), refresh=False)
            self._bar.update(count)
        elif time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            log.info("%s", self._line())

    def details(self) -> str:
        """More to tell than counts; nothing here."""
        return ""

    @property
    def seconds(self) -> float:
        """Since the start."""
        return max(time.monotonic() - self._start, 1e-9)

    def _line(self) -> str:
        rate = (self._done - self._kept) / self.seconds
        left = (self._total - self._done) / rate if rate else float("inf")
        details = f", {self.details()}" if self.details() else ""
        done = f"{self._done:,} of {self._total:,} {self._unit}"
        return f"{self._what}: {done}{details}, {rate:,.0f}/s, {duration(left)} left"


class SamplingProgress(Progress):
    """Progress of rollouts: queries that are done, tokens a second, and how many rollouts were kept before."""

    def __init__(self, what: str, total: int, kept: int, n_queries: int, n_done: int) -> None:
        super().__init__(what, total, "rollouts", kept)
        self._n_queries, self._n_done = n_queries, n_done
        self.n_tokens = 0

    def advance_rollouts(self, count: int, n_tokens: int, n_queries: int) -> None:
        """Counts rollouts, their tokens, and the queries that these were the last ones of."""
        self.n_tokens += n_tokens
        self._n_done += n_queries
        self.advance(count)

    def details(self) -> str:
        """Queries, tokens a second, kept."""
        rate = self.n_tokens / self.seconds
        return (
            f"{self._n_done:,} of {self._n_queries:,} queries, {rate:,.0f} tokens/s, {self._kept:,} kept from the store"
        )


def duration(seconds: float) -> str:
    """A time for a person: 40 s, 12 min, 3.5 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size(n_bytes: float) -> str:
    """A size for a person: 12 kB, 3.4 MB, 5.6 GB."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if n_bytes >= unit:
            return f"{n_bytes / unit:,.1f} {name}"
    return f"{n_bytes / 1e3:,.0f} kB"


def lined_up(rows: Sequence[Sequence[str]], n_texts: int) -> str:
    """Rows of cells as lines, the first `n_texts` columns to the left and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.ljust(width) if number < n_texts else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _on_terminal() -> bool:
    return sys.stderr.isatty()
