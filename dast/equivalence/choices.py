r"""Multiple choice: the options that a query lists, and what a letter and an option's content stand for.

Guarantees: an answer is turned into pairs that must all be equal and pairs that must not, never into a guess; `(A) 5`
where 5 stands under B is refused, and so is `5` where it fits two options; without a list of options in the query a
letter is only a letter. Grain: one answer and one prediction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

Pair = tuple[str, str]


class Conditions(NamedTuple):
    """Pairs (reference, predicted) of which all must be equal, and of which none may be."""

    equal: list[Pair]
    unequal: list[Pair]


WRONG = None
"""What the text alone shows to be another option."""

_LETTERS = "ABCDEFGHIJ"
_WRAP = r"(?:\\(?:text|textbf|textrm|textit|mathrm|mathbf|mbox|bf|rm)\s*)"
_MARK = re.compile(
    rf"(?P<tex>\(?\s*{_WRAP}\{{\s*\(?(?P<a>[A-J])\s*[).:]?\s*\}}\s*\)?[.:]?)|(?P<both>\((?P<b>[A-J])\))"
    r"|(?P<close>(?<![\w(])(?P<c>[A-J])\))|(?P<dot>(?<![\w(.])(?P<d>[A-J])[.:](?=\s))"
)
_STYLES = ("tex", "both", "close", "dot")
_CALLED = r"(?:(?:[Tt]he\s+)?(?:[Oo]ption|[Cc]hoice)\s+)?"
_LETTER_ALONE = re.compile(rf"{_CALLED}\$?{_WRAP}?\{{?\s*{_CALLED}\(?\s*([A-Ja-j])\s*\)?\s*[.:]?\s*\}}?\)?[.:]?\$?")
_LETTER_FIRST = re.compile(
    rf"{_CALLED}(?:{_WRAP}\{{\s*\(?([A-J])\s*[).:]?\s*\}}\s*\)?[.:]?|\(([A-J])\)|([A-J])[).:])\s*(?:\\ )?\s*(\S.*)",
    re.DOTALL,
)
_IN_ONE_TEXT = re.compile(rf"{_WRAP}\{{\s*((?:\([A-J]\)|[A-J][).:])\s*[^\s{{}}][^{{}}]*)\}}")
_LEAD = re.compile(r"(?:\s|\\q?quad|\\[ ,;!]|~|\$|\\\\|&)*")
_TAILS = (r"\qquad", r"\quad", r"\ ", r"\,", r"\;", r"\!", "\\\\", "~", "$", "&", ";", ",", ".", "?", " and", " or")
_WORD_BEFORE = re.compile(r"[A-Za-z]{2,}[ \t]+\Z")
_IN_BRACKETS = re.compile(rf"\\\((.*)\\\)|{_WRAP}\{{([^{{}}]*)\}}", re.DOTALL)
_LONGEST_LETTER = 40
_SENTENCE_END = re.compile(r"\.\s+[A-Z]")
_WIDE = str.maketrans("（）．、：", "()..:")
_LONGEST_QUERY = 20_000


def conditions(answer: str, predicted: str, query: str) -> Conditions | None:
    """What makes the prediction right; None when it is wrong by its text alone.

    Without options in the query it is the pair itself.
    """
    options = options_of(query)
    if not options:
        return Conditions([(answer, predicted)], [])
    wanted, said = _letter(answer, options), _letter(predicted, options)
    named, content = _letter_and_content(predicted, options)
    if wanted is not None:
        return _against_letter(wanted, said or named, content if named else predicted, said is not None, options)
    if said is not None:
        return Conditions([(answer, options[said])], [])
    equal = [(answer, content), (options[named], content)] if named else [(answer, predicted)]
    return Conditions(equal, [])


def _against_letter(
    wanted: str, named: str | None, content: str, bare: bool, options: Mapping[str, str]
) -> Conditions | None:
    if named is not None:
        if named != wanted:
            return WRONG
        return Conditions([(wanted, wanted)] if bare else [(options[wanted], content)], [])
    same_text = [letter for letter, text in options.items() if text == _bare(content)]
    if same_text:
        return Conditions([(wanted, wanted)], []) if same_text == [wanted] else WRONG
    others = [(text, content) for letter, text in options.items() if letter != wanted]
    return Conditions([(options[wanted], content)], others)


@lru_cache(maxsize=4096)
def options_of(query: str) -> Mapping[str, str]:
    """Content of each option by its letter; empty when the query does not list A, B, … in one spelling."""
    if len(query) > _LONGEST_QUERY:
        return {}
    query = re.sub(r"[ \t]+", " ", re.sub(r"(?<=[A-J]\.)(?=\S)", " ", query.translate(_WIDE)))
    marks = list(_MARK.finditer(query))
    for style in _STYLES:
        run = _longest_run([mark for mark in marks if mark.group(style)], query)
        if len(run) > 1:
            ends = [mark.start() for mark in run[1:]] + [_end_of_last(query, run)]
            found = {_named(mark): _bare(query[mark.end() : end]) for mark, end in zip(run, ends, strict=True)}
            return found if all(found.values()) else {}
    return {}


def _longest_run(marks: list[re.Match[str]], query: str) -> list[re.Match[str]]:
    """The marks of the longest list (of equal ones the first) that starts at A and goes on without a gap."""
    longest: list[re.Match[str]] = []
    run: list[re.Match[str]] = []
    for mark in marks:
        letter = _named(mark)
        if letter == "A":
            run = [mark] if _starts_a_list(mark, query) else []
        elif run and len(run) < len(_LETTERS) and letter == _LETTERS[len(run)]:
            run = [*run, mark]
        longest = run if len(run) > len(longest) else longest
    return longest


def _starts_a_list(mark: re.Match[str], query: str) -> bool:
    """A letter without brackets that follows a word names something else: `Person A: 5`."""
    return mark.group("dot") is None or not _WORD_BEFORE.search(query, max(0, mark.start() - 40), mark.start())


def _end_of_last(query: str, run: list[re.Match[str]]) -> int:
    """The last option ends with its line: what follows it is no part of the option."""
    rest = query[run[-1].end() :]
    lead = len(rest) - len(rest.lstrip())
    line = rest.find("\n", lead)
    end = len(query) if line < 0 else run[-1].end() + line
    sentence = _SENTENCE_END.search(query, run[-1].end(), end)
    return sentence.start() if sentence else end


def _named(mark: re.Match[str]) -> str:
    return next(letter for letter in mark.group("a", "b", "c", "d") if letter)


def _bare(text: str) -> str:
    before = None
    while text != before:
        before = text
        lead = _LEAD.match(text)
        text = text[lead.end() if lead else 0 :].rstrip()
        for tail in _TAILS:
            text = text.removesuffix(tail)
        inner = _IN_BRACKETS.fullmatch(text)
        text = (inner[1] or inner[2] or "") if inner else text
    return text


def _letter(text: str, options: Mapping[str, str]) -> str | None:
    match = _LETTER_ALONE.fullmatch(" ".join(text.split())) if len(text) <= _LONGEST_LETTER else None
    if match is None:
        return None
    letter = match.group(1)
    # A small letter may be the content that it is.
    if letter.islower() and letter in options.values() and match.group() == letter:
        return None
    return letter.upper() if letter.upper() in options else None


def _letter_and_content(text: str, options: Mapping[str, str]) -> tuple[str | None, str]:
    """The letter in front and what follows it; no letter and the text itself where none stands there."""
    flat = " ".join(text.split()).strip("$ ")
    one = _IN_ONE_TEXT.fullmatch(flat)
    match = _LETTER_FIRST.fullmatch(one[1] if one else flat)
    if match is None:
        return None, text
    letter = next(found for found in match.groups()[:3] if found)
    return (letter, _bare(match.group(4))) if letter in options else (None, text)
