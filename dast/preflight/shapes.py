"""A model's shape: the numbers that memory and time are estimated from.

Grain: one model.
"""

from __future__ import annotations

from dataclasses import dataclass


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
