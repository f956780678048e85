"""Runaway repetition: how much of a response only says again what it said before. Grain: one response."""

from __future__ import annotations

from collections.abc import Sequence

RUN = 4
"""Words of a run: rep-4 of Welleck et al. 2020 (arXiv 1908.04319). Single words repeat in any worked solution."""


def repeats(text: str, most: float) -> bool:
    """Whether more than this share of a text's runs of four words repeat an earlier run of it."""
    words = text.split()
    # A run that repeats begins with a word that repeats: with too few of those there is no need to look at runs.
    possible = len(words) - len(set(words)) > most * (len(words) - RUN + 1)
    return possible and repetition_rate(words) > most


def repetition_rate(words: Sequence[str]) -> float:
    """Share of the runs of four words that repeat an earlier one; 0 for fewer words."""
    runs = [tuple(words[at : at + RUN]) for at in range(len(words) - RUN + 1)]
    return 1.0 - len(set(runs)) / len(runs) if runs else 0.0
