"""The tree that an answer is read into.

Guarantees: immutable, compared by content; numbers are exact fractions. Grain: one part of an answer a node.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from dast.equivalence.spelling import Unreadable


@dataclass(frozen=True, slots=True)
class Node:
    """`kind` says what it is, `value` its name or sign, `number` a number's exact value, `args` what it holds."""

    kind: str
    args: tuple[Node, ...] = ()
    value: str = ""
    number: Fraction = Fraction(0)


def in_base(digits: str, base: Node) -> Node:
    """A number in a base, as a name: compared by its digits alone.

    Raises:
        Unreadable: a base that is no number.
    """
    if base.kind != "number":
        raise Unreadable("base of a number")
    return Node("symbol", value=f"{digits.lstrip('0') or '0'}_{base.number}")


def mixed_number(whole: Node, above: Fraction, below: Fraction) -> Node:
    """A whole number and a proper fraction.

    Raises:
        Unreadable: the fraction is not proper.
    """
    if above.denominator != 1 or below.denominator != 1 or not 0 < above < below:
        raise Unreadable("neither a mixed number nor a product")
    return Node("number", number=whole.number + above / below)
