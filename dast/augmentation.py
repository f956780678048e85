"""The augmentation of a round: waves of further rollouts, graded as they come, until nobody wants or may have more.

Guarantees: the budget, `sample`'s rollouts counted in, is never exceeded; every rollout that was generated is kept,
whatever its verdict; what each query wanted, was given and gave, and why it stopped, is recorded. Grain: as the tables.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from dast.allocation import Standing, outcome_of, plan_wave, target_of
from dast.engines.protocol import Item, Message
from dast.exemplars import Shelf
from dast.grading import Grader, grade_rollouts
from dast.params.sections import Augment, PromptStyle
from dast.prompts import prompt_with, sampling_prompt
from dast.rollouts import Recorder, wanted
from dast.tables import (
    ALLOCATION,
    ALLOCATION_STEPS,
    GRADED,
    LEVELS,
    PROMPTS,
    SETTINGS,
    SUSPECTS,
    UNSOLVED,
    frame,
)

log = logging.getLogger(__name__)


@dataclass
class Augmentation:
    """Runs the waves of one round; the engine behind `open_recorder` is started by the first wave only."""

    queries: pl.DataFrame
    graded: pl.DataFrame
    difficulty: pl.DataFrame
    style: PromptStyle
    shelf: Shelf | None
    settings: Augment
    open_recorder: Callable[[], Recorder]
    grader: Grader
    recorder: Recorder | None = None
    standings: dict[str, Standing] = field(default_factory=dict)
    kept: list[pl.DataFrame] = field(default_factory=list)

    def run(self) -> pl.DataFrame:
        """The added rollouts, graded (GRADED)."""
        self.standings = standings_of(self.queries, self.graded, self.difficulty)
        answers = self.queries.select("query_id", "answer")
        number = 0
        while plan := plan_wave(list(self.standings.values()), self.settings):
            number += 1
            self.recorder = self.recorder or self.open_recorder()
            items = self._items(plan)
            rows = self.recorder.collect(items, self.settings.decoding, f"rollouts of wave {number}")
            wave = grade_rollouts(rows, answers, self.grader)
            self._update(plan, wave)
            self.kept.append(wave)
            log.info("wave %d: %d queries, %d rollouts, %d correct", number, len(plan), wave.height, _n_correct(wave))
        return pl.concat([frame(GRADED, []), *self.kept])

    def allocation_table(self) -> pl.DataFrame:
        """What each query wanted, could have, spent and got, and why it stopped (ALLOCATION)."""
        return frame(ALLOCATION, [self._allocation_row(standing) for standing in self.standings.values()])

    def prompts_table(self) -> pl.DataFrame:
        """Every prompt that the waves sent (PROMPTS); empty when there was no wave."""
        return self.recorder.prompts_table() if self.recorder else frame(PROMPTS, [])

    def settings_table(self) -> pl.DataFrame:
        """Sampling settings of the waves (SETTINGS); empty when there was no wave."""
        return self.recorder.settings_table() if self.recorder else frame(SETTINGS, [])

    def _allocation_row(self, standing: Standing) -> dict[str, object]:
        target = target_of(standing, self.settings)
        return {
            "query_id": standing.query_id,
            "level": standing.level,
            "wanted": target.wanted,
            "cap": target.cap,
            "spent": standing.spent,
            "got": standing.got,
            "outcome": outcome_of(standing, self.settings),
        }

    def _items(self, plan: Mapping[str, int]) -> list[Item]:
        texts = dict(self.queries.select("query_id", "query").iter_rows())
        items: list[Item] = []
        for query_id, count in plan.items():
            standing = self.standings[query_id]
            step, messages = self._prompt(standing, texts[query_id])
            items += wanted(query_id, step, range(standing.spent, standing.spent + count), messages)
        return items

    def _prompt(self, standing: Standing, query: str) -> tuple[str, Sequence[Message]]:
        length = self.settings.length
        if self.shelf is not None and standing.level in length.levels and standing.waves >= length.after_waves:
            matched = self.shelf.matched(standing.query_id, query, standing.level)
            if matched:
                return "matched", prompt_with(self.style, query, matched)
        return "more", sampling_prompt(self.style, query)

    def _update(self, plan: Mapping[str, int], wave: pl.DataFrame) -> None:
        given = Counter(wave.get_column("query_id").to_list())
        right = Counter(wave.filter(pl.col("verdict") == "correct").get_column("query_id").to_list())
        for query_id, count in plan.items():
            standing = self.standings[query_id]
            standing.waves += 1
            standing.spent += given[query_id]
            standing.got += right[query_id]
            standing.exhausted = given[query_id] < count


def standings_of(queries: pl.DataFrame, graded: pl.DataFrame, difficulty: pl.DataFrame) -> dict[str, Standing]:
    """Every train query's standing after `sample`, in the order of the query ids."""
    counts = graded.group_by("query_id").agg(spent=pl.len(), got=(pl.col("verdict") == "correct").sum())
    rows = (
        queries.select("query_id")
        .join(counts, on="query_id", how="left")
        .join(difficulty.select("query_id", "level"), on="query_id", how="left")
        .with_columns(pl.col("spent", "got").fill_null(0))
        .sort("query_id")
    )
    return {row[0]: Standing(row[0], row[3], row[1], row[2]) for row in rows.iter_rows()}


def steps_table(augmented: pl.DataFrame) -> pl.DataFrame:
    """Rollouts, generated tokens and correct responses of each query and step (ALLOCATION_STEPS)."""
    rows = augmented.group_by("query_id", "step").agg(
        spent=pl.len().cast(pl.Int32),
        spent_tokens=pl.col("n_tokens").sum().cast(pl.Int64),
        got=(pl.col("verdict") == "correct").sum().cast(pl.Int32),
    )
    return rows.select(ALLOCATION_STEPS.schema.keys())


def unsolved_table(queries: pl.DataFrame, rollouts: pl.DataFrame) -> pl.DataFrame:
    """Queries that no graded rollout of the round solved, with how often they were tried (UNSOLVED)."""
    tried = rollouts.group_by("query_id").agg(
        n_rollouts=pl.len().cast(pl.Int32), solved=(pl.col("verdict") == "correct").any()
    )
    return queries.join(tried, on="query_id").filter(~pl.col("solved")).select(UNSOLVED.schema.keys())


def suspects_table(queries: pl.DataFrame, rollouts: pl.DataFrame, min_agree: int) -> pl.DataFrame:
    """Never-solved queries where one other answer has `min_agree` rollouts and a majority behind it (SUSPECTS).

    Such a reference answer may be wrong. It is listed, and never changed.
    """
    answered = rollouts.filter(pl.col("verdict").is_in(["correct", "incorrect"]) & pl.col("predicted").is_not_null())
    totals = (
        rollouts.filter(pl.col("verdict") != "ungraded")
        .group_by("query_id")
        .agg(n_graded=pl.len().cast(pl.Int32), solved=(pl.col("verdict") == "correct").any())
    )
    commonest = (
        answered.group_by("query_id", "predicted")
        .agg(n_agree=pl.len().cast(pl.Int32))
        .sort(["query_id", "n_agree", "predicted"], descending=[False, True, False])
        .unique("query_id", keep="first", maintain_order=True)
    )
    rows = queries.join(totals, on="query_id").join(commonest, on="query_id")
    disputed = (~pl.col("solved")) & (pl.col("n_agree") >= min_agree) & (pl.col("n_agree") * 2 > pl.col("n_graded"))
    return rows.filter(disputed).select(SUSPECTS.schema.keys())


def allocation_summary(
    allocation: pl.DataFrame, augmented: pl.DataFrame, graded: pl.DataFrame
) -> list[dict[str, object]]:
    """One row a level: queries, correct responses wanted, rollouts spent, tokens of the augmentation, newly solved."""
    before = graded.group_by("query_id").agg(solved=(pl.col("verdict") == "correct").any())
    tokens = augmented.group_by("query_id").agg(tokens=pl.col("n_tokens").sum())
    rows = allocation.join(before, on="query_id", how="left").join(tokens, on="query_id", how="left")
    return [_level_row(level, rows.filter(pl.col("level") == level)) for level in LEVELS]


def summary(
    allocation: pl.DataFrame, augmented: pl.DataFrame, graded: pl.DataFrame, settings: Augment
) -> dict[str, object]:
    """Counts of the augmentation: rollouts and tokens added, newly solved queries, outcomes, and the budget."""
    outcomes = dict(allocation.group_by("outcome").len().sort("outcome").iter_rows())
    return {
        "n_queries": allocation.height,
        "budget": int(settings.budget_per_query * allocation.height),
        "n_spent": int(allocation.get_column("spent").sum()),
        "n_added": augmented.height,
        "n_added_tokens": int(augmented.get_column("n_tokens").sum()),
        "n_correct_before": _n_correct(graded),
        "n_correct_added": _n_correct(augmented),
        "n_newly_solved": sum(
            int(str(row["n_newly_solved"])) for row in allocation_summary(allocation, augmented, graded)
        ),
        "outcomes": outcomes,
    }


def _level_row(level: str, rows: pl.DataFrame) -> dict[str, object]:
    return {
        "level": level,
        "n_queries": rows.height,
        "wanted": int(rows.get_column("wanted").sum()),
        "spent": int(rows.get_column("spent").sum()),
        "spent_tokens": int(rows.get_column("tokens").sum()),
        "got": int(rows.get_column("got").sum()),
        "n_newly_solved": rows.filter(~pl.col("solved") & (pl.col("got") > 0)).height,
    }


def _n_correct(graded: pl.DataFrame) -> int:
    return graded.filter(pl.col("verdict") == "correct").height
