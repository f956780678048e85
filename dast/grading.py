r"""Verdicts: the answer that a response states, compared exactly with the reference.

Guarantees: no false accept for want of exactness (`1/2^99` is not `1/2^98`, 0.333 is not 1/3); a failure of the grader
is `ungraded` with its reason, never incorrect; verdicts depend on the pair alone, not on order, load or the number of
workers; no text is ever evaluated. Grain: one rollout, one grade.

    with Grader(settings.grading) as grader:
        grades = grader.grade([("3/4", r"so \boxed{0.75}", "stop")])
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import polars as pl

from dast.answers import predicted_answer, predicted_before_cut
from dast.equivalence.outcome import Outcome, VerdictName
from dast.equivalence.pool import Pool
from dast.equivalence.quick import quick, unreadable_reference
from dast.errors import DataError, GradingError
from dast.params.sections import Grading
from dast.tables import GRADED, Verdict


@dataclass(frozen=True)
class Grade:
    """What grading says of a response. `reason` is None for a plain correct or incorrect."""

    predicted: str | None
    verdict: VerdictName
    reason: str | None


class Grader:
    """Grades responses; starts worker processes when an answer needs algebra, and ends them with the context."""

    def __init__(self, settings: Grading) -> None:
        self._rules = settings.extraction
        self._pool = Pool(settings.timeout_s)
        self._known: dict[tuple[str, str], Outcome] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.close()

    def grade(self, items: Sequence[tuple[str, str, str]]) -> list[Grade]:
        """Grades of (answer, response, finish reason) triples, in their order."""
        predictions = [self._predicted(response, finish) for _, response, finish in items]
        pairs = [
            (answer, predicted)
            for (answer, _, _), predicted in zip(items, predictions, strict=True)
            if predicted is not None
        ]
        compared = iter(self.compare(pairs))
        return [
            _unanswered(response, finish) if predicted is None else next(compared)
            for (_, response, finish), predicted in zip(items, predictions, strict=True)
        ]

    def compare(self, pairs: Sequence[tuple[str, str]]) -> list[Grade]:
        """Grades of (answer, predicted answer) pairs, in their order; a pair is compared once in a grader's life."""
        unknown = {pair: quick(*pair) for pair in dict.fromkeys(pairs) if pair not in self._known}
        hard = [pair for pair, outcome in unknown.items() if outcome is None]
        self._known.update((pair, outcome) for pair, outcome in unknown.items() if outcome is not None)
        self._known.update(zip(hard, self._pool.compare(hard), strict=True))
        return [Grade(predicted, *self._known[answer, predicted]) for answer, predicted in pairs]

    def _predicted(self, response: str, finish: str) -> str | None:
        if finish == "error":
            return None
        return (predicted_before_cut if finish == "length" else predicted_answer)(response, self._rules)


def gradable(answer: str) -> str | None:
    """Why a reference answer cannot be graded against; None when it can. Cheap: needs no worker."""
    return unreadable_reference(answer) if answer.strip() else "reference_empty"


def grade_rollouts(rollouts: pl.DataFrame, answers: pl.DataFrame, grader: Grader) -> pl.DataFrame:
    """Rollouts (table ROLLOUTS) with their grades (table GRADED).

    Args:
        rollouts: One row a rollout.
        answers: Columns query_id and answer, one row a query.
        grader: Its pool is used and left open.

    Raises:
        DataError: a rollout whose query has no row in `answers`.
    """
    answer_of = dict(answers.select("query_id", "answer").iter_rows())
    unknown = [query_id for query_id in rollouts["query_id"].unique(maintain_order=True) if query_id not in answer_of]
    if unknown:
        raise DataError(
            f"rollouts: {len(unknown)} queries are not among the queries (first: {unknown[0]}); "
            "run `dvc repro` so that both come from the same `prepare`"
        )
    items = [
        (answer_of[query_id], response, finish)
        for query_id, response, finish in rollouts.select("query_id", "response", "finish_reason").iter_rows()
    ]
    grades = grader.grade(items)
    columns = [
        pl.Series("predicted", [storable(grade.predicted) for grade in grades], dtype=pl.String),
        pl.Series("verdict", [grade.verdict for grade in grades], dtype=Verdict),
        pl.Series("reason", [grade.reason for grade in grades], dtype=pl.String),
    ]
    return rollouts.with_columns(columns).select(GRADED.schema.keys())


def refuse_ungraded(graded: pl.DataFrame, max_rate: float) -> None:
    """Refuses a table that is not worth using.

    Raises:
        GradingError: more than `max_rate` (a share of all rows) are ungraded; counts by reason are named.
    """
    failed = graded.filter(pl.col("verdict") == "ungraded")
    if failed.height <= max_rate * graded.height:
        return
    reasons = Counter(failed["reason"].fill_null("unknown").to_list()).most_common()
    raise GradingError(
        f"{failed.height} of {graded.height} rollouts are ungraded, more than grading.max_ungraded_rate {max_rate:g} "
        f"allows ({', '.join(f'{reason}: {count}' for reason, count in reasons)}); "
        "look at these rows, raise grading.timeout_s for time limits, or mend the reference answers"
    )


def storable(text: str | None) -> str | None:
    """Text that UTF-8 can hold: lone surrogates become question marks."""
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")


def _unanswered(response: str, finish: str) -> Grade:
    match finish:
        case "error":
            return Grade(None, "ungraded", "engine_error")
        case "length":
            return Grade(None, "no_answer", "cut_off")
    return Grade(None, "no_answer", "none_stated" if response.strip() else "empty_response")
