r"""Multiple choice: the options that a query lists, and what a letter and an option's content stand for.

Guarantees: an answer is turned into pairs that must all be equal, never into a guess; `(A) 5` where 5 stands under B is
refused; without a list of options in the query a letter is only a letter. Grain: one answer and one prediction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

Pair = tuple[str, str]

_LETTERS = "ABCDEFGHIJ"
_WRAP = r"(?:\\(?:text|textbf|textrm|textit|mathrm|mathbf|mbox|bf|rm)\s*)"
_MARK = re.compile(
    rf"(?P<tex>\(?\s*{_WRAP}\{{\s*\(?(?P<a>[A-J])\s*[).:]?\s*\}}\s*\)?[.:]?)|(?P<both>\((?P<b>[A-J])\))"
    r"|(?P<close>(?<![\w(])(?P<c>[A-J])\))|(?P<dot>(?<![\w(.])(?P<d>[A-J])[.:](?=\s))"
)
_STYLES = ("tex", "both", "close", "dot")
_LETTER_ALONE = re.compile(rf"\$?{_WRAP}?\{{?\s*\(?\s*([A-Ja-j])\s*\)?\s*[.:]?\s*\}}?\)?[.:]?\$?")
_LETTER_FIRST = re.compile(
    rf"(?:{_WRAP}\{{\s*\(?([A-J])\s*[).:]?\s*\}}\s*\)?[.:]?|\(([A-J])\)|([A-J])[).:])\s*(?:\\ )?\s*(\S.*)", re.DOTALL
)
_EDGE = re.compile(
    r"^(?:\s|\\q?quad|\\[ ,;!]|~|\$|\\\\|&)+|(?:\s|\\q?quad|\\[ ,;!]|~|\$|\\\\|&|[;,.?])+$|[,;]?\s+(?:and|or)$"
)
_SENTENCE_END = re.compile(r"\.\s+[A-Z]")
_WIDE = str.maketrans("（）．、：", "()..:")
_LONGEST_QUERY = 20_000


def must_be_equal(answer: str, predicted: str, query: str) -> list[Pair] | None:
    """Pairs (reference, predicted) that must all be equal for the prediction to be right; None when it is wrong.

    Without options in the query it is the pair itself.
    """
    options = options_of(query)
    if not options:
        return [(answer, predicted)]
    wanted, said = _letter(answer, options), _letter(predicted, options)
    named, content = _letter_and_content(predicted, options)
    if wanted is not None:
        return _against_letter(wanted, said or named, content if named else predicted, said is not None, options)
    if said is not None:
        return [(answer, options[said])]
    return [(answer, content), (options[named], content)] if named else [(answer, predicted)]


def _against_letter(
    wanted: str, named: str | None, content: str, bare: bool, options: Mapping[str, str]
) -> list[Pair] | None:
    if named is not None and named != wanted:
        return None
    if bare:
        return [(wanted, wanted)]
    # Content that stands under two letters does not say which is meant.
    if named is None and list(options.values()).count(options[wanted]) > 1:
        return None
    return [(options[wanted], content)]


@lru_cache(maxsize=4096)
def options_of(query: str) -> Mapping[str, str]:
    """Content of each option by its letter; empty when the query does not list A, B, … in one spelling."""
    if len(query) > _LONGEST_QUERY:
        return {}
    query = re.sub(r"(?<=[A-J]\.)(?=\S)", " ", query.translate(_WIDE))
    marks = list(_MARK.finditer(query))
    for style in _STYLES:
        run = _last_run([mark for mark in marks if mark.group(style)])
        if len(run) > 1:
            ends = [mark.start() for mark in run[1:]] + [_end_of_last(query, run)]
            found = {_named(mark): _bare(query[mark.end() : end]) for mark, end in zip(run, ends, strict=True)}
            return found if all(found.values()) else {}
    return {}


def _last_run(marks: list[re.Match[str]]) -> list[re.Match[str]]:
    """The marks of the last list that starts at A and goes on without a gap."""
    run: list[re.Match[str]] = []
    for mark in marks:
        letter = _named(mark)
        if letter == "A":
            run = [mark]
        elif run and len(run) < len(_LETTERS) and letter == _LETTERS[len(run)]:
            run.append(mark)
    return run


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
        before, text = text, _EDGE.sub("", text)
    return text


def _letter(text: str, options: Mapping[str, str]) -> str | None:
    match = _LETTER_ALONE.fullmatch(text.strip())
    if match is None:
        return None
    letter = match.group(1)
    if letter.islower() and letter in options.values():
        return None
    return letter.upper() if letter.upper() in options else None


def _letter_and_content(text: str, options: Mapping[str, str]) -> tuple[str | None, str]:
    """The letter in front and what follows it; no letter and the text itself where none stands there."""
    match = _LETTER_FIRST.fullmatch(text.strip().strip("$").strip())
    if match is None:
        return None, text
    letter = next(found for found in match.groups()[:3] if found)
    return (letter, _bare(match.group(4))) if letter in options else (None, text)
