r"""Answer text as tokens from an allow-list: whatever is not on it never reaches a parser.

Guarantees: no text is evaluated; a character or command that is not listed raises `Unreadable`. Grain: one answer text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from dast.equivalence.spelling import Unreadable

Kind = Literal["number", "letter", "word", "text", "command", "mark", "currency"]


@dataclass(frozen=True, slots=True)
class Token:
    """`spaced`: white space stood in front (`2 1/2` is a mixed number, `21/2` is not)."""

    kind: Kind
    text: str
    spaced: bool = False


_COMMAND = re.compile(
    r"\\(?:frac|sqrt|pi|infty|cdot|times|div|pm|cup|in|le|ge|ne|circ|log|ln|exp|(?:arc)?(?:sin|cos|tan)|cot|sec|csc|binom"
    r"|langle|rangle|angle|alpha|beta|gamma|delta|theta|lambda|mu|phi|omega|emptyset|(?:begin|end)\{pmatrix\}|[\\{}])"
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
_SECONDS = re.compile(r"sec(?=\s*(?:\Z|[,;/]))")
"""Without an argument after it, `sec` is no secant."""
_SHORT_WORDS = re.compile("(?i:no|on|or|of|to|if|so|and)")

_TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|textnormal|mathrm|mathbf|mathit|mbox|rm|hbox)\s*\{([^{}]*)\}")
_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<text>\x01[^\x02]*\x02)|(?P<currency>[\u00a4€£])"
    r"|(?P<based>(?=[0-9A-F]*\d)[0-9A-F]+_(?:\{1[1-6]\}|1[1-6]))"
    r"|(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:(?:[eE](?:\d{1,3}|[-+]\d{2,3})|(?<=\d\.\d)[eE][-+]\d|(?<=\d\.\d\d)[eE][-+]\d)(?![\w.]|\s*[\\a-zA-Z(]))?)"
    r"|(?P<command>\\(?:begin\{pmatrix\}|end\{pmatrix\}|[a-zA-Z]+|[\\{}%]))"
    r"|(?P<primed>[a-zA-Z]'{1,3})|(?P<word>[a-zA-Z]+)|(?P<mark>[-+*/^_!%()\[\]{}|,;=<>&])"
)


def tokens_of(text: str) -> list[Token]:
    """The tokens of a simplified text.

    Raises:
        Unreadable: anything that the allow-list does not hold.
    """
    text = _TEXT.sub(lambda match: f"\x01{match.group(1)}\x02", text)
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
        if match.lastgroup == "word" and _SECONDS.match(text, match.start()):
            tokens.append(Token("word", match.group(), spaced))
        else:
            tokens.extend(_tokens(match.lastgroup or "", match.group(), spaced))
        spaced = False
    return tokens


def _tokens(group: str, text: str, spaced: bool) -> list[Token]:
    match group:
        case "text":
            return [Token("text", text[1:-1], spaced)]
        case "primed":
            return [Token("letter", text, spaced)]
        case "based":
            return [Token("letter", text.replace("{", "").replace("}", ""), spaced)]
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
    if _SHORT_WORDS.fullmatch(text) or _UNIT_WORDS.fullmatch(text):
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
