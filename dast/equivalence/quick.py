"""The comparison that needs no worker: equal texts, words, and everything made of rational numbers alone.

Guarantees: exact, deterministic, bounded time and memory; what it cannot decide it says so (None). Grain: one pair.
"""

from __future__ import annotations

import re
from functools import lru_cache

from dast.equivalence.expressions import Node
from dast.equivalence.outcome import Outcome
from dast.equivalence.rational import TooLarge, Undefined, rational
from dast.equivalence.reading import read
from dast.equivalence.structure import same
from dast.equivalence.tokens import Unreadable, simplified

_TEXT_COMMAND = re.compile(
    r"\\(?:text|textbf|textit|textrm|textnormal|mathrm|mathbf|mathit|mbox|rm|hbox)\s*\{([^{}]*)\}"
)
_WORDS = re.compile(r"\(?([A-Za-z][A-Za-z' -]*)\)?")
_RATIO = re.compile(r"\d{1,9}(?:\s*:\s*\d{1,9})+")
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
        return None if _words(reference) is not None else "reference_unparseable"
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
        raise _NeedsAlgebra
    return left == right


def _evaluate(node: Node) -> None:
    """Raises what the rational parts of a tree raise."""
    if rational(node) is None:
        for part in node.args:
            _evaluate(part)


@lru_cache(maxsize=4096)
def _read(text: str) -> Node | None:
    try:
        return read(text)
    except Unreadable:
        return None


def _words(text: str) -> str | None:
    """Words, for an answer that is a name, an option, a ratio or a time of day; None for anything else."""
    bare = _TEXT_COMMAND.sub(r"\1", text.replace("$", "")).strip()
    if _RATIO.fullmatch(bare):
        return "".join(bare.split())
    match = _WORDS.fullmatch(bare)
    if match is None:
        return None
    words = " ".join(match.group(1).split())
    return words if len(words) < 3 else words.lower()


def _spelling(text: str) -> str | None:
    """One spelling of a text without white space; None for a text that may not be read."""
    words = _words(text)
    if words is not None:
        return words
    try:
        return re.sub(r"\s+", " ", simplified(text))
    except Unreadable:
        return None
