"""The comparison that needs no worker: equal texts, words, and everything made of rational numbers alone.

Guarantees: exact, deterministic, bounded time and memory; what it cannot decide it says so (None). Grain: one pair.
"""

from __future__ import annotations

import re
from functools import lru_cache

from dast.equivalence.nodes import Node
from dast.equivalence.outcome import Outcome
from dast.equivalence.rational import TooLarge, Undefined, rational
from dast.equivalence.reading import read
from dast.equivalence.spelling import MAX_CHARS, Unreadable, simplified
from dast.equivalence.structure import same
from dast.equivalence.words import words

_INTEGER = re.compile(r"0|-?[1-9]\d{0,15}")


class _NeedsAlgebra(Exception):
    """An equality of expressions that are not rational."""


def quick(reference: str, predicted: str) -> Outcome | None:
    """Verdict and reason; None when the pair needs algebra."""
    if _INTEGER.fullmatch(reference) and _INTEGER.fullmatch(predicted):
        return ("correct" if reference == predicted else "incorrect"), None
    fault = unreadable_reference(reference)
    if fault is not None:
        return "ungraded", fault
    plain = _spelling(reference)
    if plain is not None and plain == _spelling(predicted):
        return "correct", None
    expected, found = _read(reference), _read(predicted)
    if expected is None:
        return "incorrect", None
    if found is None:
        return "incorrect", "predicted_unreadable"
    return _compared(expected, found)


def unreadable_reference(reference: str) -> str | None:
    """Why nothing can be graded against a reference; None when it is an expression with a value, or words."""
    node = _read(reference)
    if node is None:
        return None if words(reference) is not None else "reference_unparseable"
    try:
        _evaluate(node)
    except TooLarge:
        return "reference_too_large"
    except Undefined:
        return "reference_undefined"
    return None


def _compared(expected: Node, found: Node) -> Outcome | None:
    try:
        return ("correct" if same(expected, found, _rationals_equal) else "incorrect"), None
    except _NeedsAlgebra:
        return None
    except TooLarge:
        return "ungraded", "too_large"
    except Undefined:
        return "incorrect", "undefined"


def _rationals_equal(a: Node, b: Node) -> bool:
    left, right = rational(a), rational(b)
    if left is None or right is None:
        if a == b:
            return True
        if a.kind == b.kind == "symbol" and not {a.value, b.value} & {"e", "i"}:
            return False
        raise _NeedsAlgebra
    return left == right


def _evaluate(node: Node) -> None:
    """Raises what the rational parts of a tree raise."""
    if rational(node) is None:
        for part in node.args:
            _evaluate(part)


def _read(text: str) -> Node | None:
    return _read_short(text) if len(text) <= MAX_CHARS else None


@lru_cache(maxsize=4096)
def _read_short(text: str) -> Node | None:
    try:
        return read(text)
    except Unreadable:
        return None


def _spelling(text: str) -> str | None:
    """One spelling of a text without white space; None for a text that may not be read."""
    said = words(text)
    if said is not None:
        return said
    try:
        return re.sub(r"\s+", " ", simplified(text))
    except Unreadable:
        return None
