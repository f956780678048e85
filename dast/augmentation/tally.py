"""The running count of a round: what every query has been given and has given, step by step.

Guarantees: a rollout counts as spent whatever its verdict; an ungraded one counts in no rate; hinted ones are never
counted as got. Grain: one entry a train query, in the order of the ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from dast.allocation.quotas import UNLIMITED
from dast.allocation.standings import NO_LEVEL, Floats, Ints, Standings
from dast.augmentation.ladder import CLIMBED, NO_STEP, PLAIN, Offer, Tries
from dast.errors import DataError
from dast.params.augment import Budget
from dast.prompts import digest
from dast.tables import LEVELS

_STEPS = ("sample", *CLIMBED, "hinted")
_TYPICAL = 1.0
"""Cost of a rollout where nothing is known of it."""


@dataclass(frozen=True)
class Count:
    """What one step gave to each query: rollouts, graded ones, correct ones, generated tokens."""

    given: Ints
    graded: Ints
    correct: Ints
    tokens: Ints

    def __add__(self, other: Count) -> Count:
        return Count(
            self.given + other.given,
            self.graded + other.graded,
            self.correct + other.correct,
            self.tokens + other.tokens,
        )


@dataclass(frozen=True)
class Tally:
    """A round's count."""

    query_ids: Sequence[str]
    level: Ints
    turn: Ints
    room: Ints
    by_step: Mapping[str, Count]

    @property
    def spent(self) -> Ints:
        """Rollouts of every step."""
        return total([count.given for count in self.by_step.values()])

    @property
    def spent_tokens(self) -> Ints:
        """Generated tokens of every step."""
        return total([count.tokens for count in self.by_step.values()])

    @property
    def got(self) -> Ints:
        """Correct responses, hinted ones left out."""
        return total([count.correct for step, count in self.by_step.items() if step != "hinted"])

    @property
    def tries(self) -> dict[str, Tries]:
        """What the ladder looks at."""
        found = {step: Tries(one.given, one.graded, one.correct) for step, one in self.by_step.items()}
        sample, plain = self.by_step["sample"], self.by_step[PLAIN]
        found[PLAIN] = Tries(plain.given, sample.graded + plain.graded, sample.correct + plain.correct)
        return {step: found[step] for step in CLIMBED}

    def units(self, budget: Budget) -> int:
        """What was spent, in the budget's unit."""
        return int((self.spent if budget.unit == "rollouts" else self.spent_tokens).sum())

    def standings(self, on_offer: Offer, budget: Budget) -> Standings:
        """What a strategy sees."""
        sample = self.by_step["sample"]
        return Standings(
            level=self.level,
            turn=self.turn,
            n_graded=sample.graded,
            n_solved=sample.correct,
            spent=self.spent,
            paid=(self.spent if budget.unit == "rollouts" else self.spent_tokens).astype(np.float64),
            got=self.got,
            a=on_offer.a,
            b=on_offer.b,
            cost=self._cost(budget),
            room=np.where(on_offer.step == NO_STEP, 0, self.room),
        )

    def after(self, wave: pl.DataFrame, asked: Ints) -> Tally:
        """The count with a graded wave added; a query that got fewer than asked has no more to be given."""
        new = counts_of(wave, self.query_ids)
        given = total([count.given for count in new.values()])
        room = np.where(given < asked, 0, self.room - given)
        by_step = {step: count + new[step] for step, count in self.by_step.items()}
        return Tally(self.query_ids, self.level, self.turn, room, by_step)

    def _cost(self, budget: Budget) -> Floats:
        """Mean generated tokens of the level's rollouts so far; 1 for a budget of rollouts."""
        cost = np.full(self.level.size, _TYPICAL)
        if budget.unit == "rollouts":
            return cost
        spent, tokens = self.spent, self.spent_tokens
        for code in (NO_LEVEL, *range(len(LEVELS))):
            among = self.level == code
            if spent[among].sum():
                cost[among] = max(_TYPICAL, tokens[among].sum() / spent[among].sum())
        return cost


def start(
    queries: pl.DataFrame,
    graded: pl.DataFrame,
    difficulty: pl.DataFrame,
    pool: pl.DataFrame | None,
    budget: Budget,
    seed: int,
) -> Tally:
    """The count after `sample`.

    Args:
        queries: train queries (QUERIES).
        graded: `sample`'s graded rollouts (GRADED).
        difficulty: levels of the round that `levels` names (DIFFICULTY).
        pool: recorded responses, where they are all that can be given (POOL).
        budget: what may be spent.
        seed: orders equals.

    Raises:
        DataError: a budget of tokens, and rollouts of which no count is known.
    """
    # A request that failed wrote nothing; only text of unknown length cannot be counted.
    unknown = graded.filter(pl.col("n_tokens").is_null() & (pl.col("finish_reason") != "error")).height
    if budget.unit == "tokens" and (unknown or pool is not None):
        raise DataError(
            f"augment.budget.unit is tokens, and {unknown} rollouts have no token count (recorded ones never do); "
            "use rollouts"
        )
    asked = queries.select("query_id").sort("query_id")
    ids = asked.get_column("query_id").to_list()
    levels = asked.join(difficulty.select("query_id", "level"), on="query_id", how="left", maintain_order="left")
    codes = (
        levels.get_column("level")
        .cast(pl.String)
        .replace_strict({name: place for place, name in enumerate(LEVELS)}, default=NO_LEVEL, return_dtype=pl.Int64)
    )
    turn = np.argsort(np.argsort(np.array([digest([seed, name]) for name in ids], dtype=np.str_)))
    by_step = counts_of(graded, ids)
    return Tally(ids, codes.to_numpy(), turn, _room(asked, pool) - by_step["sample"].given, by_step)


def counts_of(rollouts: pl.DataFrame, query_ids: Sequence[str]) -> dict[str, Count]:
    """Each step's count, from graded rollouts (GRADED)."""
    correct = pl.col("verdict") == "correct"
    found = rollouts.group_by("query_id", pl.col("step").cast(pl.String)).agg(
        given=pl.len(),
        graded=(pl.col("verdict") != "ungraded").sum(),
        correct=correct.sum(),
        tokens=pl.col("n_tokens").sum(),
    )
    asked = pl.DataFrame({"query_id": query_ids}, schema={"query_id": pl.String})
    counts = {}
    for step in _STEPS:
        rows = asked.join(found.filter(pl.col("step") == step), on="query_id", how="left", maintain_order="left")
        columns = rows.select(pl.col("given", "graded", "correct", "tokens").fill_null(0).cast(pl.Int64))
        counts[step] = Count(*(column.to_numpy() for column in columns))
    return counts


def total(columns: Sequence[Ints]) -> Ints:
    """Columns added up, entry by entry."""
    added: Ints = np.sum(np.stack(columns), axis=0, dtype=np.int64)
    return added


def _room(asked: pl.DataFrame, pool: pl.DataFrame | None) -> Ints:
    if pool is None:
        return np.full(asked.height, UNLIMITED, dtype=np.int64)
    held = asked.join(pool.group_by("query_id").len(), on="query_id", how="left", maintain_order="left")
    return held.get_column("len").fill_null(0).cast(pl.Int64).to_numpy()
