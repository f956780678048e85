r"""Arithmetic that a text is rewritten to by patterns, as a tree of Python's own parser, and its value in intervals.

The audit's way of reading, which shares nothing with the grader's. Guarantees: no text is evaluated as code: only
numbers, letters, four signs, powers and known functions are walked; values are enclosed with outward rounding; what is
outside, such as any letter or digit beyond ASCII (`3²`), raises `Beyond`. Bounded time and size. Grain: one value.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from mpmath import iv

from dast.equivalence.enclosure import bounded

MAX_CHARS = 200

_BITS = 256
_MAX_DEPTH = 40
_FUNCTIONS = ("arcsin", "arccos", "arctan", "sqrt", "sin", "cos", "tan", "exp", "log", "ln")

_NUMBER = re.compile(r"(?:\d+(?:\.\d+)?|\.\d+)(?:[eE](?:\d{1,3}|[-+]\d{2,3})(?![\w.]))?")
_FRACTION = re.compile(r"\\frac\s*(?:\{([^{}]*)\}|(\d))\s*(?:\{([^{}]*)\}|(\d))")
_MIXED = re.compile(r"(?<![\w.}])(\d+)\s*\\frac\s*\{?(\d+)\}?\s*\{?(\d+)\}?")
_ROOT = re.compile(r"\\?sqrt\s*(?:\[([^\[\]{}]*)\])?\s*(?:\{([^{}]*)\}|(\w))")
_POWER = re.compile(r"\^\s*(?:\{([^{}]*)\}|(-?\w))")


class Beyond(Exception):
    """Outside what this reading holds, or without an enclosure."""


class Arithmetic:
    """A value that may hold variables, ready to be enclosed at points.

    Raises:
        Beyond, ValueError, SyntaxError, ArithmeticError: a text that is not such arithmetic.
    """

    def __init__(self, text: str) -> None:
        # Unicode's digits and raised signs would be letters to the patterns below, and vanish.
        if len(text) > MAX_CHARS or not text.isascii():
            raise Beyond
        iv.prec = _BITS
        self._numbers, self._tree = _tree(text)
        found = {node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name)}
        self.variables = {name for name in found if len(name) == 1 and name not in "ei"}

    def at(self, point: Mapping[str, Any]) -> Any:
        """An interval that holds the value where its variables have these values (mpmath `iv.mpf`)."""
        return _enclosed(self._tree.body, {**point, **self._numbers}, 0)


def _tree(text: str) -> tuple[Mapping[str, Any], ast.Expression]:
    """Numbers by placeholder, and the tree of the arithmetic that a text is rewritten to."""
    text = _MIXED.sub(r"(\1+\2/\3)", text)
    text = _repeated(_FRACTION, lambda m: f"(({m[1] or m[2]})/({m[3] or m[4]}))", text)
    text = _repeated(_ROOT, lambda m: f" root(({m[2] or m[3]}),({m[1] or 2}))", text)
    text = _repeated(_POWER, lambda m: f"**({m[1] or m[2]})", text)
    text = _repeated(_FRACTION, lambda m: f"(({m[1] or m[2]})/({m[3] or m[4]}))", text)
    text = text.replace("\\", "").replace("{", "(").replace("}", ")")
    if re.search(r"[^\w\s+\-*/().,]|_|∞|//|\w\s+\d|\d\s+\w", text):
        raise Beyond
    numbers: dict[str, Any] = {}

    def placed(match: re.Match[str]) -> str:
        name = f"N{len(numbers)}N"
        value = Fraction(match.group())
        numbers[name] = bounded(iv.mpf(value.numerator) / iv.mpf(value.denominator))
        return f" {name} "

    return numbers, ast.parse(_multiplied(_NUMBER.sub(placed, text)).strip(), mode="eval")


def _repeated(pattern: re.Pattern[str], by: Callable[[re.Match[str]], str], text: str) -> str:
    for _ in range(_MAX_DEPTH):
        text, count = pattern.subn(by, text)
        if not count or len(text) > 10 * MAX_CHARS:
            break
    return text


def _multiplied(text: str) -> str:
    """With a sign for every product that is only written side by side; `f(` is a call for known functions alone."""
    words = re.findall(r"N\d+N|[A-Za-z]+|\*\*|[-+*/(),]", text)
    names = [name for word in words for name in _split(word)]
    out: list[str] = []
    for name in names:
        ends = bool(out) and (out[-1] == ")" or (out[-1].isalnum() and out[-1] not in (*_FUNCTIONS, "root")))
        if ends and (name == "(" or name.isalnum()):
            out.append("*")
        out.append(name)
    return " ".join(out)


def _split(word: str) -> list[str]:
    if not word.isalpha() or word in (*_FUNCTIONS, "root", "pi"):
        return [word]
    found = re.findall(rf"{'|'.join(_FUNCTIONS)}|pi|.", word)
    if len(found) > 3:
        raise Beyond
    return found


def _enclosed(node: ast.expr, known: Mapping[str, Any], depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise Beyond
    match node:
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.Name(id="pi"):
            return +iv.pi
        case ast.Name(id="e"):
            return +iv.e
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=inner):
            value = _enclosed(inner, known, depth + 1)
            return -value if isinstance(node.op, ast.USub) else value
        case ast.BinOp(left=left, op=sign, right=right):
            return bounded(_applied(sign, *(_enclosed(side, known, depth + 1) for side in (left, right))))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return bounded(_called(name, [_enclosed(part, known, depth + 1) for part in arguments]))
    raise Beyond


def _applied(sign: ast.operator, left: Any, right: Any) -> Any:
    match sign:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div() if not right.a <= 0 <= right.b:
            return left / right
        case ast.Pow():
            return _powered(left, right)
    raise Beyond


def _powered(base: Any, exponent: Any) -> Any:
    if base.a > 0:
        return iv.exp(bounded(exponent * iv.log(base)))
    whole = exponent.a if exponent.a == exponent.b else None
    if whole is None or whole != int(whole) or not 0 <= int(whole) <= 64 or (base.a <= 0 <= base.b and whole == 0):
        raise Beyond
    return base ** int(whole)


def _called(name: str, values: list[Any]) -> Any:
    if not values:
        raise Beyond
    first = values[0]
    if name == "root" and len(values) == 2 and first.a > 0:
        return iv.exp(iv.log(first) / values[1])
    if len(values) != 1 or (name in ("sqrt", "log", "ln") and first.a <= 0):
        raise Beyond
    calls = {"sqrt": iv.sqrt, "sin": iv.sin, "cos": iv.cos, "tan": iv.tan, "exp": iv.exp, "ln": iv.log}
    if name not in calls:
        raise Beyond
    return calls[name](first)
