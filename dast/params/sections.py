"""One model a section of `defaults`. Attribute docstrings give meaning and unit."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dast.params.augment import Augment
from dast.params.build import Build
from dast.params.decoding import Decoding
from dast.params.engines import Generation
from dast.params.evaluate import Contamination, Evaluate, Gate, Intervals
from dast.params.package import Package
from dast.params.section import (
    Count,
    PositiveCount,
    PositiveFloat,
    Rate,
    Section,
    Text,
)
from dast.params.sources import Bootstrap, Prepare
from dast.params.train import Train

ExtractionRule = Literal["boxed", "hash", "answer_colon", "answer_is", "last_number"]


class Exemplar(Section):
    """A solved query that stands in front of the prompt."""

    query: Text
    response: Text


class PromptStyle(Section):
    """How a query becomes a prompt."""

    system: Text | None
    """System message; null for none."""
    user: Annotated[str, Field(pattern=r"\{query\}")]
    """User message; `{query}` stands for the query."""
    exemplars: list[Exemplar]
    """Fixed solved queries in front, as earlier turns."""
    raw: bool
    """Sent as text, without the chat template: each exemplar, a space, its response, a blank line; then the query. A
    tuned model is trained so too: query, a space, response, and the tokenizer's end token."""

    @model_validator(mode="after")
    def _no_turns_in_text(self) -> Self:
        if self.raw and self.system is not None:
            raise ValueError("a raw prompt has no system message; write it into user")
        return self


class Prompt(Section):
    """Prompts of the untuned base and of the models that this line trained."""

    base: PromptStyle
    tuned: PromptStyle
    chat_template: Text | None
    """Jinja template for a base whose tokenizer has none; null keeps the tokenizer's own. Raw prompts need none."""


class BoxesDiffer(Section):
    """What becomes of a response that boxes two different answers: its `last` box counts, or it is refused."""

    training: Literal["last", "refuse"]
    """Rollouts of train queries; a refused one is incorrect, and stands in no set."""
    evaluation: Literal["last", "refuse"]
    """Rollouts of test queries; published graders take the last."""


class Grading(Section):
    """How final answers are found and compared."""

    extraction: list[ExtractionRule]
    """Rules in order; the first that finds an answer decides."""
    boxes_differ: BoxesDiffer
    timeout_s: Annotated[float, Field(gt=0.0, le=86_400.0)]
    """CPU seconds for one comparison, a day at most; one that takes more is `ungraded`, never wrong. Ten times as long
    on the clock ends it too."""
    max_ungraded_rate: Rate
    """A stage ends in an error above this share of ungraded rollouts."""
    n_review: Count
    """Most pairs of each kind in a stage's review list (audit.csv)."""


class Sample(Section):
    """The plain rollouts that pass rates are estimated from."""

    n_rollouts: Count
    """K: rollouts of each query; 0 trains on reference solutions alone."""
    decoding: Decoding
    seed: Count


class Prior(Section):
    """Beta distribution of pass rates before rollouts are seen."""

    kind: Literal["fixed", "fitted"]
    """`fixed` is Beta(a, b); `fitted` is empirical Bayes: the Beta under which the round's queries are likeliest."""
    a: Annotated[float, Field(ge=0.001, le=100.0)]
    b: Annotated[float, Field(ge=0.001, le=100.0)]
    """Fixed: the prior. Fitted: the fallback, which counts the less the more queries there are. 1 and 1 is uniform."""
    weight: PositiveFloat
    """Fitted: queries (of 20 rollouts each) that the fallback counts for beside the round's own."""


class Difficulty(Section):
    """Levels by pass rate: easy above `easy_above`, medium from `medium_from`, hard below; unsolved: never solved."""

    easy_above: Rate
    medium_from: Rate
    rule: Literal["point", "posterior"]
    """`point`: the level of the observed pass rate; `posterior`: the most probable level of the true one."""
    decided_above: Annotated[float, Field(ge=0.0, lt=1.0)]
    """A level is decided when its posterior probability is larger than this, under either rule."""
    interval: Annotated[float, Field(gt=0.0, lt=1.0)]
    """Posterior probability that the pass rate's interval holds."""
    prior: Prior

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.medium_from > self.easy_above:
            raise ValueError(f"medium_from {self.medium_from} lies above easy_above {self.easy_above}")
        return self


class Observe(Section):
    """What of a round's rollouts stands in its small files, to be read in the report."""

    n_rollouts: Count
    """Most rollouts shown of each level and verdict."""
    max_chars: PositiveCount
    """Most characters shown of a query or a response; the middle of a longer one is left out."""


class Settings(Section):
    """Every section, as one round (or a stage outside rounds) sees it."""

    prepare: Prepare
    bootstrap: Bootstrap
    prompt: Prompt
    generation: Generation
    grading: Grading
    sample: Sample
    difficulty: Difficulty
    augment: Augment
    build: Build
    train: Train
    contamination: Contamination
    evaluate: Evaluate
    intervals: Intervals
    gate: Gate
    observe: Observe
    package: Package

    @model_validator(mode="after")
    def _budget_holds_sample(self) -> Self:
        budget, n_rollouts = self.augment.budget, self.sample.n_rollouts
        if budget.unit == "rollouts" and budget.per_query < n_rollouts:
            raise ValueError(
                f"augment.budget.per_query {budget.per_query:g} is less than sample.n_rollouts {n_rollouts}, which it "
                "includes; raise the one or lower the other"
            )
        return self
