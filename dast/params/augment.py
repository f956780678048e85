"""The `augment` section: who gets the round's further rollouts, with which prompt, and how many."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dast.params.decoding import Decoding
from dast.params.ladder import Hinted, Matched
from dast.params.section import (
    Count,
    NonNegativeFloat,
    PerLevelCount,
    PositiveCount,
    Rate,
    Section,
)

Level = Literal["easy", "medium", "hard", "unsolved"]
Chance = Annotated[float, Field(ge=0.0, lt=1.0)]
"""A posterior probability that the next rollout is correct."""


class Budget(Section):
    """What a round may spend, `sample`'s rollouts and every step of the ladder counted in: a hard bound."""

    unit: Literal["rollouts", "tokens"]
    """`tokens` are generated tokens."""
    per_query: NonNegativeFloat
    """An average over all train queries, in units."""


class Uniform(Section):
    """DART's Uniform."""

    n_correct: PositiveCount
    """k_u: correct responses wanted of every query."""


class Prop2Diff(Section):
    """DART's Prop2Diff."""

    n_correct: PositiveCount
    """k_p: correct responses wanted of the query with the highest fail rate."""


class Boundary(Section):
    """HS-STaR without its reward model: the budget goes to queries whose pass rate lies between two bounds."""

    above: Rate
    below: Rate

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.above >= self.below:
            raise ValueError(f"no pass rate lies above {self.above} and below {self.below}")
        return self


class DastBudget(Section):
    """A stated budget where the expected gain per rollout is highest."""

    first_worth: Annotated[float, Field(ge=1.0, le=100.0)]
    """Worth of a query's first correct response; a further one is worth 1. 1 is greedy on yield alone."""
    min_chance: Chance
    """A query whose next rollout is correct with less probability is given up."""
    look_cost: NonNegativeFloat
    """Rollouts that may be wasted on a query to spare a further look at its verdicts: 0 gives many small waves."""
    last_rate: Rate
    """When no more than this share of the augmentation's budget is left, it is spent in one wave."""


class Step(Section):
    """One step of the ladder, for queries of `levels`."""

    enabled: bool
    levels: list[Level]
    most: Count | None
    """Rollouts of a query by this step before its next one, if its level has a next one; null: no such number."""
    min_chance: Chance
    """The next step's turn comes, too, when a rollout of this one is correct with less probability."""


class MatchedStep(Step):
    """Worked solutions of the query's own level in front, longer ones for harder levels: length control (DAST-L)."""

    exemplars: Matched


class DecodingStep(Step):
    """The plain prompt, drawn otherwise: warmer, or longer."""

    decoding: Decoding


class HintedStep(Section):
    """Starts of the reference solution for queries that nothing solved; what they give is never counted as yield."""

    enabled: bool
    levels: list[Level]
    budget_rate: Rate
    """Share of the budget kept for this step."""
    most: PositiveCount
    """Attempts at a query, each with a longer start."""
    n_correct: PositiveCount
    """Correct responses of a query that end its attempts."""
    start: Hinted


class Ladder(Section):
    """Steps in order: `more` of the plain prompt, `matched`, `decoding`; `hinted` when the others have ended."""

    more: Step
    matched: MatchedStep
    decoding: DecodingStep
    hinted: HintedStep


class Forecast(Section):
    """What the augmentation will probably spend and get, told before it spends."""

    n_draws: PositiveCount
    """Simulated rounds, each with pass rates drawn from the posteriors."""
    interval: Annotated[float, Field(gt=0.0, lt=1.0)]
    """Share of the simulated rounds that an interval holds."""


class Suspect(Section):
    """When a reference answer is listed as suspect: the policy agrees with itself, and against the reference."""

    min_agree: PositiveCount
    """Rollouts that must give one other answer."""
    min_probability: Annotated[float, Field(gt=0.0, lt=1.0)]
    """Posterior probability that more than half of all responses would give that answer (uniform prior)."""


class Augment(Section):
    """Further rollouts for the queries that need them."""

    strategy: Literal["vanilla", "uniform", "prop2diff", "boundary", "dast", "dast_budget"]
    """Who gets them; formulas and sources stand in docs/allocation.md."""
    budget: Budget
    wave: PositiveCount
    """Most rollouts of a query between two looks at its verdicts."""
    quota: PerLevelCount
    """dast, dast_budget: correct responses wanted of a query, `sample`'s included."""
    cap: PerLevelCount
    """Every strategy but vanilla and boundary: most rollouts of a query, `sample`'s included."""
    uniform: Uniform
    prop2diff: Prop2Diff
    boundary: Boundary
    dast_budget: DastBudget
    ladder: Ladder
    decoding: Decoding
    """Of every step but `decoding`."""
    forecast: Forecast
    suspect: Suspect
    seed: Count
