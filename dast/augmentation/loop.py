"""A round's waves: forecast, then plan, draw, grade and look again, until nobody wants or may have more.

Guarantees: the budget, `sample`'s rollouts counted in, is never exceeded; every rollout that was generated is kept,
whatever its verdict; the forecast is told before anything is spent. Grain: as the tables.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from dast.allocation.budget import Purse, affordable, total_units
from dast.allocation.forecast import Start, compared, forecast, told, totals
from dast.allocation.registry import Strategy, strategy_of
from dast.allocation.standings import Flags, Ints, Standings
from dast.augmentation.ladder import CLIMBED, Offer, offer
from dast.augmentation.prompting import Prompting
from dast.augmentation.tally import Tally
from dast.difficulty.posterior import Beta
from dast.engines.protocol import Item
from dast.frames import frame
from dast.grading import Grader, grade_rollouts
from dast.params.augment import Augment
from dast.params.decoding import Decoding
from dast.rollouts import Recorder, wanted
from dast.tables import GRADED

log = logging.getLogger(__name__)

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class End:
    """How things stood when the strategy had ended, before any hinted rollout."""

    standings: Standings
    on_offer: Offer
    purse: Purse


@dataclass
class Augmentation:
    """Runs one round; the engine behind `recorder` is started by the first wave only."""

    queries: pl.DataFrame
    tally: Tally
    prior: Beta
    """Of the plain pass rate, before a query's own rollouts."""
    prompting: Prompting
    settings: Augment
    recorder: Recorder
    grader: Grader
    foretell: Callable[[Rows], None]
    """Is given the forecast before anything is spent."""
    kept: list[pl.DataFrame] = field(default_factory=list)
    forecasted: Rows = field(default_factory=list)
    n_waves: int = 0
    end: End = field(init=False)

    def run(self) -> pl.DataFrame:
        """The added rollouts, graded (GRADED)."""
        before = self.standings
        self.forecasted = forecast(Start(before, self.purse), self.strategy, self.settings.forecast, self.settings.seed)
        log.info("forecast: %s", told(self.forecasted))
        self.foretell(self.forecasted)
        while (counts := affordable(self.strategy.plan(self.standings, self.purse), self.purse)).any():
            self._wave(counts, self.on_offer.step)
        self.end = End(self.standings, self.on_offer, self.purse)
        self.forecasted = compared(self.forecasted, totals(before, self.end.standings))
        log.info("became: %s", told(self.forecasted))
        self._hinted_waves()
        return pl.concat([frame(GRADED, []), *self.kept])

    @cached_property
    def bare(self) -> Flags:
        """Queries that were found to have no exemplar."""
        return np.zeros(self.tally.level.size, dtype=np.bool_)

    @cached_property
    def strategy(self) -> Strategy:
        """The one that the params name."""
        return strategy_of(self.settings)

    @property
    def on_offer(self) -> Offer:
        """Each query's step, as the tally is now."""
        found = self._offer()
        asked = np.flatnonzero(found.step == CLIMBED.index("matched"))
        levels = self.tally.level[asked].tolist()
        lacking = [not self.prompting.exemplars(*one) for one in zip(asked.tolist(), levels, strict=True)]
        if not any(lacking):
            return found
        self.bare[asked] |= lacking
        return self._offer()

    def _offer(self) -> Offer:
        return offer(self.tally.level, self.tally.tries, self.prior, self.settings.ladder, self.bare)

    @property
    def standings(self) -> Standings:
        """What the strategy sees now."""
        return self.tally.standings(self.on_offer, self.settings.budget)

    @property
    def purse(self) -> Purse:
        """What is left for the strategy: `hinted` keeps its share."""
        hinted = self.settings.ladder.hinted
        share = 1.0 - hinted.budget_rate if hinted.enabled else 1.0
        return self._purse(int(share * total_units(self.settings.budget, len(self.tally.query_ids))))

    def _purse(self, total: int) -> Purse:
        longest = max(one.max_new_tokens for one in (self.settings.decoding, self.settings.ladder.decoding.decoding))
        reserve = 1 if self.settings.budget.unit == "rollouts" else longest
        return Purse(total, self.tally.units(self.settings.budget), reserve)

    def _hinted_waves(self) -> None:
        hinted = self.settings.ladder.hinted
        while hinted.enabled:
            purse = self._purse(total_units(self.settings.budget, len(self.tally.query_ids)))
            counts = affordable(self.prompting.hinted_wave(self.tally, hinted), purse)
            if not counts.any():
                return
            self._wave(counts, np.full(counts.size, len(CLIMBED)))

    def _wave(self, counts: Ints, step: Ints) -> None:
        self.n_waves += 1
        rows = [
            self.recorder.collect(items, decoding, f"rollouts of wave {self.n_waves}")
            for decoding, items in self._batches(counts, step)
        ]
        wave = grade_rollouts(pl.concat(rows), self.queries, self.grader)
        self.tally = self.tally.after(wave, counts)
        self.kept.append(wave)
        n_correct = wave.filter(pl.col("verdict") == "correct").height
        n_queries = int((counts > 0).sum())
        log.info("wave %d: %d queries, %d rollouts, %d correct", self.n_waves, n_queries, wave.height, n_correct)

    def _batches(self, counts: Ints, step: Ints) -> Iterator[tuple[Decoding, list[Item]]]:
        """The wave's items, those of one decoding together."""
        names = (*CLIMBED, "hinted")
        spent = self.tally.spent
        found: dict[bool, list[Item]] = {}
        for place in np.flatnonzero(counts).tolist():
            name, messages = self.prompting.prompt(place, names[step[place]], self.tally)
            indices = range(int(spent[place]), int(spent[place] + counts[place]))
            items = wanted(self.tally.query_ids[place], name, indices, messages)
            found.setdefault(name == "decoding", []).extend(items)
        for other, items in found.items():
            yield self.settings.ladder.decoding.decoding if other else self.settings.decoding, items
