"""Queries that leave because another one says the same: one of a test set, or an earlier one.

Guarantees: each that leaves is counted by its reason; the first of equal ones stays. Grain: one query.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Literal

from dast.errors import DataError
from dast.queries import Query, SourceQueries, first

log = logging.getLogger(__name__)


def leave_tests(
    train: Mapping[str, SourceQueries], tests: Mapping[str, SourceQueries], policy: Literal["refuse", "drop"]
) -> None:
    """Drops the train queries whose text stands in a test set.

    Raises:
        DataError: there are some, and `policy` is to refuse them.
    """
    held = {query.key: query.place for read in tests.values() for query in read.queries}
    leaks = [f"{q.place} = {held[q.key]}" for read in train.values() for q in read.queries if q.key in held]
    if leaks and policy == "refuse":
        raise DataError(
            f"{len(leaks)} train queries stand in a test set ({first(leaks)}); "
            "remove them, or set prepare.train_in_tests to drop"
        )
    for read in train.values():
        read.leave_out("in_test", lambda query: query.key in held)


def leave_duplicates(reads: Sequence[SourceQueries]) -> None:
    """Keeps the first query of each text, across all `reads`; warns where a later one has another answer."""
    answers: dict[str, str] = {}
    disagree: list[str] = []

    def came_before(query: Query) -> bool:
        if query.key not in answers:
            answers[query.key] = query.answer
            return False
        if answers[query.key] != query.answer:
            disagree.append(query.place)
        return True

    for read in reads:
        read.leave_out("duplicate", came_before)
    if disagree:
        log.warning(
            "%d duplicates were dropped whose answer differs from the first one's (%s)", len(disagree), first(disagree)
        )
