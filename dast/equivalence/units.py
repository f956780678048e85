"""Words after a number as a unit: what may follow it without changing its value, in one spelling.

A unit is any noun (`eggs per day`), so a list of what is none stands here: words that multiply, divide, apply a
function, name another base, order, deny, estimate or add a second amount. Guarantees: a word on that list raises
`Unreadable`. Grain: one phrase.
"""

from __future__ import annotations

import re

from dast.equivalence.spelling import Unreadable

_MULTIPLY = (
    "dozen hundred thousand lakh crore bn mn tn score gross grand k mil pair couple ten half halve halved quarter mille"
    " percentage pct basis double doubled triple tripled quadruple quadrupled twice thrice times divided opposite"
    " negated square cubic squared cubed factorial reciprocal inverse complement root power point decimal modulo mod"
    " remainder choose base over mio mln bil thous mega giga kilo milli ppm ppb bps permille kk"
    " repeating recurring repeated repeat periodic"
)
_FUNCTIONS = "sin cos tan sine cosine tangent ln log logarithm imaginary binary octal hex hexadecimal"
_NUMBERS = (
    "zero one two three four five six seven eight nine eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety"
)
_PARTS = (
    "first third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth"
    " sixteenth seventeenth eighteenth nineteenth twentieth thirtieth fiftieth hundredth thousandth millionth billionth"
)
_DENY = (
    "not no none neither nor never fails fail invalid impossible wrong incorrect false cannot cant dont doesnt isnt"
    " except unless until without nothing undefined error inf infinity nan null none out of"
    " excluded excluding exclusive rejected untrue contradiction nope mistake mistaken wasnt unknown indeterminate"
    " provided nonzero extraneous discarded infeasible"
)
_ESTIMATE = (
    "approximately approx about around roughly nearly almost maybe perhaps possibly probably likely rounded estimated"
    " least most more less fewer greater smaller larger bigger lower higher too many below under above negative minus"
    " plus maximum minimum max upward"
)
_JOIN = "than to or and if when is are was were each but however instead then so because since where"
_GREEK = "alpha beta gamma delta theta lambda mu phi omega sigma pi rho tau"
_NOT_UNIT = frozenset(
    word + ending
    for words in (_MULTIPLY, _FUNCTIONS, _NUMBERS, _PARTS, _DENY, _ESTIMATE, _JOIN, _GREEK)
    for word in words.split()
    for ending in ("", "s")
) - {"points", "powers", "bases", "mils", "kilos", "logs"}
_LARGE = re.compile("[a-z]*illions?|[a-z]+fold|(?:twen|thir|for|fif|six|seven|eigh|nine)ties")
_WORD = re.compile(r"([A-Za-z]+)(?:\^(-?\d))?")
_IRREGULAR = {"feet": "foot", "inches": "inch", "children": "child", "people": "person", "men": "man", "women": "woman"}
_SHORT = {
    "ft": "foot", "in": "inch", "yd": "yard", "mi": "mile", "lb": "lb", "oz": "ounce", "hr": "hour", "h": "hour",
    "min": "minute", "sec": "second", "s": "second", "cm": "centimeter", "mm": "millimeter", "km": "kilometer",
    "m": "meter", "kg": "kilogram", "g": "gram", "mg": "milligram", "l": "liter", "ml": "milliliter",
    "centimetre": "centimeter", "millimetre": "millimeter", "kilometre": "kilometer", "metre": "meter",
    "litre": "liter", "mph": "mile per hour", "kph": "kilometer per hour", "usd": "dollar",
    "c": "celsius", "f": "fahrenheit", "mL": "milliliter", "kilos": "kilogram",
    "lbs": "lb", "hrs": "hour", "yds": "yard", "cms": "centimeter", "kms": "kilometer", "kgs": "kilogram",
}  # fmt: skip


_KNOWN = frozenset(_SHORT.values()) | {"dollar", "cent", "day", "week", "month", "year", "inch", "degree", "percent"}
_VOWEL = re.compile("[aeiou]")
_POWER = re.compile(r"\^-?\d\Z")
_TIMES = re.compile(r"\Atimes(?=\Z| per )", re.IGNORECASE)
"""A count of occasions where nothing is multiplied: `5 times`, not `5 times the radius`."""


def unit_of(phrase: str, *, plain: bool = False) -> str:
    """The phrase in lower case, singular, without abbreviations that are known; `m/s` is meter per second.

    Args:
        phrase: The words.
        plain: They stand without `\\text`, so a short one may be variables side by side (`5 pqr`).

    Raises:
        Unreadable: a word that is no unit, or no word.
    """
    if plain and any(not is_known(word) and _may_be_variables(word) for word in phrase.split()):
        raise Unreadable("letters that may be variables")
    flat = re.sub(r"(?<!\^)-", " ", phrase.replace("/", " per ").replace(".", ""))
    words = [_word(word) for word in _TIMES.sub("time", " ".join(flat.split())).split()]
    return " ".join(words).replace("pound sterling", "sterling")


def one_unit(a: str, b: str) -> bool:
    """Whether two units are one. A pound may be money (`£`) or a weight (`lb`), which are two."""
    return a == b or any(a.replace("pound", kind) == b or a == b.replace("pound", kind) for kind in ("sterling", "lb"))


def is_known(word: str) -> bool:
    """Whether a word, raised or not, is a unit even where it is glued to its number (`5cm`, `12hours`, `5cm^2`)."""
    lower = _POWER.sub("", word.lower().rstrip("."))
    return bool({lower, _singular(lower)} & (_SHORT.keys() | _KNOWN)) or lower in _IRREGULAR


def _may_be_variables(word: str) -> bool:
    return word.isupper() or (len(word) < 5 and not _VOWEL.search(word))


def _word(text: str) -> str:
    match = _WORD.fullmatch(text)
    said = match[1] if match else ""
    # Case tells Mg from mg; longer words have none.
    said = said.lower() if len(said) > 3 or said.lower() in ("in", "ft", "usd", "mph", "kph", "l", "c", "f") else said
    if match is None or said.lower() in _NOT_UNIT or _LARGE.fullmatch(said) or (len(said) == 1 and said not in _SHORT):
        raise Unreadable(f"not a unit: {text[:40]}")
    word = _IRREGULAR.get(said) or (said if said in _SHORT else _singular(said))
    return _SHORT.get(word, word) + (f"^{match[2]}" if match[2] else "")


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
