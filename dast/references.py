"""Reference answers, tried before anything is graded against them.

A reference must grade correct when a response states it, and must be able to refuse an answer that is surely wrong: one
that fails either would turn right responses wrong, or leave every response ungraded. Grain: one distinct answer.
"""

from __future__ import annotations

from collections.abc import Iterable

from dast.answers import stated
from dast.grading import Attempt, Grader

SURELY_WRONG = "-9876543210123"
"""An answer that no source is expected to hold."""


def reference_faults(answers: Iterable[str], grader: Grader) -> dict[str, str]:
    """Why each answer that cannot be graded against cannot; answers without a fault are left out.

    Returns:
        `empty`; the grader's own reason (`reference_unparseable`, `time_limit`, ...); `not_extracted` where the rules
        of the params do not find the answer in a response that states it; `refuses_itself`; `accepts_anything`.
    """
    distinct = list(dict.fromkeys(answers))
    named = [answer for answer in distinct if answer.strip()]
    own = grader.grade([Attempt(answer, stated(answer, grader.rules)) for answer in named])
    wrong = grader.compare([(answer, SURELY_WRONG) for answer in named])
    faults = {answer: "empty" for answer in distinct if not answer.strip()}
    for answer, mine, other in zip(named, own, wrong, strict=True):
        if mine.verdict != "correct":
            faults[answer] = mine.reason or ("refuses_itself" if mine.predicted == answer else "not_extracted")
        elif other.verdict == "ungraded" or (other.verdict == "correct" and answer != SURELY_WRONG):
            faults[answer] = other.reason or "accepts_anything"
    return faults
