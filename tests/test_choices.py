"""Multiple choice, boxes that differ, and declared tolerances: what a response is held against."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dast.equivalence.choices import options_of
from dast.equivalence.enclosure import within
from dast.equivalence.normal import normal_form
from dast.grading import BOXES_DIFFER, REFUSED, STANDARD, Attempt, Grader
from dast.params.sections import BoxesDiffer

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "choices.jsonl").read_text(encoding="utf-8").splitlines()
]
REFUSING = STANDARD.model_copy(update={"boxes_differ": BoxesDiffer(training="refuse", evaluation="last")})


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(STANDARD) as opened:
        yield opened


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_choice_golden_case_has_its_verdict(grader: Grader, case: dict[str, str]) -> None:
    (grade,) = grader.grade([Attempt(case["answer"], rf"\boxed{{{case['predicted']}}}", "stop", case["query"])])
    assert grade.verdict == case["verdict"], case


@pytest.mark.parametrize(
    ("response", "verdict"),
    [
        ("The answer is option B.", "correct"),
        ("The answer is Choice (B).", "correct"),
        ("The answer is option (B) 5.", "correct"),
        (r"\boxed{\text{Option B}}", "correct"),
        (r"\boxed{\text{(B) 5}}", "correct"),
        (r"\boxed{\text{B) 5}}", "correct"),
        ("The answer is option C.", "incorrect"),
        ("The answer is option B or C.", "incorrect"),
        ("The answer is not option B.", "incorrect"),
        ("The answer is option (B) 6.", "incorrect"),
        (r"\boxed{\text{(A) 5}}", "incorrect"),
        (r"\boxed{\text{(B) 6}}", "incorrect"),
    ],
)
def test_choice_named_as_an_option_or_within_one_text_has_its_verdict(
    grader: Grader, response: str, verdict: str
) -> None:
    (grade,) = grader.grade([Attempt("B", response, "stop", "What is $2+3$? (A) 3 (B) 5 (C) 6 (D) 8")])
    assert grade.verdict == verdict


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("Which? (A) 3 (B) 5 (C) 7", {"A": "3", "B": "5", "C": "7"}),
        ("Which?\nA. 3\nB. five apples\n", {"A": "3", "B": "five apples"}),
        (r"Which? $\textbf{(A)}\ 3 \qquad \textbf{(B)}\ 5$", {"A": "3", "B": "5"}),
        ("A) 1\nB) 2\nExplain.", {"A": "1", "B": "2"}),
        ("Point (A) lies on the line, (C) does not.", {}),
        ("A. only", {}),
        ("How many? 3 + 4", {}),
    ],
)
def test_options_are_read_in_the_usual_spellings(query: str, options: dict[str, str]) -> None:
    assert options_of(query) == options


@pytest.mark.parametrize(
    ("response", "verdict", "reason"),
    [
        (r"\boxed{3}, no: \boxed{4}", "correct", BOXES_DIFFER),
        (r"\boxed{4}, no: \boxed{3}", "incorrect", BOXES_DIFFER),
        (r"\boxed{4.0}, that is \boxed{4}", "correct", None),
        (r"\boxed{4} and again \boxed{4}", "correct", None),
        (r"\boxed{\boxed{4}}", "correct", None),
    ],
)
def test_boxes_that_differ_the_last_counts_and_is_marked(
    grader: Grader, response: str, verdict: str, reason: str | None
) -> None:
    (grade,) = grader.grade([Attempt("4", response)])
    assert (grade.verdict, grade.reason) == (verdict, reason)


def test_boxes_that_differ_are_refused_in_training_alone() -> None:
    attempt = Attempt("4", r"\boxed{3}, no: \boxed{4}")
    with Grader(REFUSING) as training, Grader(REFUSING, "evaluation") as evaluation:
        assert [(grade.verdict, grade.reason) for grade in training.grade([attempt])] == [("incorrect", REFUSED)]
        assert [(grade.verdict, grade.reason) for grade in evaluation.grade([attempt])] == [("correct", BOXES_DIFFER)]


@pytest.mark.parametrize(
    ("reference", "predicted", "tolerance", "near"),
    [
        ("0.333", r"\frac{1}{3}", 0.01, True),
        ("0.333", "0.35", 0.01, False),
        ("3.14", r"\pi", 0.01, True),
        ("3.2", r"\pi", 0.01, False),
        ("2.72", "e", 0.01, True),
        ("100", "100.5", 0.01, False),
        ("9.8 m", r"9.81 \text{ m}", 0.01, None),
        ("18", r"\$18.10", 0.01, False),
        ("5", r"5.02 \text{ cm}", 0.01, False),
        ("5", r"\sqrt{25.1}", 0.01, False),
        (r"9.8 \text{ m}", r"9.81 \text{ cm}", 0.01, False),
        ("50.5", r"50.6\%", 0.01, None),
        (r"9.8 \text{ m}", "9.81", 0.01, True),
        ("[0.5, 1.5]", "[0.501, 1.499]", 0.01, True),
        ("(0.5, 1.5)", "(1.5, 0.5)", 0.01, False),
        ("0.5", "x", 0.01, None),
        ("0.5", "9^{9^{9^9}}", 0.01, None),
    ],
)
def test_tolerance_is_relative_and_integers_have_none(
    reference: str, predicted: str, tolerance: float, near: bool | None
) -> None:
    assert within(reference, predicted, tolerance) is near


def test_tolerance_counts_only_where_it_is_declared(grader: Grader) -> None:
    grades = grader.grade([Attempt("0.333", "A: 1/3", tolerance=0.01), Attempt("0.333", "A: 1/3")])
    assert [(grade.verdict, grade.reason) for grade in grades] == [
        ("correct", "within_tolerance"),
        ("incorrect", None),
    ]


@pytest.mark.parametrize(
    "alike",
    [["1/2", "0.5", r"\frac{2}{4}", r"0.50 \text{ cm}", "x = 0.5"], ["{1,2}", "{1,2}"], [r"\{2,1\}", r"\{1,2\}"]],
)
def test_normal_form_is_one_for_equal_answers(alike: list[str]) -> None:
    assert len({normal_form(text) for text in alike}) == 1


@pytest.mark.parametrize(
    ("one", "other"), [("1", "2"), ("(1,2)", "(2,1)"), ("x", "y"), ("2^{99999}", "2^{99998}"), ("yes", "no")]
)
def test_normal_form_keeps_different_answers_apart(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)
