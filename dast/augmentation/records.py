"""What the augmentation leaves behind: who wanted, was given and gave how much, by which step, and why it stopped.

Guarantees: counts add up to the rollouts of `sample` and of the augmentation. Grain: as the tables.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from dast.allocation.budget import total_units
from dast.allocation.quotas import UNLIMITED
from dast.allocation.registry import strategy_of
from dast.allocation.standings import NO_LEVEL, Ints, Standings, Targets
from dast.augmentation.ladder import NO_STEP
from dast.augmentation.loop import Augmentation
from dast.params.augment import Augment
from dast.tables import ALLOCATION, ALLOCATION_STEPS, LEVELS, UNSOLVED, Level

STEP_COLUMNS = (
    *("step", "level", "n_queries", "n_rollouts", "n_tokens", "n_correct", "n_queries_solved"),
    *("mean_tokens_correct", "median_tokens_correct", "mean_chars_correct"),
)


def allocation_table(done: Augmentation) -> pl.DataFrame:
    """What each query wanted, could have, spent and got, and why the strategy stopped (ALLOCATION)."""
    standings, tally = done.end.standings, done.tally
    targets = done.strategy.targets(standings)
    level = np.array([*LEVELS, None], dtype=object)[tally.level]
    spent_out = done.end.purse.rollouts == 0
    return pl.DataFrame(
        {
            "query_id": pl.Series(tally.query_ids, dtype=pl.String),
            "level": pl.Series(level.tolist(), dtype=Level),
            "wanted": _bounded(targets.wanted),
            "cap": _bounded(targets.cap),
            "spent": pl.Series(tally.spent, dtype=pl.Int32),
            "spent_tokens": pl.Series(tally.spent_tokens, dtype=pl.Int64),
            "got": pl.Series(tally.got, dtype=pl.Int32),
            "chance": pl.Series(np.where(tally.level == NO_LEVEL, np.nan, standings.chance)).fill_nan(None),
            "outcome": pl.Series(
                outcomes(standings, targets, done.end.on_offer.step == NO_STEP, spent_out),
                dtype=ALLOCATION.schema["outcome"],
            ),
        }
    )


def _bounded(counts: Ints) -> pl.Series:
    """Counts as a column; null where there is no bound."""
    return pl.Series([None if count == UNLIMITED else count for count in counts.tolist()], dtype=pl.Int32)


def outcomes(standings: Standings, targets: Targets, no_step: Any, spent_out: bool) -> list[str]:
    """Why each query got no more.

    Args:
        standings: when the strategy had ended.
        targets: what each might get.
        no_step: flags of queries whose level no step of the ladder serves.
        spent_out: whether the budget pays for no further rollout.
    """
    reasons = (
        (targets.wanted == 0, "not_wanted"),
        (standings.got >= targets.wanted, "quota_met"),
        (no_step, "no_step"),
        (standings.room <= 0, "pool_exhausted"),
        (standings.spent >= targets.cap, "cap"),
    )
    last = "budget" if spent_out else "given_up"
    return list(np.select([flags for flags, _ in reasons], [name for _, name in reasons], default=last))


def steps_table(augmented: pl.DataFrame) -> pl.DataFrame:
    """Rollouts, generated tokens and correct responses of each query and step (ALLOCATION_STEPS)."""
    rows = augmented.group_by("query_id", "step").agg(
        spent=pl.len().cast(pl.Int32),
        spent_tokens=pl.col("n_tokens").sum().cast(pl.Int64),
        got=(pl.col("verdict") == "correct").sum().cast(pl.Int32),
    )
    return rows.select(ALLOCATION_STEPS.schema.keys())


def unsolved_table(queries: pl.DataFrame, rollouts: pl.DataFrame) -> pl.DataFrame:
    """Queries that no graded rollout of the round solved, hinted ones left out, with how often they were tried."""
    tried = rollouts.group_by("query_id").agg(
        n_rollouts=pl.len().cast(pl.Int32),
        n_hinted=(pl.col("step") == "hinted").sum().cast(pl.Int32),
        solved=((pl.col("verdict") == "correct") & (pl.col("step") != "hinted")).any(),
    )
    return queries.join(tried, on="query_id").filter(~pl.col("solved")).select(UNSOLVED.schema.keys())


def level_rows(allocation: pl.DataFrame, graded: pl.DataFrame) -> list[dict[str, Any]]:
    """One row a level: queries, correct responses wanted, rollouts and tokens spent, got, newly solved."""
    before = graded.group_by("query_id").agg(solved=(pl.col("verdict") == "correct").any())
    rows = allocation.join(before, on="query_id", how="left")
    return [_level_row(level, rows.filter(pl.col("level") == level)) for level in LEVELS]


def step_rows(allocation: pl.DataFrame, augmented: pl.DataFrame, graded: pl.DataFrame) -> list[dict[str, Any]]:
    """One row a step and level that had rollouts: its yield, and the length of correct responses in tokens.

    `sample`'s row is what the steps' lengths are held against: length control shows as a longer mean.
    """
    rollouts = pl.concat([graded, augmented]).join(allocation.select("query_id", "level"), on="query_id")
    correct = pl.col("verdict") == "correct"
    right = pl.col("n_tokens").filter(correct)
    rows = (
        rollouts.drop_nulls("level")
        .group_by("step", "level")
        .agg(
            n_queries=pl.col("query_id").n_unique(),
            n_rollouts=pl.len(),
            n_tokens=pl.col("n_tokens").sum(),
            n_correct=correct.sum(),
            n_queries_solved=pl.col("query_id").filter(correct).n_unique(),
            mean_tokens_correct=right.mean(),
            median_tokens_correct=right.median(),
            mean_chars_correct=pl.col("response").filter(correct).str.len_chars().mean(),
        )
    )
    return rows.sort("step", "level").cast({"step": pl.String, "level": pl.String}).to_dicts()


def summary(
    allocation: pl.DataFrame, augmented: pl.DataFrame, graded: pl.DataFrame, settings: Augment
) -> dict[str, Any]:
    """Counts of the augmentation: strategy, budget, rollouts and tokens, newly solved queries, outcomes."""
    outcomes_found = dict(allocation.group_by("outcome").len().sort("outcome").iter_rows())
    solved = set(graded.filter(pl.col("verdict") == "correct").get_column("query_id"))
    newly = allocation.filter((pl.col("got") > 0) & ~pl.col("query_id").is_in(list(solved)))
    return {
        "strategy": settings.strategy,
        "formula": strategy_of(settings).formula,
        "n_queries": allocation.height,
        "unit": settings.budget.unit,
        "budget": total_units(settings.budget, allocation.height),
        "n_spent": int(allocation.get_column("spent").sum()),
        "n_spent_tokens": int(allocation.get_column("spent_tokens").sum()),
        "n_added": augmented.height,
        "n_added_tokens": int(augmented.get_column("n_tokens").sum()),
        "n_newly_solved": newly.height,
        "outcomes": {str(name): count for name, count in outcomes_found.items()},
    }


def _level_row(level: str, rows: pl.DataFrame) -> dict[str, Any]:
    return {
        "level": level,
        "n_queries": rows.height,
        "wanted": None if rows.get_column("wanted").null_count() else int(rows.get_column("wanted").sum()),
        "spent": int(rows.get_column("spent").sum()),
        "spent_tokens": int(rows.get_column("spent_tokens").sum()),
        "got": int(rows.get_column("got").sum()),
        "n_newly_solved": rows.filter(~pl.col("solved") & (pl.col("got") > 0)).height,
    }
