r"""One spelling for answers that are the same by reading alone, for counting votes: `0.5`, `\frac{1}{2}` and `1/2 cm`.

Guarantees: answers with one normal form are equal by the grader's own conventions (a unit is left away); the reverse
does not hold: equal answers that need algebra may have two. Bounded time, no worker. Grain: one answer.
"""

from __future__ import annotations

from functools import lru_cache

from dast.equivalence.nodes import Node
from dast.equivalence.rational import TooLarge, Undefined, rational
from dast.equivalence.reading import read
from dast.equivalence.spelling import Unreadable


@lru_cache(maxsize=65_536)
def normal_form(text: str) -> str:
    """The spelling that equal answers share; text that cannot be read keeps its own, less case and white space."""
    try:
        return _form(read(text))
    except Unreadable:
        return " ".join(text.split()).casefold()


def _form(node: Node) -> str:
    if node.kind == "unit":
        return _form(node.args[0])
    if node.kind == "relation" and node.value == "=" and node.args[0].kind == "symbol":
        return _form(node.args[1])
    exact = _rational(node)
    if exact is not None:
        return exact
    parts = [_form(part) for part in node.args]
    if node.kind in ("list", "set"):
        return f"{{{','.join(sorted(parts))}}}"
    return f"{node.kind}:{node.value}({','.join(parts)})" if parts else node.value or node.kind


def _rational(node: Node) -> str | None:
    try:
        value = rational(node)
    except (TooLarge, Undefined):
        return None
    if value is None:
        return None
    # Hexadecimal: Python refuses to write an integer of more than 4,300 decimal digits.
    bits = max(value.numerator.bit_length(), value.denominator.bit_length())
    return str(value) if bits < 10_000 else f"{value.numerator:x}/{value.denominator:x}"
