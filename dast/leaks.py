r"""Whether a text gives a reference answer away: states a final answer, or holds the answer's value.

Guarantees: errs on the side of yes. Numbers are compared as values and without sign (`1,000`, `1000.0` and `10^3`;
`25%`, `0.25` and `1/4`; digits, words, and both with a scale, as in `5 million`), other answers by their spelling and,
piece by piece, by the grader's quick comparison. What it does not see is an answer in another algebraic form. Grain:
one text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from dast.equivalence.nodes import Node
from dast.equivalence.quick import quick
from dast.equivalence.rational import TooLarge, Undefined, rational
from dast.equivalence.reading import read
from dast.equivalence.spelling import Unreadable
from dast.statements import after_answer_is, after_colon, after_hash, boxed

_READERS = (boxed, after_hash, after_answer_is, after_colon)

_SEPARATOR = r"(?:,|\{,\}|\\,|,\\!|[ \u00a0\u202f])"
_DIGITS = r"\d{1,300}"
"""Python refuses to read more than 4,300 digits at once."""
_DECIMAL = rf"(?:{_DIGITS}(?:\.{_DIGITS})?|\.{_DIGITS})"
_THOUSANDS = re.compile(rf"\d{{1,3}}(?:{_SEPARATOR}\d{{3}}){{1,99}}(?!\d)(?:\.{_DIGITS})?", re.ASCII)
_PLAIN = re.compile(_DECIMAL, re.ASCII)
_PERCENT = re.compile(rf"({_DECIMAL})\s*(?:\\?%|percent\b)", re.ASCII)
_FRACTION = re.compile(
    rf"(?:({_DIGITS})\s*)?(?<!\d)(?:({_DIGITS})\s*/\s*({_DIGITS})"
    rf"|\\[dtc]?frac\s*(?:\{{\s*({_DIGITS})\s*\}}|(\d))\s*(?:\{{\s*({_DIGITS})\s*\}}|(\d)))",
    re.ASCII,
)
_POWER = re.compile(r"(\d{1,6})\s*(?:\^|\*\*)\s*\{?\s*(\d{1,2})", re.ASCII)
_OPERATION = re.compile(r"\\sqrt|\\pi|\^|[A-Za-z)]\s*[-+*/]|[-+*/]\s*[A-Za-z(]")
_MARKS = re.compile(r"\\(?:left|right|text|textbf|mathrm|mathbf|mbox|displaystyle)\b|\\[!,;: ]|[${}]")
_PIECES = re.compile(r"[=$;\n]|\\[\[\]()]|\.\s|\bis\b|\bare\b")
_LONGEST_PIECE = 80
"""Signs of a piece that may be an answer: longer ones are sentences, which the comparison cannot read."""

_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {word: Fraction(value) for value, word in enumerate(_ONES + _TEENS)} | {
    word: Fraction(10 * value) for value, word in enumerate(_TENS, start=2)
}
_SCALES = {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_WORDS |= {"half": Fraction(1, 2), **{word: Fraction(scale) for word, scale in _SCALES.items()}}
_NUMBER_OR_WORD = re.compile(rf"(\d[\d,]{{0,30}}(?:\.\d{{1,30}})?)|\b({'|'.join(_WORDS)})\b", re.ASCII)
_SCALED = re.compile(
    rf"(?:(?:{_NUMBER_OR_WORD.pattern})[\s-]+(?:(?:and|a|of|%)[\s]+)?){{0,9}}\b(?:{'|'.join(_SCALES)})\b"
    rf"(?:[\s-]+(?:and\s+)?(?:{_NUMBER_OR_WORD.pattern})){{0,9}}",
    re.ASCII,
)
_NUMBER_WORD = re.compile(rf"\b(?:({'|'.join(_TENS)})[\s-]+({'|'.join(_ONES[1:])})|({'|'.join(_WORDS)}))\b")


class _Sought(NamedTuple):
    """What to look for: the value of a number, or the numbers that an answer of several parts is made of."""

    value: Fraction | None
    parts: frozenset[Fraction]


def states_answer(text: str) -> bool:
    r"""Whether a text states some final answer: after `####`, in `\boxed`, as `The answer is`, or `Answer:`."""
    if "####" in text or "\\boxed" in text or "\\fbox" in text:
        return True
    return any(reader(text) is not None for reader in _READERS)


def holds_answer(text: str, answer: str) -> bool:
    """Whether a text holds the answer anywhere, as a result or not; every text holds an empty answer."""
    if not answer.strip():
        return True
    sought = _sought(answer)
    if sought.value is not None:
        return sought.value in _values(text)
    if sought.parts and sought.parts <= _values(text):
        return True
    return _spelled(text, answer) or any(quick(answer, piece) == ("correct", None) for piece in _pieces(text))


@lru_cache(maxsize=4096)
def _sought(answer: str) -> _Sought:
    try:
        node = read(answer)
        value = rational(_bare(node))
        parts = frozenset(_rationals(node)) if node.kind in ("tuple", "list", "set") else frozenset()
    except (Unreadable, TooLarge, Undefined):
        value, parts = None, frozenset()
    if value is None and not parts:
        value = _only_number(answer)
    return _Sought(None if value is None else abs(value), parts)


def _only_number(answer: str) -> Fraction | None:
    """The one number in an answer that is no expression of it, such as `18 apples each`."""
    numbers = [match.group() for match in _THOUSANDS.finditer(answer)] or _PLAIN.findall(answer)
    return _number(numbers[0]) if len(numbers) == 1 and not _OPERATION.search(answer) else None


def _bare(node: Node) -> Node:
    if node.kind == "unit":
        return _bare(node.args[0])
    if node.kind == "relation" and node.value == "=" and node.args[0].kind == "symbol":
        return _bare(node.args[1])
    return node


def _rationals(node: Node) -> Iterator[Fraction]:
    for part in node.args:
        if (value := rational(_bare(part))) is not None:
            yield abs(value)


def _values(text: str) -> set[Fraction]:
    """The values of all numbers in a text, in every reading that they may have."""
    plain = "".join(_fraction_sign(sign) for sign in text) if not text.isascii() else text
    found = {_number(match.group()) for match in _THOUSANDS.finditer(plain)}
    found |= {Fraction(number) for number in _PLAIN.findall(plain)}
    found |= {Fraction(number) / 100 for number in _PERCENT.findall(plain)}
    found |= {Fraction(int(base) ** int(power)) for base, power in _POWER.findall(plain)}
    for whole, *parts in _FRACTION.findall(plain):
        above, below = (int(part) for part in parts if part)
        if below:
            found |= {Fraction(above, below), Fraction(above, below) + int(whole or 0)}
    for ten, one, word in _NUMBER_WORD.findall(plain.lower()):
        found |= {_WORDS[word]} if word else {_WORDS[ten], _WORDS[one], _WORDS[ten] + _WORDS[one]}
    return found.union(*(_scaled(run.group()) for run in _SCALED.finditer(plain.lower())))


def _scaled(run: str) -> Iterator[Fraction]:
    """The values in a row of numbers and scales, such as `5 million`, `3 dozen` or `two hundred thousand and five`."""
    whole, part = Fraction(0), Fraction(0)
    for digits, word in _NUMBER_OR_WORD.findall(run):
        if word in _SCALES:
            part = (part or Fraction(1)) * _SCALES[word]
            yield part
            if _SCALES[word] >= 1000:
                whole, part = whole + part, Fraction(0)
        else:
            part += _number(digits) if digits else _WORDS[word]
    yield whole + part


def _number(spelled: str) -> Fraction:
    return Fraction(re.sub(r"[^\d.]", "", spelled))


def _fraction_sign(sign: str) -> str:
    """`½` as ` 1/2`, other digits than 0 to 9 as those."""
    if sign.isascii() or (value := unicodedata.numeric(sign, None)) is None:
        return sign
    exact = Fraction(value).limit_denominator(1000)
    return str(exact) if exact.denominator == 1 else f" {exact}"


def _spelled(text: str, answer: str) -> bool:
    core = "".join(_plain(answer).split())
    core = core.strip("()") if re.fullmatch(r"\(?[A-Za-z]\)?", core) else core
    if not core:
        return True
    signs = r"\s*".join(map(re.escape, core))
    before = r"(?<![A-Za-z0-9])" if core[0].isalnum() else ""
    after = r"(?![A-Za-z0-9])" if core[-1].isalnum() else ""
    flags = re.IGNORECASE if len(core) > 1 else 0  # the article is no choice A
    return re.search(before + signs + after, _plain(text), flags) is not None


def _plain(text: str) -> str:
    return re.sub(r"\\[dtc]frac", r"\\frac", _MARKS.sub("", text))


def _pieces(text: str) -> list[str]:
    pieces = (piece.strip(" ,.:") for piece in _PIECES.split(text))
    return [piece for piece in pieces if 0 < len(piece) <= _LONGEST_PIECE]
