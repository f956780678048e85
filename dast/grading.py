r"""Verdicts: the answer that a response states, compared exactly with the reference.

Guarantees: no false accept for want of exactness (`1/2^99` is not `1/2^98`, 0.333 is not 1/3); a failure of the grader
is `ungraded` with its reason, never incorrect; verdicts depend on the pair alone, not on order, load or the number of
workers; no text is ever evaluated. Grain: one rollout, one grade.

    from dast.grading import STANDARD, Attempt, Grader

    with Grader(STANDARD) as grader:
        (grade,) = grader.grade([Attempt("3/4", r"so it is \boxed{0.75}")])
    grade.verdict  # correct
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, NamedTuple, Self

import polars as pl

from dast.answers import predicted_answer, predicted_before_cut
from dast.equivalence.choices import Conditions, Pair, conditions, options_of
from dast.equivalence.enclosure import within
from dast.equivalence.outcome import Outcome, VerdictName, first_of
from dast.equivalence.pool import Pool
from dast.equivalence.quick import quick
from dast.equivalence.spelling import MAX_CHARS
from dast.errors import DataError, GradingError
from dast.params.sections import BoxesDiffer, Grading
from dast.progress import Progress
from dast.statements import boxed_answers
from dast.tables import GRADED, Verdict

STANDARD = Grading(
    extraction=["boxed", "hash", "answer_colon", "answer_is", "last_number"],
    boxes_differ=BoxesDiffer(training="last", evaluation="last"),
    timeout_s=5.0,
    max_ungraded_rate=0.01,
    n_review=100,
)
"""Settings for use outside the pipeline, whose own stand in params."""

_READ_AT_ONCE = 1_000

BOXES_DIFFER = "boxes_differ"
"""Reason of a response that boxes different answers, its last one counting."""
REFUSED = "boxes_differ_refused"
"""Reason of a response that boxes different answers, the last one right, and is refused for it."""


class Attempt(NamedTuple):
    """A response and what it is held against."""

    answer: str
    """Reference answer."""
    response: str
    finish_reason: str = "stop"
    """`length` for a response that was cut off, `error` for one that never came."""
    query: str = ""
    """Read for the options of a multiple choice alone."""
    tolerance: float | None = None
    """Relative tolerance that the query's source declares; None is exact."""


@dataclass(frozen=True)
class Grade:
    """What grading says of a response. `reason` is None for a plain correct or incorrect."""

    predicted: str | None
    verdict: VerdictName
    reason: str | None


class Grader:
    """Grades responses; starts worker processes when an answer needs algebra, and ends them with the context."""

    def __init__(self, settings: Grading, part: Literal["training", "evaluation"] = "training") -> None:
        self.rules = settings.extraction
        self._refuses = getattr(settings.boxes_differ, part) == "refuse"
        self._pool = Pool(settings.timeout_s)
        self._known: dict[tuple[str, str], Outcome] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.close()

    @property
    def compared(self) -> Mapping[tuple[str, str], Outcome]:
        """Outcome of every distinct (reference, predicted) pair so far, for the audit."""
        return self._known

    def grade(self, attempts: Sequence[Attempt]) -> list[Grade]:
        """Grades in the order of the attempts; equal attempts are graded once."""
        distinct = list(dict.fromkeys(attempts))
        predictions = self._predictions(distinct)
        wanted = [
            conditions(attempt.answer, predicted, attempt.query) if predicted is not None else None
            for attempt, predicted in zip(distinct, predictions, strict=True)
        ]
        others = [_other_boxes(attempt, predicted) for attempt, predicted in zip(distinct, predictions, strict=True)]
        needed = [pair for found in wanted if found for pair in (*found.equal, *found.unequal)]
        self._compare([*needed, *(pair for pairs in others for pair in pairs)])
        grades = {
            attempt: self._grade(attempt, predicted, pairs, boxes)
            for attempt, predicted, pairs, boxes in zip(distinct, predictions, wanted, others, strict=True)
        }
        return [grades[attempt] for attempt in attempts]

    def compare(self, pairs: Sequence[Pair]) -> list[Grade]:
        """Grades of (answer, predicted answer) pairs, in their order; a pair is compared once in a grader's life."""
        self._compare(pairs)
        return [Grade(predicted, *self._known[answer, predicted]) for answer, predicted in pairs]

    def _compare(self, pairs: Sequence[Pair]) -> None:
        unknown = {pair: quick(*pair) for pair in dict.fromkeys(pairs) if pair not in self._known}
        hard = [pair for pair, outcome in unknown.items() if outcome is None]
        self._known.update((pair, outcome) for pair, outcome in unknown.items() if outcome is not None)
        with Progress("comparing", len(hard), "answers", delay_s=1.0) as progress:
            self._known.update(zip(hard, self._pool.compare(hard, progress.advance), strict=True))

    def _predictions(self, attempts: Sequence[Attempt]) -> list[str | None]:
        found: list[str | None] = []
        with Progress("final answers", len(attempts), "responses", delay_s=1.0) as progress:
            for start in range(0, len(attempts), _READ_AT_ONCE):
                part = attempts[start : start + _READ_AT_ONCE]
                found += [self._predicted(attempt) for attempt in part]
                progress.advance(len(part))
        return found

    def _predicted(self, attempt: Attempt) -> str | None:
        if attempt.finish_reason == "error":
            return None
        read = predicted_before_cut if attempt.finish_reason == "length" else predicted_answer
        found = read(attempt.response, self.rules)
        # Longer text is no answer that is read; kept whole it would be kept in memory and in every table.
        return found if found is None or len(found) <= MAX_CHARS else f"{found[:MAX_CHARS]}…"

    def _grade(self, attempt: Attempt, predicted: str | None, wanted: Conditions | None, boxes: list[Pair]) -> Grade:
        if predicted is None:
            return _unanswered(attempt.response, attempt.finish_reason)
        verdict, reason = self._outcome(wanted, attempt)
        other = first_of([self._known[pair] for pair in boxes], "incorrect", "ungraded")
        if verdict != "ungraded" and other is not None:
            if verdict == "correct" and self._refuses:
                # Boxes that could not be compared are the grader's failure.
                return Grade(predicted, *(other if other[0] == "ungraded" else ("incorrect", REFUSED)))
            reason = reason or BOXES_DIFFER
        return Grade(predicted, verdict, reason)

    def _outcome(self, wanted: Conditions | None, attempt: Attempt) -> Outcome:
        """The strictest outcome: a grader's failure first, then an inequality, then an equality with another option."""
        if wanted is None:
            return "incorrect", "other_option"
        # Where options are listed, nearness could be to another one's content.
        tolerance = None if options_of(attempt.query) else attempt.tolerance
        outcomes = [self._tolerant(pair, tolerance) for pair in wanted.equal]
        strictest = first_of(outcomes, "ungraded", "incorrect")
        if strictest is not None:
            return strictest
        if any(self._known[pair][0] == "correct" for pair in wanted.unequal):
            return "incorrect", "other_option"
        return outcomes[0]

    def _tolerant(self, pair: Pair, tolerance: float | None) -> Outcome:
        outcome = self._known[pair]
        refused = outcome[0] == "incorrect" or outcome[1] == "undecided"
        if tolerance is not None and refused and within(*pair, tolerance):
            return "correct", "within_tolerance"
        return outcome


def grade_rollouts(rollouts: pl.DataFrame, queries: pl.DataFrame, grader: Grader) -> pl.DataFrame:
    """Rollouts (table ROLLOUTS) with their grades (table GRADED).

    Args:
        rollouts: One row a rollout.
        queries: Columns query_id, answer, query and tolerance, one row a query.
        grader: Its pool is used and left open.

    Raises:
        DataError: a rollout whose query has no row in `queries`.
    """
    about = {row[0]: row[1:] for row in queries.select("query_id", "answer", "query", "tolerance").iter_rows()}
    unknown = [query_id for query_id in rollouts["query_id"].unique(maintain_order=True) if query_id not in about]
    if unknown:
        raise DataError(
            f"rollouts: {len(unknown)} queries are not among the queries (first: {unknown[0]}); "
            "run `dvc repro` so that both come from the same `prepare`"
        )
    items = [
        Attempt(about[query_id][0], response, finish, *about[query_id][1:])
        for query_id, response, finish in rollouts.select("query_id", "response", "finish_reason").iter_rows()
    ]
    grades = grader.grade(items)
    columns = [
        pl.Series("predicted", [storable(grade.predicted) for grade in grades], dtype=pl.String),
        pl.Series("verdict", [grade.verdict for grade in grades], dtype=Verdict),
        pl.Series("reason", [grade.reason for grade in grades], dtype=pl.String),
    ]
    return rollouts.with_columns(columns).select(GRADED.schema.keys())


def refuse_ungraded(
    graded: pl.DataFrame,
    max_rate: float,
    limit: str = "grading.max_ungraded_rate",
    patience: str = "grading.timeout_s",
) -> None:
    """Refuses a table that is not worth using; `limit` and `patience` name the settings in the message.

    Raises:
        GradingError: more than `max_rate` (a share of all rows) are ungraded; counts by reason are named.
    """
    failed = graded.filter(pl.col("verdict") == "ungraded")
    if failed.height <= max_rate * graded.height:
        return
    reasons = Counter(failed["reason"].fill_null("unknown").to_list()).most_common()
    raise GradingError(
        f"{failed.height} of {graded.height} rollouts are ungraded, more than {limit} {max_rate:g} "
        f"allows ({', '.join(f'{reason}: {count}' for reason, count in reasons)}); "
        f"look at these rows, raise {patience} for time limits, or mend the reference answers"
    )


def storable(text: str | None) -> str | None:
    """Text that UTF-8 can hold: lone surrogates become question marks."""
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")


def _other_boxes(attempt: Attempt, predicted: str | None) -> list[Pair]:
    r"""Pairs of the predicted answer with each other answer that the response boxes, where it is a boxed one."""
    if predicted is None or attempt.response.count("boxed") + attempt.response.count("fbox") < 2:
        return []
    boxes = boxed_answers(attempt.response)
    return [(predicted, box) for box in boxes[:-1] if box] if predicted in boxes[-1:] else []


def _unanswered(response: str, finish: str) -> Grade:
    match finish:
        case "error":
            return Grade(None, "ungraded", "engine_error")
        case "length":
            return Grade(None, "no_answer", "cut_off")
    return Grade(None, "no_answer", "none_stated" if response.strip() else "empty_response")
