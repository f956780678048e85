"""Sections of the ladder's steps. Attribute docstrings give meaning and unit."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dast.params.section import PerLevelRate, PositiveCount, Rate, Section

PositiveRate = Annotated[float, Field(gt=0.0, le=1.0)]


class Matched(Section):
    """Length control (DAST-L): worked solutions of the query's own level in front, longer ones for harder levels."""

    source: Literal["policy_set", "references"]
    """Where solutions come from: the set that the policy was trained on (the references, for the base), or always the
    references."""
    n_exemplars: PositiveCount
    """Most exemplars of a prompt."""
    length_quantile: PerLevelRate
    """Exemplars are taken around this quantile of their level's solution lengths."""
    max_exemplar_tokens: PositiveCount
    """Most tokens of a prompt's exemplars together, queries and solutions, by the policy's tokenizer."""
    n_candidates: PositiveCount
    """Solved queries around the quantile that a query's exemplars are chosen from."""
    choose_by: Literal["length", "similarity"]
    """Among those: any, by a digest of both queries; or the most similar to the query."""
    near_duplicate: PositiveRate
    """Share of word triples in common from which on a solved query counts as the query itself, or as a test query."""


class Hinted(Section):
    """Starts of responses: how much of the reference solution each attempt at a query is given."""

    first_rate: PositiveRate
    """Share of the solution's steps at the first attempt; one step at least."""
    step_rate: Rate
    """What each further attempt adds to it."""
    max_rate: PositiveRate
    """Largest share, whatever the attempt."""

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.first_rate > self.max_rate:
            raise ValueError("first_rate is larger than max_rate")
        return self
