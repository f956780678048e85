"""Values of expressions as intervals that surely hold them, and nearness within a tolerance that a source declares.

Guarantees: an interval encloses the true value (outward rounding by mpmath's `iv`); what cannot be enclosed is None,
never a guess; numbers are bounded, so nothing runs long. Grain: one expression without variables.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from mpmath import iv

from dast.equivalence.nodes import Node
from dast.equivalence.rational import TooLarge, Undefined, rational
from dast.equivalence.reading import read
from dast.equivalence.spelling import Unreadable

_BITS = 256
_LARGEST_EXPONENT = 4_096
"""An interval with a bound above 2^4096 is given up, so that no power can take long."""


class _Unknown(Exception):
    """No interval: a variable, an unusual function, or a number too large."""


def within(reference: str, predicted: str, tolerance: float) -> bool | None:
    """Whether each number of a prediction lies within `tolerance` (relative to the reference's) of its counterpart.

    None when it cannot be told: one side is no number. An integer is a count, and has no room.
    """
    try:
        return _all_near(read(reference), read(predicted), Fraction(tolerance))
    except (Unreadable, TooLarge, Undefined):
        return None


def _all_near(reference: Node, predicted: Node, tolerance: Fraction) -> bool | None:
    """Number by number, in order; units on both sides must agree, and a list or tuple must be one on both."""
    if reference.kind == predicted.kind == "unit" and reference.value != predicted.value:
        return False
    reference, predicted = (node.args[0] if node.kind == "unit" else node for node in (reference, predicted))
    if reference.kind in ("list", "tuple") or predicted.kind in ("list", "tuple"):
        shapes = [(node.kind, node.value, len(node.args)) for node in (reference, predicted)]
        if shapes[0] != shapes[1]:
            return False
        found = [_all_near(*pair, tolerance) for pair in zip(reference.args, predicted.args, strict=True)]
        return False if False in found else None if None in found else True
    if "percent" in (reference.kind, predicted.kind) and reference.kind != predicted.kind:
        return None
    return _near(reference, predicted, tolerance)


def _near(reference: Node, predicted: Node, tolerance: Fraction) -> bool | None:
    exact = rational(reference), rational(predicted)
    if exact[0] is not None and (exact[1] is not None or exact[0].denominator == 1):
        room = tolerance * abs(exact[0]) if exact[0].denominator > 1 else Fraction(0)
        return exact[1] is not None and abs(exact[0] - exact[1]) <= room
    a, b = enclosure(reference), enclosure(predicted)
    if a is None or b is None:
        return None
    gap, room = abs(a - b), abs(a) * _interval(tolerance)
    if gap.b <= room.a:
        return True
    return False if gap.a > room.b else None


def enclosure(node: Node) -> Any | None:
    """An interval (mpmath `iv.mpf`) that holds the value of an expression; None where there is none to be had."""
    iv.prec = _BITS
    try:
        return _value(node)
    except (_Unknown, ArithmeticError, ValueError, TooLarge, Undefined):
        return None


def _value(node: Node) -> Any:
    exact = rational(node)
    if exact is not None:
        return bounded(_interval(exact))
    if node.kind in ("symbol", "constant"):
        names = {"pi": iv.pi, "e": iv.e}
        if node.value not in names:
            raise _Unknown
        return +names[node.value]
    if node.kind == "function":
        return bounded(_function(node))
    return bounded(_applied(node.kind, [_value(part) for part in node.args]))


def _function(node: Node) -> Any:
    functions = {"sin": iv.sin, "cos": iv.cos, "tan": iv.tan, "exp": iv.exp, "ln": iv.log}
    argument = _value(node.args[0])
    if node.value == "log" and len(node.args) > 1:
        return iv.log(_positive(argument)) / iv.log(_positive(_value(node.args[1])))
    if node.value not in functions:
        raise _Unknown
    return functions[node.value](_positive(argument) if node.value == "ln" else argument)


def _applied(kind: str, values: list[Any]) -> Any:
    first, last = values[0], values[-1]
    match kind:
        case "add":
            return first + last
        case "mul":
            return first * last
        case "neg":
            return -first
        case "div":
            return first / _not_zero(last)
        case "percent":
            return first / 100
        case "degree":
            return first * iv.pi / 180
        case "absolute":
            return abs(first)
        case "power":
            return iv.exp(bounded(last * iv.log(_positive(first))))
        case "root":
            return iv.exp(iv.log(_positive(last)) / _not_zero(first))
    raise _Unknown


def bounded(value: Any) -> Any:
    """The interval itself.

    Raises:
        ArithmeticError: a bound is not finite, or beyond 2^4096.
    """
    limit = iv.mpf(2) ** _LARGEST_EXPONENT
    if not (-limit.a < value.a and value.b < limit.b):
        raise OverflowError("too large for an interval")
    return value


def _interval(value: Fraction) -> Any:
    return iv.mpf(value.numerator) / iv.mpf(value.denominator)


def _positive(value: Any) -> Any:
    if value.a <= 0:
        raise _Unknown
    return value


def _not_zero(value: Any) -> Any:
    if value.a <= 0 <= value.b:
        raise _Unknown
    return value
