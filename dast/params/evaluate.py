"""How models are measured on the test sets, compared, and held; and how near training may come to the test sets.

Attribute docstrings give meaning and unit.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dast.params.decoding import Decoding
from dast.params.section import Count, Name, PositiveCount, Rate, Section


class Evaluate(Section):
    """Accuracy on the test sets; holds its own decoding, so that all rounds are measured alike."""

    n_samples: PositiveCount
    """Rollouts of each test query for pass@k and maj@k."""
    k: list[PositiveCount]
    """The k of pass@k, and of maj@k where more than 1; each at most `n_samples`."""
    greedy: bool
    """Also one greedy response."""
    n_level_rollouts: PositiveCount
    """Further rollouts of the base that set a test query's level, and enter no accuracy."""
    decoding: Decoding
    seed: Count

    @model_validator(mode="after")
    def _k_within_samples(self) -> Self:
        if any(k > self.n_samples for k in self.k):
            raise ValueError(f"k {max(self.k)} is more than n_samples {self.n_samples}")
        return self


class Intervals(Section):
    """Intervals of accuracies and of differences between models."""

    confidence: Annotated[float, Field(ge=0.5, lt=1.0)]
    """What an interval is meant to hold, 0.95 for nineteen of twenty; a verdict wants a p-value below the rest."""
    n_resamples: Annotated[int, Field(ge=100)]
    """Resamplings of the test queries, for a difference's interval and its p-value."""
    seed: Count


class Gate(Section):
    """What a round must hold, in domain, before the next one starts from it."""

    against: list[Literal["base", "policy"]]
    max_drop: Rate
    """Largest drop of pass@1 (0.02 is two points); a drop whose whole interval is larger ends the line."""
    accept: list[Name]
    """Rounds whose drop is accepted: the line goes on from them."""


class Contamination(Section):
    """Texts of training that have word n-grams, or every word, in common with a test query or its solution."""

    n_gram: Annotated[int, Field(ge=5)]
    """Words in a row; a number, a sign and a LaTeX command are a word each. Short ones are stock phrases."""
    min_share: Annotated[float, Field(gt=0.0, le=1.0)]
    """A text is contaminated from this share of n-grams in common on, of its own or of the test's text."""
    action: Literal["report", "drop", "refuse"]
    """What becomes of a contaminated text, its evidence written all the same: it stays; it is left out and counted; the
    stage ends."""
