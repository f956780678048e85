r"""A second, independent look at a pair of answers, for the audit of the grader; it never changes a verdict.

It shares no reading with the grader: answers are rewritten by patterns into arithmetic, which Python's own parser turns
into a tree (nothing is evaluated as code), and both values are enclosed in intervals at random points. Guarantees:
`different` is proven by disjoint intervals; `equal` means the same text, or overlap to 60 digits at every point; all
else is `unknown`. Bounded time and size. Grain: one pair of answers.
"""

from __future__ import annotations

import hashlib
import random
import re
from itertools import permutations
from typing import Any, Literal

from mpmath import iv

from dast.equivalence.arithmetic import MAX_CHARS, Arithmetic, Beyond

Finding = Literal["equal", "different", "unknown"]

_N_POINTS = 3
_MAX_PERMUTED = 4
_BRACKETS = {"(": ")]", "[": ")]", "{": "}"}

_LAYOUT = re.compile(
    r"\\(?:left|right|displaystyle|textstyle|[bB]igg?[lr]?)(?![a-zA-Z])|\\[!,;: ]|\\q?quad(?![a-zA-Z])|~|\$"
    r"|[\u200b-\u200f\u202a-\u202e]"
)
_WORDED = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox)\s*\{([^{}]*)\}")
_THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,3})((?:,\d{3})+)(?![\d,])")
_UNIT = re.compile(
    r"(-?[\d.]+|-?\\?frac\{?\d+\}?\{?\d+\}?)\s+(?!dozen|hundred|thousand|[mbt]r?illion|percent)[A-Za-z]{2,}\.?(?:\^\{?[23]\}?)?"
)
_RATE = re.compile(r"\s+[a-zA-Z]{1,6}/[a-zA-Z]{1,6}$")
_WORDS = re.compile(r"[A-Za-z]{2,}[A-Za-z ]*")
_GLUED = re.compile(r"-?[\d.]+(?!pi\Z|[abcxyz]+\Z)[A-Za-z]{2,}(?:[/^].*)?")
"""`5cm` is an amount or a product: nothing is proven of it."""
_NAMED = re.compile(r"^([a-zA-Z])\s*=(?!=)")
_SPELLED = {
    "−": "-", "×": "*", "·": "*", "÷": "/", "π": "pi", r"\cdot": "*", r"\times": "*", r"\div": "/", r"\pi": "pi",
    r"\infty": "∞", r"\{": "{", r"\}": "}", r"\%": "%",
}  # fmt: skip


def crosscheck(reference: str, predicted: str) -> Finding:
    """What the second path says of a pair."""
    left, right = _plain(reference), _plain(predicted)
    if left == right:
        return "equal"
    if len(left) > MAX_CHARS or len(right) > MAX_CHARS or r"\pm" in left + right:
        return "unknown"
    seed = hashlib.sha256(f"{left}\n{right}".encode("utf-8", "surrogatepass")).digest()
    return _compared(left, right, random.Random(seed))


def _plain(text: str) -> str:
    """One spelling for what differs in layout alone."""
    text = _WORDED.sub(r" \1", _LAYOUT.sub(" ", text.replace("{,}", "")))
    text = re.sub(r"\\[dtc]frac", r"\\frac", text).replace("^\\circ", "").replace("^{\\circ}", "")
    for written, meant in _SPELLED.items():
        text = text.replace(written, meant)
    text = " ".join(text.split()).rstrip(".,; ")
    if not set("([{") & set(text):
        text = _THOUSANDS.sub(lambda match: match.group().replace(",", ""), text)
    text = _RATE.sub("", text)
    unit = _UNIT.fullmatch(text)
    return unit.group(1) if unit else text


def _compared(left: str, right: str, rng: random.Random) -> Finding:
    first, second = _parts(left), _parts(right)
    if first is None and second is None:
        return _values_compared(left, right, rng)
    if first is None or second is None:
        return "unknown"
    (opener, ours), (other, theirs) = first, second
    if len(ours) != len(theirs):
        return "different"
    if opener not in ("", "{") or other not in ("", "{"):
        if opener != other:
            return "different" if opener and other else "unknown"
        return _all(list(zip(ours, theirs, strict=True)), rng)
    if len(ours) > _MAX_PERMUTED:
        return "unknown"
    found = {_all(list(zip(ours, turned, strict=True)), rng) for turned in permutations(theirs)}
    return "equal" if "equal" in found else "unknown" if "unknown" in found else "different"


def _all(pairs: list[tuple[str, str]], rng: random.Random) -> Finding:
    found = {_compared(*pair, rng) for pair in pairs}
    return "different" if "different" in found else "unknown" if "unknown" in found else "equal"


def _parts(text: str) -> tuple[str, list[str]] | None:
    """Opening and closing bracket, and what stands between commas at the top; None for a single value."""
    brackets = ""
    if text[:1] in _BRACKETS and text[-1:] in _BRACKETS[text[0]] and _is_one_group(text):
        brackets, text = text[0] + text[-1], text[1:-1]
    found, depth, start = [], 0, 0
    for place, mark in enumerate(text):
        depth += (mark in "([{") - (mark in ")]}")
        if mark == "," and depth == 0:
            found.append(text[start:place].strip())
            start = place + 1
    if not found and brackets not in ("{}", "[]", "[)", "(]"):
        return None
    opener = "{" if brackets == "{}" else brackets
    return opener, [*found, text[start:].strip()]


def _is_one_group(text: str) -> bool:
    depth = 0
    for place, mark in enumerate(text):
        depth += (mark in "([{") - (mark in ")]}")
        if depth == 0:
            return place == len(text) - 1
    return False


def _values_compared(left: str, right: str, rng: random.Random) -> Finding:
    if left == right:
        return "equal"
    for side in (left, right):
        if side.endswith("%") or _GLUED.fullmatch(side) or _WORDS.fullmatch(side.replace("pi", "")):
            return "unknown"
    names = [match.group(1) if (match := _NAMED.match(text)) else None for text in (left, right)]
    if None not in names and names[0] != names[1]:
        return "unknown"
    try:
        sides = [Arithmetic(_NAMED.sub("", text)) for text in (left, right)]
        variables = sorted(sides[0].variables | sides[1].variables)
        for number in range(_N_POINTS if variables else 1):
            point = {name: _point(rng, number) for name in variables}
            if not _overlap(sides[0].at(point), sides[1].at(point)):
                return "different"
    except (Beyond, ArithmeticError, ValueError, SyntaxError, RecursionError, MemoryError):
        return "unknown"
    return "equal"


def _point(rng: random.Random, number: int) -> Any:
    """A random rational away from zero; every second one is negative."""
    return iv.mpf(rng.randint(50, 400)) / 97 * (-1 if number % 2 else 1)


def _overlap(left: Any, right: Any) -> bool:
    gap = left - right
    if gap.a > 0 or gap.b < 0:
        return False
    if gap.delta.b > iv.mpf(10) ** -60 * (1 + abs(left).b):
        raise Beyond
    return True
