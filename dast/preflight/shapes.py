"""A model's shape: the numbers that memory and time are estimated from, and the longest text that it reads.

Grain: one model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dast.params.sections import Settings
from dast.preflight.findings import Finding


@dataclass(frozen=True)
class Shape:
    """What memory and time depend on."""

    n_parameters: int
    n_layers: int
    hidden: int
    feed_forward: int
    """Width of the layer's inner part; of a mixture of experts, that of the experts that a token goes through."""
    key_value: int
    """Numbers of one key: heads that have keys of their own, times their width."""
    vocabulary: int
    longest: int | None
    """Most tokens that it reads; None where its config names no limit."""
    tied: bool
    """Whether the head is the embeddings."""


def length_findings(shape: Shape, settings: Settings) -> Iterator[Finding]:
    """Limits of the params that are longer than the model's."""
    for key, n_tokens in (
        ("generation.max_model_tokens", settings.generation.max_model_tokens),
        ("train.max_tokens", settings.train.max_tokens),
    ):
        if shape.longest is not None and n_tokens > shape.longest:
            told = f"{key} is {n_tokens:,}, and it reads {shape.longest:,} tokens at most; lower that"
            yield Finding("error", "model", told)
