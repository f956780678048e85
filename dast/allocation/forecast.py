"""What a round's budget will probably buy: the strategy run on simulated rounds, before anything is spent.

Each simulated round draws every query's rate from its posterior, flips its rollouts by that rate, and spends the same
budget by the same strategy. A step's rate is taken for the plain one's, since before the round nothing is known of it;
so what matched exemplars or other decoding bring shows afterwards, as the difference. Hinted rollouts are not forecast.
Grain: one row a level and measure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dast.allocation.budget import Purse, affordable
from dast.allocation.registry import Strategy
from dast.allocation.standings import NO_LEVEL, Floats, Ints, Standings
from dast.params.augment import Forecast
from dast.tables import LEVELS

MEASURES = ("spent", "got", "newly_solved")
"""Rollouts, `sample`'s included; correct responses, `sample`'s included; queries that had no correct response and get
one. A budget of tokens has `spent_tokens` beside them."""
COLUMNS = ("level", "measure", "expected", "low", "high", "actual")

Totals = Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class Start:
    """A round before its first wave."""

    standings: Standings
    purse: Purse


def forecast(start: Start, strategy: Strategy, settings: Forecast, seed: int) -> list[dict[str, Any]]:
    """Expected totals by level with intervals over the simulated rounds; `actual` is None (`COLUMNS`)."""
    draws = [totals(start.standings, end) for end in _ends(start, strategy, settings.n_draws, seed)]
    rows = []
    for level, measure in draws[0]:
        values = np.sort([draw[level, measure] for draw in draws])
        low, high = _ends_of(values, settings.interval)
        about = {"level": level, "measure": measure, "expected": round(float(values.mean()), 1)}
        rows.append({**about, "low": low, "high": high, "actual": None})
    return rows


def compared(rows: list[dict[str, Any]], actual: Totals) -> list[dict[str, Any]]:
    """The forecast with what became of it."""
    return [{**row, "actual": actual[row["level"], row["measure"]]} for row in rows]


def totals(start: Standings, end: Standings) -> Totals:
    """Every measure by level, and for all queries (`all`)."""
    newly = (start.got == 0) & (end.got > 0)
    found: dict[tuple[str, str], int] = {}
    for level in ("all", *LEVELS):
        among = start.level != NO_LEVEL if level == "all" else start.level == LEVELS.index(level)
        columns = dict(zip(MEASURES, (end.spent, end.got, newly), strict=True))
        if not np.array_equal(start.paid, start.spent):
            columns["spent_tokens"] = end.paid
        found |= {(level, measure): round(float(column[among].sum())) for measure, column in columns.items()}
    return found


def told(rows: list[dict[str, Any]]) -> str:
    """One line: each measure over all queries with its interval, and what became of it when that is known."""
    parts = []
    for row in rows:
        if row["level"] == "all":
            became = "" if row["actual"] is None else f", actual {row['actual']:,}"
            name = str(row["measure"]).replace("_", " ")
            parts.append(f"{name} {row['expected']:,.0f} ({row['low']:,} to {row['high']:,}){became}")
    return "; ".join(parts)


def _ends_of(values: Ints, interval: float) -> tuple[int, int]:
    """The k-th lowest and the k-th highest: one more draw lies between them with probability 1 - 2k / (n + 1)."""
    k = max(1, int((1.0 - interval) / 2.0 * (values.size + 1) + 1e-9))
    return int(values[k - 1]), int(values[-k])


def _ends(start: Start, strategy: Strategy, n_draws: int, seed: int) -> Iterator[Standings]:
    for draw in range(n_draws):
        rng = np.random.default_rng([seed, draw])
        yield _simulated(start, strategy, rng.beta(start.standings.a, start.standings.b), rng)


def _simulated(start: Start, strategy: Strategy, rate: Floats, rng: np.random.Generator) -> Standings:
    standings, purse = start.standings, start.purse
    while (counts := affordable(strategy.plan(standings, purse), purse)).any():
        right = rng.binomial(counts, rate)
        standings = standings.with_columns(
            spent=standings.spent + counts,
            paid=standings.paid + counts * standings.cost,
            got=standings.got + right,
            a=standings.a + right,
            b=standings.b + counts - right,
            room=standings.room - counts,
        )
        purse = purse.pay(round(float((counts * standings.cost).sum())))
    return standings
