"""The section `build` of `defaults`: what becomes of graded rollouts. Attribute docstrings give meaning and unit."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dast.params.section import Count, PerLevelCount, PerLevelRate, PositiveCount, Rate, Section


class LengthBounds(Section):
    """Bounds of a response's characters, as multiples of the median of its level's correct responses."""

    shortest: Annotated[float, Field(ge=0.0, le=1.0)]
    longest: Annotated[float, Field(ge=1.0)]


class Guards(Section):
    """Responses that are no training row though their answer may be right; null or `ignore` switches a guard off."""

    truncated: Literal["ignore", "leave_out"]
    """A response that the token limit cut off. Ignored: it may enter SFT; never a pair."""
    repetition_rate: Rate | None
    """Largest share of a response's runs of four words that repeat an earlier run of it."""
    leak_words: PositiveCount | None
    """Words in a row of an exemplar's query, in the response to a prompt that showed it, that make a leak."""
    equations: Literal["ignore", "leave_out"]
    """A correct response with an equation between numbers that does not hold."""
    length: LengthBounds | None
    """Off-length responses."""


class Hinted(Section):
    """Where responses may stand that began with a part of the reference solution (step `hinted`)."""

    sft: bool
    dpo: bool


class LevelRates(PerLevelRate):
    """The share of each level in a set; they add up to 1."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = sum((Fraction(str(rate)) for rate in self.model_dump().values()), Fraction(0))
        if abs(total - 1) > Fraction(1, 1000):
            raise ValueError(f"the shares add up to {float(total):g}, not to 1")
        return self


class Build(Section):
    """SFT and DPO sets."""

    keep: PerLevelCount
    """Most different correct responses of a query that are kept."""
    choose: Literal["commonest", "diverse"]
    """Which are kept: those given most often, or the commonest and then always the one least like those before."""
    same_reasoning: Literal["alike", "different"]
    """Responses of a query with equal equations in equal order: one response, or different ones."""
    guards: Guards
    hinted: Hinted
    unfiltered: bool
    """Control without the answer filter: responses are kept whatever their verdict. Never for a dataset to share."""
    level_rates: LevelRates | None
    """Share of each level in the SFT set, reached by leaving rows out; null: what `keep` gives."""
    reference_rate: Rate
    """Share of the SFT set that is reference solutions (D_o); 1.0 is reference solutions alone."""
    accumulate: bool
    """Keep the rows of origin `self` of the policy's own SFT set."""
    max_rows: PositiveCount | None
    """Most rows of the SFT set; the shares of levels and references stay. Null: no limit."""
    pairs: PerLevelCount
    """Most preference pairs of a query."""
    pair_rule: Literal["parallel", "random", "commonest_wrong", "nearest_length", "hardest"]
    """Which responses are paired: rules of docs/building.md."""
    reference_chosen: bool
    """Reference solutions are the chosen side of unsolved queries without a correct response."""
    max_pairs: PositiveCount | None
    """Most rows of the DPO set; null: no limit."""
    seed: Count
