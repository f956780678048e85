"""Final answers, read from text by rules: the reference's, and what a response states.

Guarantees: pure text, linear time, no sympy; nothing is ever evaluated. A rule that finds its mark decides, so a stated
final answer beats a later stray number, and an empty statement is no answer. Grain: one text, one answer or none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from dast.boxes import unwrapped
from dast.errors import DataError
from dast.params.sections import ExtractionRule
from dast.params.sources import AnswerRule
from dast.statements import after_answer_is, after_colon, after_hash, boxed, last_number, said

_MISSING: Mapping[AnswerRule, str] = {
    "hash": "no text after a last `####`",
    "boxed": r"no balanced \boxed{} with text",
    "whole": "an empty text",
}


def reference_answer(text: str, rule: AnswerRule) -> str:
    """The answer that a source's column holds.

    Raises:
        DataError: the column states none.
    """
    found = unwrapped(text) if rule == "whole" else _RULES[rule](text)
    if not found:
        raise DataError(f"no reference answer: {_MISSING[rule]} in {_shown(text)}")
    return found


def predicted_answer(response: str, rules: Sequence[ExtractionRule]) -> str | None:
    """The final answer that a response states, by the first rule whose mark it holds; None when that states nothing."""
    text = said(response)
    for rule in rules:
        found = _RULES[rule](text)
        if found is not None:
            return found or None
    return None


def predicted_before_cut(response: str, rules: Sequence[ExtractionRule]) -> str | None:
    """As `predicted_answer`, for a response that ran out of tokens.

    A number at the cut may miss its last digits (`A: 1` of `A: 18`), so only a closed box or a finished line or
    sentence counts, and the last number of all never does.
    """
    response = said(response)
    whole = response[: max((match.end() for match in _FINISHED.finditer(response)), default=0)]
    for rule in rules:
        if rule == "last_number":
            continue
        found = predicted_answer(response if rule == "boxed" else whole, [rule])
        if found is not None:
            return found
    return None


def stated(answer: str, rules: Sequence[ExtractionRule]) -> str:
    """A response that states an answer in the way that the first rule looks for."""
    return _STATED[rules[0]].replace("@", answer) if rules else answer


def _shown(text: str) -> str:
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= 80 else f"…{flat[-79:]}")


_FINISHED = re.compile(r"(?<![,;])(?<![,;] )\n|\.(?= )")
"""The end of a line or sentence; a line that ends in a comma goes on."""

_STATED: Mapping[str, str] = {
    "boxed": r"\boxed{@}",
    "hash": "#### @",
    "answer_colon": "Answer: @",
    "answer_is": "The answer is @",
    "last_number": "@",
}

_RULES: Mapping[str, Callable[[str], str | None]] = {
    "boxed": boxed,
    "hash": after_hash,
    "answer_colon": after_colon,
    "answer_is": after_answer_is,
    "last_number": last_number,
}
