"""How responses are drawn."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dast.params.section import Count, NonNegativeFloat, PositiveCount, Section, Text


class Decoding(Section):
    """How responses are drawn."""

    temperature: NonNegativeFloat
    """0 is greedy."""
    top_p: Annotated[float, Field(gt=0.0, le=1.0)]
    top_k: Count
    """0 is no limit."""
    max_new_tokens: PositiveCount
    stop: list[Text]
    """Texts at which a response ends; none of them is kept."""
