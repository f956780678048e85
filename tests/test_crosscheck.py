"""The audit's second path: what it proves is true, and it never runs long."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dast.audit import KINDS, REVIEW_COLUMNS, audit
from dast.equivalence.crosscheck import crosscheck
from dast.grading import BOXES_DIFFER, REFUSED
from tests.makers import graded_table

CASES = [
    json.loads(line)
    for name in ("grading.jsonl", "grading_more.jsonl")
    for line in (Path(__file__).parent / "cases" / name).read_text(encoding="utf-8").splitlines()
]


@given(st.fractions(max_denominator=500), st.fractions(max_denominator=500))
def test_crosscheck_fractions_are_told_apart_exactly(a: Fraction, b: Fraction) -> None:
    assert crosscheck(str(a), rf"\frac{{{b.numerator}}}{{{b.denominator}}}") == ("equal" if a == b else "different")


@pytest.mark.parametrize(
    ("reference", "predicted", "finding"),
    [
        (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}", "equal"),
        ("(x+2)(x-2)", "x^2-4", "equal"),
        ("x", r"\sqrt{x^2}", "different"),
        (r"\pi", "3.14159265358979323846", "different"),
        (r"e^{\pi\sqrt{163}}", "640320^3+744", "different"),
        ("1-1/e", "1+1/e", "different"),
        ("1/2^99", "1/2^98", "different"),
        ("(1,2)", "(2,1)", "different"),
        (r"\{1,2\}", r"\{2,1\}", "equal"),
        ("[1,2)", "[1,2]", "different"),
        ("5", "9^{9^{9^9}}", "unknown"),
        ("120000", "1.2e5", "equal"),
        ("5", "__import__('os')", "unknown"),
        ("x" * 500, "y" * 500, "unknown"),
        ("(" * 150 + "1" + ")" * 150, "1", "unknown"),
        ("5", r"\sin()", "unknown"),
        ("5", "root()", "unknown"),
        ("9", "3²", "unknown"),
        ("3", "3²", "unknown"),
        ("5/2", "2½", "unknown"),
        ("5", "5cm", "unknown"),
        ("5xy", "6xy", "different"),
        ("2pi", "3pi", "different"),
    ],
)
def test_crosscheck_known_pairs_are_found(reference: str, predicted: str, finding: str) -> None:
    assert crosscheck(reference, predicted) == finding


def test_crosscheck_never_contradicts_an_accepted_golden_case() -> None:
    accepted = [case for case in CASES if case["verdict"] == "correct"]
    found = [crosscheck(case["answer"], case["predicted"]) for case in accepted]
    contradicted = [case for case, finding in zip(accepted, found, strict=True) if finding == "different"]
    assert contradicted == []
    # Matrices, absolute values and units of several words are beyond this path.
    assert found.count("equal") > len(found) / 3


texts = st.text(st.sampled_from("0123456789+-*/^_!%()[]{}|,.;=<> xyepi\\fracsqrt\u00a0$\x00\ud800"), max_size=40)


@given(texts, texts)
def test_crosscheck_any_text_gives_a_finding_and_never_an_error(reference: str, predicted: str) -> None:
    assert crosscheck(reference, predicted) in ("equal", "different", "unknown")


def test_audit_counts_and_lists_what_a_person_must_look_at() -> None:
    compared = {
        ("5", "6"): ("correct", None),
        ("1/2", "0.5"): ("incorrect", None),
        ("7", "7"): ("correct", None),
        ("8", "9"): ("incorrect", None),
        ("2", r"\log_3 9"): ("incorrect", "checkers_disagree"),
        ("3", "9^{9^9}"): ("ungraded", "too_large"),
    }
    graded = graded_table([("q", f"r{index}", "?", "incorrect") for index in range(4)]).with_columns(
        predicted=pl.Series(["6", "6", "0.5", None]), reason=pl.Series([BOXES_DIFFER, REFUSED, None, None])
    )
    found = audit(compared, graded, 10)
    assert [row["kind"] for row in found.review] == [*KINDS, "sampled"]
    assert all(tuple(row) == REVIEW_COLUMNS for row in found.review)
    assert found.review[0]["n_rollouts"] == 2
    assert {name: found.counts[name] for name in ("n_pairs", "n_disagree", "n_ungraded", "n_checkers_disagree")} == {
        "n_pairs": 6,
        "n_disagree": 2,
        "n_ungraded": 1,
        "n_checkers_disagree": 1,
    }
    assert found.counts["disagree_rate"] == pytest.approx(2 / found.counts["n_checked"])
    assert (found.counts["n_boxes_differ"], found.counts["n_boxes_differ_refused"]) == (2, 1)


def test_audit_of_text_without_arguments_ends_as_a_count() -> None:
    said = [r"\sin()", r"\ln()", "sqrt()", "root()"]
    found = audit({("5", text): ("incorrect", "predicted_unreadable") for text in said}, graded_table([]), 5)
    assert (found.counts["n_pairs"], found.counts["n_checked"]) == (4, 0)


def test_audit_list_does_not_depend_on_the_order_of_the_pairs() -> None:
    compared = {(str(number), str(number)): ("correct", None) for number in range(50)}
    graded = graded_table([])
    lists = [audit(dict(pairs), graded, 5).review for pairs in (compared.items(), reversed(compared.items()))]
    assert lists[0] == lists[1]
    assert len(lists[0]) == 5
