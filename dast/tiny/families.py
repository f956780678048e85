"""The families of levels: which classes of steps a problem has, how large its values may become, and its wording.

Grain: one family.
"""

from __future__ import annotations

from collections.abc import Mapping

LEVELS: Mapping[str, Mapping[int, str]] = {
    "core": {1: "ee", 2: "ec", 3: "ecc", 4: "ecd", 5: "eet", 6: "ccdd", 7: "ccdt", 8: "ccddt"},
    "long": {9: "ccccdd", 10: "cccddt"},
    "form": {3: "ecc", 4: "ecd", 5: "eet", 6: "ccdd", 7: "ccdt", 8: "ccddt"},
    "large": {1: "eee", 2: "eeec", 3: "eecc", 4: "eeccc", 5: "eeccd", 6: "ecccdd", 7: "ecccddt", 8: "eccccdtt"},
    "large_form": {6: "ecccdd", 7: "ecccddt", 8: "eccccdtt"},
}
"""Step classes of each level, by family. ``core`` is the default's in-domain family; ``long`` has more steps than any
core problem; ``form`` has a first sentence that does not name the thing counted, a wording that no other family has.
``large`` is for larger models: more steps and larger values; ``large_form`` is its hardest levels in that wording."""

UNNAMED = frozenset({"form", "large_form"})
"""Families whose first sentence does not name the thing counted."""

TOP = 59
"""Largest value in a problem. With few distinct number facts, a corrected fact carries over to unseen problems."""

LARGE_TOP = 99
"""Largest value in the families of large values: the largest number that is one token."""


def top_of(family: str) -> int:
    """Largest value in a problem of the family."""
    return LARGE_TOP if family.startswith("large") else TOP
