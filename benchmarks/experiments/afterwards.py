"""What was thought of when rows had been seen: further contrasts, and what to know of the arms.

Guarantees: nothing here is part of a design, so none of it changes a design's digest or is called exploratory as if it
had been fixed beforehand. Grain: one contrast.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from benchmarks.experiments.design import Contrast
from dast.params.project import load_yaml
from dast.params.section import PositiveCount, Section, Text


class Afterthought(Contrast):
    """A contrast that looks at what a design's own contrasts cannot name."""

    among: dict[Text, list[Text]] = Field(default_factory=dict)
    """By test set, the generator's levels of the queries that count; all of a set that is not named."""
    round: PositiveCount | None = None
    """Null: the round that the design compares."""


class Afterwards(Section):
    """One study's file as a whole."""

    notes: list[Text]
    contrasts: list[Afterthought]


def load_afterwards(path: Path) -> Afterwards:
    """What the file says.

    Raises:
        ValidationError: a fault in the file.
    """
    return Afterwards.model_validate(load_yaml(path))
