"""What the small files say of queries that changed level: seen, and by sampling noise alone.

Guarantees: a count's interval is that of queries which move independently, so normal at 95 %. Grain: one `Move` a round
and kind of move.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dast.difficulty.moves import ALL
from dast.tables import LEVELS

_Z = 1.959964
"""Standard deviations on either side that hold 95 % of a normal distribution."""
_UNSOLVED = LEVELS[-1]

Cells = Mapping[tuple[str, str], Mapping[str, str]]


@dataclass(frozen=True)
class Move:
    """How many queries did something between the policy's round, `since`, and the round `name`."""

    since: str
    name: str
    what: str
    seen: int
    expected: float
    sd: float
    n_queries: int
    """Queries that could have done it."""

    @property
    def low(self) -> float:
        """Fewest that noise alone gives, 95 of 100 times."""
        return max(0.0, self.expected - _Z * self.sd)

    @property
    def high(self) -> float:
        """Most that noise alone gives, 95 of 100 times."""
        return min(float(self.n_queries), self.expected + _Z * self.sd)

    @property
    def beyond(self) -> bool:
        """Whether noise alone does not explain what was seen."""
        return not math.floor(self.low) <= self.seen <= math.ceil(self.high)


def read_moves(rows: list[dict[str, str]]) -> Iterator[Move]:
    """Moves of every round that has an earlier one, from rows of transitions.csv with their round."""
    for name in dict.fromkeys(row["round"] for row in rows):
        mine = [row for row in rows if row["round"] == name]
        yield from _of_round(mine[0]["since"], name, {(row["before"], row["after"]): row for row in mine})


def _of_round(since: str, name: str, cells: Cells) -> Iterator[Move]:
    solved = LEVELS[:-1]
    everywhere = [(ALL, to) for to in ("easier", "same", "harder")]
    kinds = (
        ("changed level", everywhere[::2], everywhere[1:2], everywhere),
        ("became easier", everywhere[:1], everywhere[:1], everywhere),
        ("became harder", everywhere[2:], everywhere[2:], everywhere),
        (
            "stopped being unsolved",
            [(_UNSOLVED, level) for level in solved],
            [(_UNSOLVED, _UNSOLVED)],
            [(_UNSOLVED, level) for level in LEVELS],
        ),
        (
            "became unsolved",
            [(level, _UNSOLVED) for level in solved],
            [(level, _UNSOLVED) for level in solved],
            [(level, other) for level in solved for other in LEVELS],
        ),
    )
    for what, counted, spread, among in kinds:
        yield Move(
            since,
            name,
            what,
            seen=_total(cells, counted, "n_queries"),
            expected=sum(float(cells[place]["expected"]) for place in counted),
            # Queries that did it and those that did not have one deviation; rows of different levels are independent.
            sd=math.sqrt(sum(float(cells[place]["sd"]) ** 2 for place in spread)),
            n_queries=_total(cells, among, "n_queries"),
        )


def _total(cells: Cells, places: list[tuple[str, str]], column: str) -> int:
    return sum(int(cells[place][column]) for place in places)
