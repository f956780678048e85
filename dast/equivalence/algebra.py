"""Exact equality of expressions by sympy; imported by the worker process alone.

Guarantees: expressions are built from `Node`s, never parsed from text; no floating-point number enters one. Numbers, at
high precision, only prove that two expressions differ; that they are equal must follow symbolically; what neither
shows is `Undecided`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy

from dast.equivalence.nodes import Node
from dast.equivalence.rational import MAX_FACTORIAL, TooLarge, Undefined, power_is_too_large, rational
from dast.equivalence.zero import differ, proven_zero, surely_not_zero

_FUNCTIONS: dict[str, Any] = {
    name: getattr(sympy, name.replace("arc", "a")) for name in ("sin", "cos", "tan", "cot", "sec", "csc", "exp")
} | {"arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan, "ln": sympy.log}


class UndefinedReference(Exception):
    """A reference without a value: nothing can be graded against it."""


def expressions_equal(reference: Node, predicted: Node) -> bool:
    """Whether equality is proven (True) or disproven (False).

    Raises:
        TooLarge: a number that would take too many digits.
        Undefined: the predicted side has no value.
        UndefinedReference: the reference has none.
        Undecided: nothing proves that they are equal, and nothing that they differ.
    """
    a, b = _defined(reference, UndefinedReference), _defined(predicted, Undefined)
    if a == b and not a.has(sympy.nan, sympy.zoo):
        return True
    for side, fault in ((a, UndefinedReference), (b, Undefined)):
        if side.has(sympy.nan, sympy.zoo):
            raise fault("no value")
    if a.has(sympy.oo, -sympy.oo) or b.has(sympy.oo, -sympy.oo):
        return False
    return not differ(a, b) and proven_zero(a - b)


def _defined(node: Node, fault: type[Exception]) -> Any:
    bare = node.args[0] if node.kind == "neg" else node
    if bare.kind != "constant" and _holds_infinity(node):
        raise fault("infinity inside an expression")
    try:
        return _value(node)
    except Undefined as error:
        raise fault(str(error)) from error


def _holds_infinity(node: Node) -> bool:
    return node.value == "oo" or any(_holds_infinity(part) for part in node.args)


def _value(node: Node) -> Any:
    exact = rational(node)
    if exact is not None:
        return sympy.Rational(exact.numerator, exact.denominator)
    match node.kind:
        case "symbol":
            return {"i": sympy.I, "e": sympy.E}.get(node.value) or sympy.Symbol(node.value, real=True)
        case "constant":
            return sympy.pi if node.value == "pi" else sympy.oo
        case "function":
            return _function(node)
    values = [_value(part) for part in node.args]
    return _applied(node.kind, values)


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
            return first / _divisor(last)
        case "percent":
            return first / 100
        case "degree":
            return first * sympy.pi / 180
        case "absolute":
            return sympy.Abs(first)
        case "power":
            return _power(first, last)
        case "root":
            return _root(first, last)
        case "factorial":
            return sympy.factorial(_bounded(first))
        case "binomial":
            return sympy.binomial(_bounded(first), _bounded(last))
    raise Undefined(f"{kind} inside an expression")


def _power(base: Any, exponent: Any) -> Any:
    if base.is_Rational and exponent.is_Rational:
        sides = [Fraction(int(side.p), int(side.q)) for side in (base, exponent)]
        if power_is_too_large(*sides):
            raise TooLarge
        if base.is_negative and not exponent.is_Integer and exponent != sympy.Rational(1, 2):
            raise Undefined("a power of a negative number that is not whole")
    return (_divisor(base) if exponent.is_number and not exponent.is_positive else base) ** exponent


def _divisor(value: Any) -> Any:
    """A divisor whose digits show that it is not zero; one that hides its zero would prove anything."""
    unclear = value.is_number and not value.is_Rational and not surely_not_zero(value)
    if unclear and (value.has(sympy.nan, sympy.zoo, sympy.oo) or proven_zero(value)):
        raise Undefined("a divisor that is zero or has no value")
    return value


def _root(index: Any, value: Any) -> Any:
    """The real root of a negative number where the index is odd, as in school; sympy's own is complex there."""
    if index.is_Integer and index % 2 == 1 and value.is_negative:
        return -_power(-value, 1 / index)
    return _power(value, 1 / index)


def _bounded(value: Any) -> Any:
    if value.is_Rational and abs(value) > MAX_FACTORIAL:
        raise TooLarge
    return value


def _function(node: Node) -> Any:
    argument = _value(node.args[0])
    if node.value != "log":
        return _FUNCTIONS[node.value](argument)
    # A logarithm without a base is of some base, natural in one text and decimal in another: equal only as such.
    base = _value(node.args[1]) if len(node.args) > 1 else sympy.Symbol("unstated base", positive=True)
    return sympy.log(argument) / sympy.log(base)
