"""Which steps a time is taken of: those whose rows are as long as rows that the process has had before.

Guarantees: a step is told by the lengths that its batches are padded to, and by nothing of its time. Grain: one case.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WARMUP_STEPS = 3
"""Not timed: the allocator grows, kernels are chosen and compiled, moments are made."""


@dataclass(frozen=True)
class Times:
    """Seconds of the timed steps of one case."""

    met: list[float]
    """Of lengths all of which stood in earlier steps."""
    new: list[float]
    """Of a length, or several, that stood in none."""

    @property
    def met_s(self) -> float | None:
        """The median; None where every step had a new length."""
        return statistics.median(self.met) if self.met else None

    @property
    def new_s(self) -> float | None:
        """The median; None where no step had one."""
        return statistics.median(self.new) if self.new else None


def times(steps_s: Sequence[float], lengths: Sequence[Sequence[int]]) -> Times:
    """Steps told apart; `lengths` are of all steps, the untimed ones before them among these."""
    flags = list(_new(lengths))[len(lengths) - len(steps_s) :]
    both = list(zip(steps_s, flags, strict=True))
    return Times([seconds for seconds, new in both if not new], [seconds for seconds, new in both if new])


def _new(lengths: Sequence[Sequence[int]]) -> Iterator[bool]:
    seen: set[int] = set()
    for step in lengths:
        yield not seen.issuperset(step)
        seen.update(step)
