"""The grader's audit: a second path over every pair that was compared, its disagreements counted, and a list to read.

Guarantees: verdicts are never changed here; where the two paths disagree the grader's own stands, and the pair is
listed. Which pairs are listed follows from their digests, not from the order of the rows. Grain: one distinct pair of
reference and predicted answer.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from dast.equivalence.crosscheck import Finding, crosscheck
from dast.equivalence.outcome import Outcome
from dast.grading import BOXES_DIFFER, REFUSED, storable

REVIEW_COLUMNS = ("kind", "answer", "predicted", "verdict", "reason", "crosscheck", "n_rollouts")
KINDS = ("accepted_yet_different", "refused_yet_equal", "checkers_disagree", "ungraded", "sampled")
"""Why a pair is listed: the second path contradicts an acceptance or a refusal, Math-Verify refuses what our algebra
accepts (the stricter verdict stands) or gave no answer in time, the grader failed, or drawn at random from the rest."""


@dataclass(frozen=True)
class Audit:
    """`counts` stand in the metrics, `review` are the rows of the list (REVIEW_COLUMNS)."""

    counts: Mapping[str, Any]
    review: list[dict[str, Any]]


def audit(compared: Mapping[tuple[str, str], Outcome], graded: pl.DataFrame, n_review: int) -> Audit:
    """Runs the second path over every distinct pair.

    Args:
        compared: outcome of each (reference, predicted) pair, as `Grader.compared` holds them.
        graded: the rows that they were compared for, with `predicted` and `reason` (GRADED), to count rollouts by.
        n_review: most pairs of each kind that are listed.
    """
    findings = {pair: crosscheck(*pair) for pair in compared}
    kinds = {pair: _kind(outcome, findings[pair]) for pair, outcome in compared.items()}
    found = Counter(kinds.values())
    n_checked = sum(finding != "unknown" for finding in findings.values())
    n_disagree = found["accepted_yet_different"] + found["refused_yet_equal"]
    reasons = Counter(graded["reason"].to_list())
    counts = {
        "n_pairs": len(compared),
        "n_checked": n_checked,
        "n_disagree": n_disagree,
        "disagree_rate": n_disagree / n_checked if n_checked else None,
        **{f"n_{kind}": found[kind] for kind in KINDS if kind != "sampled"},
        "n_boxes_differ": reasons[BOXES_DIFFER] + reasons[REFUSED],
        "n_boxes_differ_refused": reasons[REFUSED],
    }
    rollouts = Counter(graded["predicted"].to_list())
    return Audit(counts, list(_review(compared, findings, kinds, rollouts, n_review)))


def told(counts: Mapping[str, Any]) -> str:
    """The counts as one line for the log."""
    rate = counts["disagree_rate"]
    return (
        f"audit: {counts['n_pairs']} distinct pairs, {counts['n_checked']} checked a second way, "
        f"{counts['n_disagree']} disagree{'' if rate is None else f' ({100 * rate:.2f} %)'}, "
        f"{counts['n_ungraded']} ungraded, {counts['n_boxes_differ']} responses box different answers"
    )


def _kind(outcome: Outcome, finding: Finding) -> str:
    verdict, reason = outcome
    if verdict == "ungraded":
        return "ungraded"
    if reason in ("checkers_disagree", "second_opinion_slow"):
        return "checkers_disagree"
    if (verdict, finding) == ("correct", "different"):
        return "accepted_yet_different"
    return "refused_yet_equal" if (verdict, finding) == ("incorrect", "equal") else "sampled"


def _review(
    compared: Mapping[tuple[str, str], Outcome],
    findings: Mapping[tuple[str, str], Finding],
    kinds: Mapping[tuple[str, str], str],
    rollouts: Mapping[str | None, int],
    n_review: int,
) -> Iterator[dict[str, Any]]:
    for kind in KINDS:
        for answer, predicted in _drawn((pair for pair, found in kinds.items() if found == kind), n_review):
            verdict, reason = compared[answer, predicted]
            yield {
                "kind": kind,
                "answer": _shown(answer),
                "predicted": _shown(predicted),
                "verdict": verdict,
                "reason": reason,
                "crosscheck": findings[answer, predicted],
                "n_rollouts": rollouts.get(storable(predicted), 0),
            }


def _drawn(pairs: Iterable[tuple[str, str]], most: int) -> list[tuple[str, str]]:
    return sorted(pairs, key=lambda pair: hashlib.sha256("\n".join(pair).encode("utf-8", "surrogatepass")).digest())[
        :most
    ]


def _shown(text: str) -> str:
    """One line of at most 200 characters that UTF-8 can hold."""
    flat = " ".join((storable(text) or "").replace("\x00", "\\0").split())
    return flat if len(flat) <= 200 else f"{flat[:199]}…"
