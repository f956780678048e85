"""What every section of params.yaml has in common: strict types, no unknown keys, no defaults, immutable."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
PositiveCount = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveFloat = Annotated[float, Field(gt=0.0)]
NonNegativeFloat = Annotated[float, Field(ge=0.0)]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$")]
"""A name that may become a file name."""


class Section(BaseModel):
    """A group of parameters. No field has a default: a default in code is a parameter that DVC cannot see. No number is
    infinite or NaN: neither can be counted with."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class PerLevelCount(Section):
    """One count for each difficulty level."""

    easy: Count
    medium: Count
    hard: Count
    unsolved: Count

    def at(self, level: str) -> int:
        """The count of a level, by name."""
        return int(getattr(self, level))


def per_level(counts: PerLevelCount) -> str:
    """`easy 1, medium 2, …`."""
    return ", ".join(f"{level} {count}" for level, count in counts)


class PerLevelRate(Section):
    """One share between 0 and 1 for each difficulty level."""

    easy: Rate
    medium: Rate
    hard: Rate
    unsolved: Rate

    def at(self, level: str) -> float:
        """The share of a level, by name."""
        return float(getattr(self, level))
