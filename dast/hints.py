"""Hints: a growing prefix of the reference solution as the start of the response.

As state reset in guided self-improvement (GSI, arXiv 2411.00750), where GSM8K grows by a step and other sets by a fifth
of the tokens, to four fifths. Here a hint ends with a step everywhere, and what GSI does not promise is refused.

Guarantees: a hint is a true prefix of the solution, ends before the step that yields the answer, neither states a
final answer nor holds the answer's value (`dast/leaks.py`); a larger share never gives a shorter
hint. A prefix that would break this is made shorter, down to none. Grain: one solution.
"""

from __future__ import annotations

import re
from functools import lru_cache

from dast.leaks import holds_answer, states_answer
from dast.params.ladder import Hinted

_STEP_END = re.compile(
    r"[^\S\n]*\n(?:[^\S\n]*\n)*"  # the line's break and blank lines belong to it: tokenizers join them to its last sign
    r"|;(?=\s*(?:[A-Za-z]|####))"
    r"|(?<![.\s][A-Za-z])(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bvs)[.!?](?=[^\S\n]+[A-Z$\\\"(*#])"
)
_NO_STEP = re.compile(r"\s*(?:(?:Step\s+)?\d{1,2}[.):]?)?\s*", re.IGNORECASE)
"""Blank, or the number of a list's element, which belongs to what follows."""
_STATEMENT = re.compile(
    r"\s*(?:(?:so|thus|hence|therefore|then|and|finally)\b,?\s*)*(?:####|\$*\s*\\(?:boxed|fbox)|(?:the|our)?\s*(?:final\s+)?"
    r"answers?\b|A\s*:)",
    re.IGNORECASE,
)
"""A step that only states the answer; the one before it yields it."""


def share_at(attempt: int, settings: Hinted) -> float:
    """The share of a solution's steps that attempt 0, 1, … at a query is given."""
    return min(settings.max_rate, settings.first_rate + attempt * settings.step_rate)


def hint(solution: str, answer: str, share: float) -> str | None:
    """The start of a response; None when not even the first step may be shown.

    Args:
        solution: the reference solution, as training would hold it.
        answer: the reference answer, which the hint must not hold.
        share: of the solution's steps, between 0 and 1; one step at least is taken.
    """
    n_steps, ends = _may_be_shown(solution, answer)
    wanted = min(len(ends), max(1, int(share * n_steps + 1e-9)))
    return solution[: ends[wanted - 1]] if wanted else None


def step_ends(solution: str) -> list[int]:
    """Where each step ends: at a line's break, a semicolon before words, or a sentence's end. The last is the text's.

    A step of the tiny world is `Sep 9*3=27;`, one of GSM8K a sentence or line, its calculator marks included.
    """
    ends: list[int] = []
    start = 0
    for end in [*(match.end() for match in _STEP_END.finditer(solution)), len(solution)]:
        if _NO_STEP.fullmatch(solution, start, end):
            if ends and not solution[start:end].strip():
                ends[-1] = start = end
            continue
        ends.append(end)
        start = end
    return ends


@lru_cache(maxsize=16_384)
def _may_be_shown(solution: str, answer: str) -> tuple[int, tuple[int, ...]]:
    """How many steps lead to the answer, and where those end that may be shown: kept for a query's next attempts."""
    ends = step_ends(solution)
    last = _yielding_step(solution, ends)
    shown: list[int] = []
    for end in ends[:last]:
        prefix = solution[:end].rstrip(" \t")
        if holds_answer(prefix, answer):
            break
        shown.append(len(prefix))
    return last + 1, tuple(shown)


def _yielding_step(solution: str, ends: list[int]) -> int:
    """Index of the step that yields the answer: the one that states it, or the one before a bare statement.

    No prefix that ends before it states an answer.
    """
    for index, end in enumerate(ends):
        if states_answer(solution[:end]):
            bare = _STATEMENT.match(solution, ends[index - 1] if index else 0)
            return max(0, index - 1) if bare else index
    return max(0, len(ends) - 1)
