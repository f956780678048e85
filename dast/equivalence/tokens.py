r"""Answer text as tokens from an allow-list: whatever is not on it never reaches a parser.

Guarantees: no text is evaluated; a character or command that is not listed raises `Unreadable`; bounded length.
The removals (spacing commands, `\left`, `\dfrac`, `{,}`, dollar signs) follow MATH's reference grader
(Hendrycks et al. 2021, `math_equivalence.py`); unlike there no operator or unit is dropped here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["number", "letter", "word", "text", "command", "mark", "currency"]

MAX_CHARS = 1000
"""Longest answer that is read; the longest reference of MATH has about 160."""


class Unreadable(Exception):
    """Text outside the grammar; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Token:
    """`spaced`: white space stood in front (`2 1/2` is a mixed number, `21/2` is not)."""

    kind: Kind
    text: str
    spaced: bool = False


_COMMAND = re.compile(
    r"\\(?:frac|sqrt|pi|infty|cdot|times|div|pm|cup|in|le|ge|ne|circ|log|ln|exp|(?:arc)?(?:sin|cos|tan)|cot|sec|csc|binom"
    r"|langle|rangle|alpha|beta|gamma|delta|theta|lambda|mu|phi|omega|emptyset|(?:begin|end)\{pmatrix\}|[\\{}])"
)
_NAMES = re.compile("sqrt|pi|sin|cos|tan|cot|sec|csc|ln|log|exp|infty")
_SYNONYMS = {r"\leq": r"\le", r"\leqslant": r"\le", r"\geq": r"\ge", r"\geqslant": r"\ge", r"\neq": r"\ne"}
_SYNONYMS |= {
    r"\degree": r"\circ",
    r"\lbrace": r"\{",
    r"\rbrace": r"\}",
    r"\varnothing": r"\emptyset",
    r"\ast": r"\cdot",
}
_SYNONYMS |= {r"\iny": r"\infty", r"\dbinom": r"\binom", r"\tbinom": r"\binom", r"\varphi": r"\phi"}
_UNIT_WORDS = re.compile("[ckm]m|[km]g|ml|ft|oz|lb|hr|in|cc|mi|yd")

_UNICODE = str.maketrans(
    {
        "−": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "÷": r"\div ", "π": r"\pi ", "∞": r"\infty ",
        "√": r"\sqrt ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "∪": r"\cup ", "∈": r"\in ", "±": r"\pm ",
        "°": r"^\circ ", "²": "^2 ", "³": "^3 ", "θ": r"\theta ", "∅": r"\emptyset ", "½": r" \frac{1}{2}",
        "¼": r" \frac{1}{4}", "¾": r" \frac{3}{4}", "％": "%", "\u00a0": " ", "\u202f": " ", "\u2009": " ",
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"),
    }
)  # fmt: skip
_REMOVED = re.compile(
    r"(?<!\\)\\[!,;: ]|(?<=\S)~|\\q?quad(?![a-zA-Z])|\\(?:displaystyle|textstyle|limits|hline)(?![a-zA-Z])"
    r"|\\(?:left|right|bigl?|bigr?|Bigl?|Bigr?)(?![a-zA-Z])\.?"
)
_MATRIX = re.compile(r"\\(begin|end)\s*\{[bp]?matrix\}")
_TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|textnormal|mathrm|mathbf|mathit|mbox|rm|hbox)\s*\{([^{}]*)\}")
_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<text>\x01[^\x02]*\x02)|(?P<currency>[\u00a4€£])|(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d{1,3}(?![\w.]))?)"
    r"|(?P<command>\\(?:begin\{pmatrix\}|end\{pmatrix\}|[a-zA-Z]+|[\\{}%]))|(?P<word>[a-zA-Z]+)"
    r"|(?P<mark>[-+*/^_!%()\[\]{}|,;=<>&])"
)
_THOUSANDS = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])")
_BRACED_COMMA = re.compile(r"(?<=\d)\s*\{,\}\s*(?=\d{3})")


def simplified(text: str) -> str:
    """One spelling for what is only written differently: spacing, sizes, thousands, dollar signs.

    Raises:
        Unreadable: a control character, a lone surrogate, or more than `MAX_CHARS` characters.
    """
    if len(text) > MAX_CHARS:
        raise Unreadable("too long")
    if any((ord(char) < 32 and not char.isspace()) or 0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise Unreadable("control character")
    text = _REMOVED.sub("", text.translate(_UNICODE)).replace(r"\$", "\u00a4").replace(r"\%", "%")
    text = re.sub(r"\s*\bpercent\b", "%", text)
    # One dollar sign is a currency; a pair is TeX's math mode.
    text = text.replace("$", "" if text.count("$") != 1 else "\u00a4")
    text = _BRACED_COMMA.sub("", re.sub(r"\\[dtc]frac(?![a-zA-Z])", r"\\frac", text))
    if not any(mark in text for mark in "([") and r"\{" not in text:
        text = _THOUSANDS.sub(lambda match: match.group().replace(",", ""), text)
    return text.strip().rstrip(".,;:").strip()


def tokens_of(text: str) -> list[Token]:
    """The tokens of a simplified text.

    Raises:
        Unreadable: anything that the allow-list does not hold.
    """
    text = _TEXT.sub(lambda match: f"\x01{match.group(1)}\x02", _MATRIX.sub(r"\\\1{pmatrix}", text))
    tokens: list[Token] = []
    at, spaced = 0, False
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Unreadable(f"character {text[at]!r}")
        at = match.end()
        if match.lastgroup == "space":
            spaced = True
            continue
        tokens.extend(_tokens(match.lastgroup or "", match.group(), spaced))
        spaced = False
    return tokens


def _tokens(group: str, text: str, spaced: bool) -> list[Token]:
    match group:
        case "text":
            return [Token("text", text[1:-1], spaced)]
        case "number":
            return [Token("number", text, spaced)]
        case "currency":
            return [Token("currency", text, spaced)]
        case "mark":
            return [Token("mark", text, spaced)]
        case "word":
            return _word_tokens(text, spaced)
    command = _SYNONYMS.get(text, text)
    if not _COMMAND.fullmatch(command):
        raise Unreadable(f"command {text}")
    return [Token("command", command, spaced)]


def _word_tokens(text: str, spaced: bool) -> list[Token]:
    """A name, a unit or a word; else one letter, two small ones, or three of abcxyz: variables side by side."""
    if _NAMES.fullmatch(text):
        return [Token("command", f"\\{text}", spaced)]
    if text in ("and", "or") or _UNIT_WORDS.fullmatch(text):
        return [Token("word", text, spaced)]
    if len(text) == 1 or (len(text) == 2 and text.islower()) or (len(text) == 3 and set(text) <= set("abcxyz")):
        return [Token("letter", letter, spaced and not number) for number, letter in enumerate(text)]
    return [Token("word", text, spaced)]


class Cursor:
    """A place in a list of tokens."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self) -> str | None:
        """Text of the next mark or command; None at the end, `""` for other tokens."""
        token = self._token()
        if token is None:
            return None
        return token.text if token.kind in ("mark", "command") else ""

    def _token(self, ahead: int = 0) -> Token | None:
        return self._tokens[self._at + ahead] if self._at + ahead < len(self._tokens) else None

    def _take(self, text: str) -> bool:
        if self.peek() == text:
            self._at += 1
            return True
        return False

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise Unreadable(f"no {text}")
