r"""One spelling for answers that are only written differently: spacing, sizes, thousands, Unicode, programs' signs.

The removals (`\left`, `\dfrac`, `{,}`, dollar signs) follow MATH's reference grader (Hendrycks et al. 2021,
`math_equivalence.py`); unlike there no operator or unit is dropped, and a space never joins two numbers. Guarantees:
bounded length, linear time, no evaluation. Grain: one answer text.
"""

from __future__ import annotations

import re

MAX_CHARS = 1000
"""Longest answer that is read; the longest reference of MATH has about 160."""


class Unreadable(Exception):
    """Text outside the grammar; the message is the reason."""


_UNICODE = str.maketrans(
    {
        "−": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "÷": r"\div ", "π": r"\pi ", "∞": r"\infty ",
        "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "∪": r"\cup ", "∈": r"\in ", "±": r"\pm ",
        "°": r"^\circ ", "θ": r"\theta ", "∅": r"\emptyset ", "½": r" \frac{1}{2}", "∠": r"\angle ",
        "¼": r" \frac{1}{4}", "¾": r" \frac{3}{4}", "％": "%", "\u00a0": " ", "\u202f": r"\,", "\u2009": r"\,",
        **dict.fromkeys("\u2010\u2011\uff0d", "-"),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"),
    }
)  # fmt: skip
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")
_UNICODE_ROOT = re.compile(r"(?<![⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺])√\s*(?:(\d+(?:\.\d+)?|[a-z])(?![\w(])|(?=[({]))")
_GOES_ON = re.compile(r"\.\.\.?\s*\$?\s*\Z|…|\\[lcd]?dots|(?<!\\)!=")
_UPRIGHT = re.compile(r"\\(?:mathrm|text|textrm|operatorname)\s*\{\s*([ie])\s*\}")
_LEADING_DASH = re.compile(r"(^|[(,=\[{^])\s*–")

_SIZES = re.compile(
    r"\\(?:displaystyle|textstyle|limits|hline)(?![a-zA-Z])|\\(?:left|right|[bB]igg?[lr]?)(?![a-zA-Z])\.?"
)
_MATH_MODE = re.compile(r"(?<!\\)\\[()]|(?<!\\)\\[\[\]](?!\d*(?:pt|ex|em)\])")
_THIN = r"(?:,\\!|\\[,!])"
_THIN_THOUSANDS = re.compile(rf"(?<![\d.])[1-9]\d{{0,2}}(?:{_THIN}\d{{3}})+(?!{_THIN}?\d)")
_SPACES = re.compile(r"(?<!\\)\\[!,;: ]|(?<=\S)~|\\q?quad(?![a-zA-Z])")
_BRACED_COMMA = re.compile(r"(?<![\d.])[1-9]\d{0,2}(?:\{,\}\d{3})+(?!\d)")
_THOUSANDS = re.compile(r"(?<![\d,.])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])|(?<![\d'.])[1-9]\d{0,2}(?:'\d{3})+(?![\d'])")
_TEXT_NUMBER = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox)\s*\{\s*([-+]?[\d.,/]*\d)\s*\}")
_TEXT_LIST = re.compile(r"\\(?:text|textbf|mathrm)\s*\{\s*([A-J](?:\s*,\s*[A-J])+)\s*\}")
_PERCENT_IN_TEXT = re.compile(r"\s*\\(?:text|textrm|mathrm|mbox)\s*\{\s*%\s*\}")
_REPEATING = re.compile(r"(?<![\d.,^])(\d*)\.(\d*)(?:\\(?:overline|bar)\s*\{(\d+)\}|\\dot\s*\{?(\d)\}?(?![\d\\]))")
_ARRAY = re.compile(r"\\begin\s*\{array\}\s*\{[clr|\s]*\}|\\(?:begin|end)\s*\{[bp]?matrix\}|\\end\s*\{array\}")
_REALS = re.compile(
    r"\\mathbb\s*\{?\s*R\s*\}?(?![a-zA-Z])|\\R(?![a-zA-Z])|(?:\\text\s*\{\s*)?\ball real numbers\b\s*\}?"
)
_TIMES_TEN = re.compile(r"(?<=\d)\s*x\s*(?=10\s*\^)")
_PROGRAMS = ((">=", r"\ge "), ("<=", r"\le "), ("**", "^"))
_SQUARE = re.compile(r"\b(?:square|sq\.?)\s+([a-z]+)|\b(?:cubic|cu\.?)\s+([a-z]+)", re.IGNORECASE)


def simplified(text: str) -> str:
    """The spelling.

    Raises:
        Unreadable: a control character, a lone surrogate, or more than `MAX_CHARS` characters.
    """
    if len(text) > MAX_CHARS:
        raise Unreadable("too long")
    if any((ord(char) < 32 and not char.isspace()) or 0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise Unreadable("control character")
    if _GOES_ON.search(text):
        raise Unreadable("goes on, or an exclamation mark beside an equals sign")
    return _marks(_layout(_signs(text)))


def _signs(text: str) -> str:
    """Unicode's and programs' signs as TeX's."""
    text = _UNICODE_ROOT.sub(lambda match: f"\\sqrt{{{match[1]}}}" if match[1] else r"\sqrt ", text)
    text = _UPRIGHT.sub(r" \1", text)
    text = _SUPERSCRIPT.sub(lambda match: f"^{{{match.group().translate(_RAISED)}}}", text)
    text = _LEADING_DASH.sub(r"\1-", text).translate(_UNICODE)
    text = _TIMES_TEN.sub(r"\\times ", _REALS.sub(r"(-\\infty,\\infty)", text))
    for written, meant in _PROGRAMS:
        text = text.replace(written, meant)
    return text


def _layout(text: str) -> str:
    """Without what only sets type; thin spaces go where they part thousands, and are spaces elsewhere."""
    text = _MATH_MODE.sub(" ", text).replace(r"\$", "\u00a4").replace(r"\%", "%")
    text = _ARRAY.sub(_matrix, text)
    text = _THIN_THOUSANDS.sub(lambda match: re.sub(_THIN, "", match.group()), text)
    text = _SIZES.sub("", _SPACES.sub(" ", text))
    return re.sub(r"\\[dtc]frac(?![a-zA-Z])", r"\\frac", text).strip().removesuffix("\\\\").strip()


def _matrix(match: re.Match[str]) -> str:
    return rf"\{'begin' if 'begin' in match.group() else 'end'}{{pmatrix}}"


def _marks(text: str) -> str:
    """Percent, money, thousands, numbers in text, repeating decimals and powers of units."""
    text = _PERCENT_IN_TEXT.sub("%", re.sub(r"\s*\bper ?cent\b", "%", text))
    # One dollar sign is a currency; a pair is TeX's math mode.
    text = text.replace("$", " " if text.count("$") != 1 else "\u00a4").strip()
    text = _BRACED_COMMA.sub(lambda match: match.group().replace("{,}", ""), text)
    text = _TEXT_LIST.sub(r"\1", _TEXT_NUMBER.sub(r" \1 ", text)).strip()
    text = _REPEATING.sub(_fraction, text)
    text = _SQUARE.sub(lambda match: f"{match[1]}^2" if match[1] else f"{match[2]}^3", text)
    if not any(mark in text for mark in "([") and r"\{" not in text:
        text = _THOUSANDS.sub(lambda match: re.sub("[,']", "", match.group()), text)
    return text.strip().rstrip(".,;:").strip()


def _fraction(match: re.Match[str]) -> str:
    r"""A repeating decimal as a fraction: `0.1\overline{6}` is (16 - 1)/90."""
    whole, fixed, period = match[1] or "0", match[2], match[3] or match[4]
    above = int(whole + fixed + period) - int(whole + fixed)
    return rf"{{\frac{{{above}}}{{{10 ** len(fixed) * (10 ** len(period) - 1)}}}}}"
