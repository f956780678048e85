"""Whether an expression of sympy is zero; imported by the worker process alone.

Guarantees: numbers, at high precision, only prove that an expression is not zero; that it is zero must follow
symbolically. Where neither can be shown, `Undecided` is raised: no proof is no difference. Grain: one expression.
"""

from __future__ import annotations

from typing import Any

import sympy
from sympy.core.evalf import PrecisionExhausted

_DIGITS = 60
_UNEQUAL = sympy.Rational(1, 10**40)
_POINTS = (sympy.Rational(7, 5), sympy.Rational(-11, 13), sympy.Rational(29, 17), sympy.Rational(-37, 19))
_FAR = (sympy.Rational(151, 7), sympy.Rational(-137, 6), sympy.Rational(2017, 2), sympy.Rational(-1999, 2))
"""Where an absolute value may turn (`|x-5|` and `5-x` are one below 5); other functions that agree near agree far."""
_ANGLES = (sympy.asin, sympy.acos, sympy.atan)


class Undecided(Exception):
    """Numbers show no difference, and nothing proves that there is none."""


def differ(a: Any, b: Any) -> bool:
    """Whether numbers show a difference: the values themselves, or those at a few fixed points."""
    symbols = sorted(a.free_symbols | b.free_symbols, key=lambda symbol: symbol.name)
    if not symbols:
        return _apart(a, b) or surely_not_zero(a - b)
    rows = (_POINTS, _FAR) if a.has(sympy.Abs) or b.has(sympy.Abs) else (_POINTS,)
    for row in rows:
        for shift in range(len(row)):
            point = {symbol: row[(place + shift) % len(row)] + place for place, symbol in enumerate(symbols)}
            if _apart(a.subs(point), b.subs(point)):
                return True
    return False


def surely_not_zero(value: Any) -> bool:
    """Whether the digits of a constant show that it is not zero, however small it is (`e^{-100}`)."""
    size = sympy.Abs(value.evalf(_DIGITS, maxn=10 * _DIGITS)).evalf(_DIGITS)
    if size.is_number and size.is_finite and size > _UNEQUAL:
        return True
    if not value.is_real:
        return False
    # Of a real number sympy says when it lost all digits to cancellation; of a complex one it may not.
    try:
        digits = value.evalf(15, maxn=10 * _DIGITS, strict=True)
    except PrecisionExhausted:
        return False
    return bool(digits.is_number and digits.is_finite and digits != 0)


def proven_zero(value: Any) -> bool:
    """True for what follows to be zero, False for what follows not to be.

    Raises:
        Undecided: neither follows.
    """
    if sympy.expand(value) == 0 or sympy.simplify(value) == 0:
        return True
    symbols = sorted(value.free_symbols, key=lambda symbol: symbol.name)
    if not symbols:
        return _constant_is_zero(value)
    if not value.is_rational_function(*symbols):
        raise Undecided
    above, below = (sympy.expand(part) for part in sympy.fraction(sympy.together(value)))
    return below != 0 and all(_constant_is_zero(part) for part in sympy.Poly(above, *symbols).coeffs())


def _apart(a: Any, b: Any) -> bool:
    left, right = (side.evalf(_DIGITS, maxn=10 * _DIGITS) for side in (a, b))
    gap = sympy.Abs(left - right).evalf(_DIGITS)
    return bool(gap.is_number and gap.is_finite and gap > _UNEQUAL * (1 + sympy.Abs(left).evalf(_DIGITS)))


def _constant_is_zero(value: Any) -> bool:
    if value.is_Rational:
        return bool(value == 0)
    if value.is_algebraic:
        unknown = sympy.Symbol("unknown")
        return bool(sympy.minimal_polynomial(value, unknown) == unknown)
    if surely_not_zero(value):
        return False
    if _is_angle_of_zero(value):
        return True
    raise Undecided


def _is_angle_of_zero(value: Any) -> bool:
    r"""Whether a sum of angles (`\arctan 2+\arctan 3-3\pi/4`) is below one in size and has a sine of zero."""
    if not (value.is_real and value.has(*_ANGLES) and abs(value.evalf(_DIGITS)) < 1):
        return False
    sine = sympy.expand_trig(sympy.sin(value))
    return bool(sine.is_algebraic) and _constant_is_zero(sine)
