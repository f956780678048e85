"""The tables of what guards the figures: the grader's second path, pairs of answers to look at, contamination.

Guarantees: figures are the small files' own. Grain: one line a round and stage, or a pair of answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dast.markdown import NONE, number
from dast.report.accuracy import Row
from dast.report.metrics import RoundMetrics

AUDITED = {"difficulty": "plain rollouts", "augment": "augmentation", "evaluate": "test rollouts"}
"""Metrics that hold an audit, and of what."""
_LISTS = {"audit_sample": "plain rollouts", "audit_augment": "augmentation", "audit_test": "test rollouts"}
_BASE_LIST = {"audit": "test rollouts"}


def audit_counts(rounds: Sequence[RoundMetrics]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Round, what was graded, and the audit's counts."""
    for entry in rounds:
        numbers = entry.numbers()
        for stage, what in AUDITED.items():
            if counts := numbers.get(stage, {}).get("audit"):
                yield entry.name, what, counts


def audits(rounds: Sequence[RoundMetrics]) -> list[Row]:
    """What the grader's second path found."""
    return [
        {
            "round": name,
            "graded": what,
            "pairs of answers": number(counts["n_pairs"]),
            "checked": number(counts["n_checked"]),
            "accepted yet different": number(counts["n_accepted_yet_different"]),
            "refused yet equal": number(counts["n_refused_yet_equal"]),
            "ungraded": number(counts["n_ungraded"]),
            "boxes differ": number(counts["n_boxes_differ"]),
        }
        for name, what, counts in audit_counts(rounds)
    ]


def review(rounds: Sequence[RoundMetrics]) -> list[Row]:
    """Pairs of answers for a person to look at; those that the two paths disagree on come first."""
    listed = [
        {
            "round": entry.name,
            "graded": what,
            "why listed": row["kind"].replace("_", " "),
            "reference": row["answer"],
            "predicted": row["predicted"] or NONE,
            "verdict": row["verdict"].replace("_", " "),
            "second path": row["crosscheck"] or NONE,
            "rollouts": number(int(row["n_rollouts"])),
        }
        for entry in rounds
        for name, what in {**_BASE_LIST, **_LISTS}.items()
        for row in entry.rows(name)
    ]
    return sorted(listed, key=lambda row: row["why listed"] == "sampled")


def contamination(rounds: Sequence[RoundMetrics]) -> list[Row]:
    """Train texts that have words in common with test queries."""
    told = [(entry.name, part.get("contamination", {})) for entry in rounds for part in entry.numbers().values()]
    return [
        {
            "round": name,
            "texts": number(about["n_texts"]),
            "test set": test_set,
            "the same": number(row["n_exact"]),
            "an n-gram in common": number(row["n_shared"]),
            "contaminated": number(row["n_contaminated"]),
        }
        for name, about in told
        for test_set, row in about.get("tests", {}).items()
    ]
