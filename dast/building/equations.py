r"""The equations that a response writes: what tells two ways of reasoning apart, and whether each of them holds.

An equation is a run of numbers, single letters, LaTeX commands and signs with at least one `=` between sides, as in
`9*3=0+27=27` or `<<48/2=24>>`; a longer word ends it. Only arithmetic between numbers is judged, in exact fractions;
whatever cannot be read for certain is not. Grain: one response, or one equation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise

import polars as pl

_NUMBER = r"[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?|\.[0-9]+"
# ASCII word boundaries (`\b`): the Unicode ones take polars' regex off its fast path.
_EDGE = r"(?-u:\b)"
_VALUE = rf"(?:{_EDGE}[0-9]+:[0-9]+|{_EDGE}[0-9]+(?:,[0-9]{{3}})*(?:\.[0-9]+)?|\.[0-9]+)[A-Za-z]?{_EDGE}"
_TERM = rf"(?:\\[A-Za-z]+|{_VALUE}|{_EDGE}[A-Za-z]{_EDGE}|[-+*/^_(){{}}|!%$×÷·−–√])[ \t]*"
_BEFORE = rf"(?:{_EDGE}[A-Za-z]{{2,}}[ \t]*)?"
_AFTER = r"(?:hundred|thousand|million|billion|dozen|percent|cents|and[ \t]+[(0-9])?"
_EQUATION = rf"{_BEFORE}(?:{_TERM})+(?:=[ \t]*(?:{_TERM})+)+{_AFTER}"

_OPERATOR_WORDS = frozenset(
    (
        *("of", "times", "plus", "minus", "by", "twice", "thrice", "half", "double", "triple", "over", "from", "than"),
        *("less", "more", "per", "squared", "cubed", "root", "sqrt", "sin", "cos", "tan", "log", "ln", "exp", "mod"),
    )
)
"""Words that take part in the arithmetic behind them: `half of 10 + 2 = 7` is no claim about `10 + 2`."""

_WORD = re.compile(r"[A-Za-z]{2,}")
_LEADING = re.compile(r"[A-Za-z]{2,}[ \t]*")
_FRACTION = re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}")
_SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "$": " "})
_COMMANDS = {r"\times": "*", r"\cdot": "*", r"\div": "/"}
_LETTER_TIMES = re.compile(r"(?<=[\d)])\s*[xX]\s*(?=[\d($])")
_LEADING_ZERO = re.compile(r"0[0-9]")
"""As in a time of day, `0730`."""
_TOKEN = re.compile(rf"({_NUMBER})|([-+*/()])|\s+|(.)")
_FLOATING = Fraction(1, 10**9)
"""Relative error of a decimal that a program wrote: `4.20+9.45+1.35=14.999999999999998`."""
_MAX_DIGITS = 30
_MAX_TOKENS = 60
"""Of one side; also bounds the depth of brackets."""

Number = int | Fraction
"""Whole numbers stay so: several times as fast."""
Side = tuple[Number, Number, bool]
"""Value, by how much it may be rounded (half a unit of a lone decimal's last place), and if it is one number."""


class Unread(Exception):
    """Not arithmetic between numbers."""


def equations(text: pl.Expr) -> pl.Expr:
    """The equations of a text in their order, each with the word before it where one stands there."""
    return text.str.extract_all(_EQUATION)


def reasoning(found: pl.Expr, text: pl.Expr) -> pl.Expr:
    """What tells two ways of reasoning apart: the equations in their order, spaces removed, as in RFT (arXiv
    2308.01825); the text where there are none."""
    bare = found.list.eval(pl.element().str.replace(r"^[A-Za-z]{2,}[ \t]*", "").str.replace_all(r"[ \t]", ""))
    return pl.when(found.list.len() > 0).then(bare.list.join("\n")).otherwise(text)


def false_equations(found: Iterable[str]) -> list[str]:
    """Those of the equations that were read and do not hold."""
    return [text for text in found if holds(text) is False]


def holds(text: str) -> bool | None:
    """Whether every side of an equation equals the next one; None where it cannot be read.

    A decimal fraction may be rounded: `10/3=3.33` holds, `7/2=4` does not.
    """
    try:
        sides = [_side(part) for part in _plain(text).split("=")]
    except (Unread, ZeroDivisionError):
        return None
    if all(alone for _, _, alone in sides):  # `Question 3 = 4` claims nothing
        return None
    return all(_equal(left, right) for left, right in pairwise(sides))


def _equal(left: Side, right: Side) -> bool:
    away, slack = left[0] - right[0], left[1] + right[1]
    return -slack <= away <= slack


def _plain(text: str) -> str:
    word = _LEADING.match(text)
    if word:
        if word.group().strip().lower() in _OPERATOR_WORDS:
            raise Unread
        text = text[word.end() :]
    for command, sign in _COMMANDS.items():
        text = text.replace(command, sign)
    text = _LETTER_TIMES.sub("*", _FRACTION.sub(r"((\1)/(\2))", text)).translate(_SIGNS)
    if "\\" in text or _WORD.search(text):
        raise Unread
    return text


def _side(text: str) -> Side:
    tokens = _tokens(text)
    if not 0 < len(tokens) <= _MAX_TOKENS or (tokens[0] in ("+", "-", "*", "/") and len(tokens) != 2):
        raise Unread  # the left end of the side may be missing: `2 apples + 3 = 5`
    alone = len(tokens) == 1 or (len(tokens) == 2 and tokens[0] == "-")
    value, rest = _sum(tokens, 0)
    if rest != len(tokens):
        raise Unread
    decimals = len(tokens[-1].partition(".")[2])
    slack = max(Fraction(1, 2 * 10**decimals), abs(Fraction(value)) * _FLOATING) if alone and decimals else 0
    return value, slack, alone


def _tokens(text: str) -> Sequence[str]:
    found = []
    for number, sign, other in _TOKEN.findall(text):
        if other or len(number) > _MAX_DIGITS or _LEADING_ZERO.match(number):
            raise Unread
        if number or sign:
            found.append(number.replace(",", "") or sign)
    return found


def _sum(tokens: Sequence[str], at: int) -> tuple[Number, int]:
    value, at = _product(tokens, at)
    while at < len(tokens) and tokens[at] in ("+", "-"):
        other, after = _product(tokens, at + 1)
        value, at = (value + other if tokens[at] == "+" else value - other), after
    return value, at


def _product(tokens: Sequence[str], at: int) -> tuple[Number, int]:
    value, at = _factor(tokens, at)
    divided = False
    while at < len(tokens) and tokens[at] in ("*", "/"):
        if divided and tokens[at] == "/":  # `14 / 1/4` may mean a division by a quarter
            raise Unread
        other, after = _factor(tokens, at + 1)
        divided = tokens[at] == "/"
        value, at = (Fraction(value) / other if divided else value * other), after
    return value, at


def _factor(tokens: Sequence[str], at: int) -> tuple[Number, int]:
    if at >= len(tokens):
        raise Unread
    token = tokens[at]
    if token == "-":
        value, at = _factor(tokens, at + 1)
        return -value, at
    if token == "(":
        value, at = _sum(tokens, at + 1)
        if at >= len(tokens) or tokens[at] != ")":
            raise Unread
        return value, at + 1
    if token in ("+", "*", "/", ")"):
        raise Unread
    return int(token) if token.isdigit() else Fraction(token), at + 1
