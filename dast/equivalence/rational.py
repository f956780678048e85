"""Exact rational value of an expression, without sympy.

Guarantees: exact (`Fraction`), bounded size: a number of more than `MAX_BITS` bits raises `TooLarge`, never runs.
"""

from __future__ import annotations

import math
from fractions import Fraction

from dast.equivalence.nodes import Node

MAX_BITS = 20_000
MAX_FACTORIAL = 1_000
_MAX_INDEX = 64
_MAX_ROOT_BITS = 4_096


class TooLarge(Exception):
    """A number that would take too many digits."""


class Undefined(Exception):
    """An expression without a value, such as a division by zero."""


def rational(node: Node) -> Fraction | None:
    """The value; None when the expression is not made of rational operations on numbers.

    Raises:
        TooLarge: more than `MAX_BITS` bits.
        Undefined: a division by zero, or zero to a negative power.
    """
    if node.kind == "number":
        return node.number
    if node.kind in ("symbol", "constant", "function") or not node.args:
        return None
    values = [rational(part) for part in node.args]
    known = [value for value in values if value is not None]
    found = _applied(node.kind, known) if len(known) == len(values) else None
    if found is not None and max(found.numerator.bit_length(), found.denominator.bit_length()) > MAX_BITS:
        raise TooLarge
    return found


def power_is_too_large(base: Fraction, exponent: Fraction) -> bool:
    """Whether base^exponent has more than `MAX_BITS` bits."""
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    return abs(base) not in (0, 1) and bits * abs(exponent) > MAX_BITS


def _applied(kind: str, values: list[Fraction]) -> Fraction | None:
    first, last = values[0], values[-1]
    match kind:
        case "add":
            return first + last
        case "mul":
            return first * last
        case "neg":
            return -first
        case "div":
            return _divided(first, last)
        case "percent":
            return first / 100
        case "absolute":
            return abs(first)
        case "power":
            return _power(first, last)
        case "root":
            return _root(first, last)
        case "factorial":
            return _factorial(first)
        case "binomial":
            return _binomial(first, last)
    return None


def _divided(above: Fraction, below: Fraction) -> Fraction:
    if below == 0:
        raise Undefined("division by zero")
    return above / below


def _power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if power_is_too_large(base, exponent):
        raise TooLarge
    if exponent.denominator != 1:
        if base < 0:
            raise Undefined("a power of a negative number that is not whole")
        return None
    if base == 0 and exponent <= 0:
        raise Undefined("zero to a power that is not positive")
    # Exponents of 0, 1 and -1 are unbounded above, and Fraction would loop over their bits.
    return Fraction(base ** int(exponent)) if abs(base) not in (0, 1) else _unit_power(base, int(exponent))


def _unit_power(base: Fraction, exponent: int) -> Fraction:
    return base if exponent % 2 else abs(base)


def _root(index: Fraction, value: Fraction) -> Fraction | None:
    """The real root, where it is rational; an odd root of a negative number is negative."""
    if index.denominator != 1 or not 2 <= index <= _MAX_INDEX or (value < 0 and index % 2 == 0):
        return None
    degree = int(index)
    above, below = (_whole_root(abs(side), degree) for side in (value.numerator, value.denominator))
    if above is None or below is None:
        return None
    return Fraction(above, below) * (-1 if value < 0 else 1)


def _whole_root(value: int, degree: int) -> int | None:
    if degree == 2:
        root = math.isqrt(value)
    elif value.bit_length() > _MAX_ROOT_BITS:
        return None
    else:
        root, step = 0, 1 << (value.bit_length() // degree)
        while step:
            root, step = (root + step if (root + step) ** degree <= value else root), step >> 1
    return root if root**degree == value else None


def _factorial(value: Fraction) -> Fraction | None:
    if value.denominator != 1 or value < 0:
        return None
    if value > MAX_FACTORIAL:
        raise TooLarge
    return Fraction(math.factorial(int(value)))


def _binomial(n: Fraction, k: Fraction) -> Fraction | None:
    if n.denominator != 1 or k.denominator != 1 or n < 0 or k < 0:
        return None
    if n > MAX_FACTORIAL:
        raise TooLarge
    return Fraction(math.comb(int(n), int(k)))
