"""Where queries, recorded responses and the base model come from."""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from dast.params.section import Count, Name, PositiveCount, Rate, Section, Text

AnswerRule = Literal["hash", "boxed", "whole"]
"""How the reference answer is read from its column: after the last `####`, the last `\\boxed{}`, or the whole text."""


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


def _below_raw(path: str) -> str:
    """The path, which the card and the settings of a package show: it may say nothing of the machine."""
    if PurePosixPath(path).is_absolute() or PureWindowsPath(path).drive or ".." in PurePosixPath(path).parts:
        raise ValueError("leads out of data/raw, and packages show it; put the file, or a link to it, below data/raw")
    return path


Regex = Annotated[Text, AfterValidator(_compiles)]


Tolerance = Annotated[float, Field(gt=0.0, lt=1.0)] | None
"""Relative tolerance of a source's numerical answers (TheoremQA's are rounded); null, as for most, means exact."""


class Columns(Section):
    """Column of each fact in a source; dotted paths reach into nested objects (`extra_info.answer`)."""

    query: list[Text]
    """Columns whose texts, joined by a space, are the query (SVAMP keeps body and question apart)."""
    answer: Text
    solution: Text | None
    """Worked solution; null when the source has none."""
    level: Text | None
    """The source's own difficulty level; null when it has none."""


class TinySource(Section):
    """Queries drawn from the built-in generator."""

    kind: Literal["tiny"]
    name: Name
    part: Literal["train", "test"]
    """Share of the generator's space that is drawn from; no query of one part stands in the other."""
    counts: dict[str, PositiveCount]
    """Queries to draw for each of the generator's levels."""
    answer_cap: Rate
    """Largest share of one level's queries that may have the same answer."""
    worked_rate: Rate
    """Share of reference solutions in the longer style that writes each carry out."""
    seed: Count
    licence: Text


class FileSource(Section):
    """Queries of a JSONL or Parquet file."""

    kind: Literal["file"]
    name: Name
    path: Annotated[Text, AfterValidator(_below_raw)]
    """Relative to the raw data folder (`data/raw`), and below it: the dataset's card shows it."""
    columns: Columns
    answer_rule: AnswerRule
    strip_pattern: Regex | None
    """Regular expression removed from solutions (GSM8K's calculator marks: `<<[^>]*>>`); null removes nothing."""
    solution_end: Text | None
    """Put at the end of each solution, `{answer}` standing for the answer; null when solutions state it themselves. A
    model that trains on solutions learns from here how to state its answer: `grading.extraction` must find it."""
    where: dict[str, Text | None]
    """Only rows whose column matches the shell pattern (`college_math*`) are taken, null matching an empty column; no
    entry takes all."""
    tolerance: Tolerance
    licence: Text
    """SPDX identifier, or `unknown`."""


class HubSource(Section):
    """Queries of a dataset on the Hugging Face Hub."""

    kind: Literal["hub"]
    name: Name
    hub_id: Text
    config: Text | None
    split: Text
    revision: Text | None
    """Commit of the dataset. Must be filled before the stage runs: a moving branch cannot be traced."""
    columns: Columns
    answer_rule: AnswerRule
    strip_pattern: Regex | None
    solution_end: Text | None
    where: dict[str, Text | None]
    tolerance: Tolerance
    licence: Text


Source = Annotated[TinySource | FileSource | HubSource, Field(discriminator="kind")]


class TestSet(Section):
    """A test set and where it stands to the training queries."""

    domain: Literal["in", "out"]
    source: Source


class PoolResponse(Section):
    """One response column of a pool."""

    response: Text
    """Dotted path of the response's text."""
    label: Text | None
    """Dotted path of the publisher's own verdict (true or false), only compared with ours; null when there is none."""
    origin: Text
    """Name of the model, or of the dotted path that holds it, as `origin_is_column` says."""
    origin_is_column: bool


class Pool(Section):
    """Recorded responses. `kind` and `path` as in the sources; one row may carry several responses."""

    kind: Literal["file", "hub"]
    path: Text
    """File below `data/raw`, or the dataset's hub id."""
    config: Text | None
    split: Text | None
    revision: Text | None
    query: list[Text]
    """Columns whose texts, joined by a space, are the query; matched with the train queries by normalised text."""
    responses: list[PoolResponse]
    licence: Text
    """Of the responses: SPDX identifier, or `unknown`."""
    unknown_queries: Literal["refuse", "drop"]
    """What happens when a pool row's query is none of the train queries."""

    @model_validator(mode="after")
    def _file_below_raw(self) -> Self:
        if self.kind == "file":
            try:
                _below_raw(self.path)
            except ValueError as error:
                raise ValueError(f"path {self.path} {error}") from error
        return self


class Prepare(Section):
    """Queries, test sets, and recorded responses."""

    train: list[Source]
    tests: list[TestSet]
    train_in_tests: Literal["refuse", "drop"]
    """What happens to a train query that also stands in a test set."""
    pool: Pool | None


class TinyBase(Section):
    """The built-in base model: a Llama trained from scratch on a noisy corpus, half a million parameters by default."""

    seed: Count
    steps_short: PositiveCount
    """Optimiser steps on problems of one to three steps."""
    steps_long: PositiveCount
    """Optimiser steps after them on problems of all lengths."""
    long_weights: Annotated[list[Annotated[float, Field(gt=0.0)]], Field(min_length=1)]
    """Weights of problems with one, two, three, ... steps among these."""
    top: Annotated[int, Field(ge=59, le=99)]
    """Largest value in the corpus: 59, or 99 where queries of the families of large values are to be asked."""
    hidden_size: PositiveCount
    """Width; must be a multiple of twice the heads."""
    layers: PositiveCount
    heads: PositiveCount
    batch_size: PositiveCount
    learning_rate: Annotated[float, Field(gt=0.0)]
    worked_rate: Rate
    """Share of the corpus that writes each carry out."""
    shots_rate: Rate
    """Share of the corpus with one to three solved problems in front."""


class Bootstrap(Section):
    """Where the base model comes from."""

    kind: Literal["tiny", "hub", "local", "none"]
    source: Text | None
    """Hub id (`hub`) or folder (`local`); null otherwise."""
    revision: Text | None
    """Commit of the hub model; must be filled for `hub`."""
    digest: Text | None
    """Digest of the local folder, verified before use; must be filled for `local`."""
    tiny: TinyBase
    """Used by `tiny` alone."""
