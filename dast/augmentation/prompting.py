"""What each step of the ladder sends for a query.

Guarantees: a step that has nothing to add (no exemplar fits) sends the plain prompt, and is recorded as `more`; a query
without a start that gives nothing away has no hinted step. Grain: one prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from dast.allocation.standings import NO_LEVEL, Wave
from dast.augmentation.tally import Tally
from dast.engines.protocol import Message
from dast.exemplars import Shelf
from dast.hints import hint, share_at
from dast.params.augment import HintedStep
from dast.params.sections import PromptStyle
from dast.prompts import Solved, prompt_with, sampling_prompt, started
from dast.tables import LEVELS


@dataclass(frozen=True)
class Prompting:
    """Prompts of one round; the queries stand in the order of their ids, as the tally's do."""

    style: PromptStyle
    query_ids: Sequence[str]
    queries: Sequence[str]
    solutions: Sequence[str | None]
    answers: Sequence[str]
    shelf: Shelf | None
    hinted: HintedStep
    _exemplars: dict[int, list[Solved]] = field(default_factory=dict)

    def exemplars(self, place: int, level: int) -> list[Solved]:
        """The query's exemplars, looked for once; empty where none fits, or there is no length control."""
        if self.shelf is None:
            return []
        if place not in self._exemplars:
            self._exemplars[place] = self.shelf.matched(self.query_ids[place], self.queries[place], LEVELS[level])
        return self._exemplars[place]

    def prompt(self, place: int, step: str, tally: Tally) -> tuple[str, Sequence[Message]]:
        """The step as it is recorded, and its prompt."""
        query = self.queries[place]
        plain = sampling_prompt(self.style, query)
        if step == "hinted" and (start := self._start(place, tally)) is not None:
            return step, started(plain, start)
        if step == "matched" and (found := self.exemplars(place, int(tally.level[place]))):
            return step, prompt_with(self.style, query, found)
        return ("decoding" if step == "decoding" else "more"), plain

    def hinted_wave(self, tally: Tally, hinted: HintedStep) -> Wave:
        """One attempt at every query of the step's levels that nothing has solved, the fewest attempts first."""
        done = tally.by_step["hinted"]
        levels = [LEVELS.index(name) for name in hinted.levels]
        open_ = np.isin(tally.level, levels) & (tally.level != NO_LEVEL) & (tally.got == 0) & (tally.room > 0)
        open_ &= (done.given < hinted.most) & (done.correct < hinted.n_correct)
        able = np.array([bool(flag and self._start(place, tally)) for place, flag in enumerate(open_)], dtype=np.bool_)
        return Wave(able.astype(np.int64), np.lexsort((tally.turn, done.given)))

    def _start(self, place: int, tally: Tally) -> str | None:
        solution = self.solutions[place]
        if solution is None:
            return None
        attempt = int(tally.by_step["hinted"].given[place])
        return hint(solution, self.answers[place], share_at(attempt, self.hinted.start))


def prompting_of(queries: pl.DataFrame, style: PromptStyle, shelf: Shelf | None, hinted: HintedStep) -> Prompting:
    """The prompts of a table of queries (QUERIES)."""
    rows = queries.sort("query_id")
    ids, texts, solutions, answers = (
        rows.get_column(name).to_list() for name in ("query_id", "query", "solution", "answer")
    )
    return Prompting(style, ids, texts, solutions, answers, shelf, hinted)
