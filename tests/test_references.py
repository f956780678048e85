"""Reference answers, tried before anything is graded against them."""

from __future__ import annotations

import pytest

from dast.grading import STANDARD, Grader
from dast.references import reference_faults


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("18", None),
        (r"\frac{3}{4}", None),
        (r"3\sqrt{13}", None),
        (r"\text{(B)}", None),
        ("June 5", None),
        (" ", "empty"),
        ("3 +", "reference_unparseable"),
        (r"\ln 0", "reference_undefined"),
        ("9^{9^{9^9}}", "reference_too_large"),
        (r"\frac{1}{0}", "reference_undefined"),
    ],
)
def test_reference_fault_is_found_and_named(answer: str, fault: str | None) -> None:
    with Grader(STANDARD) as grader:
        assert reference_faults([answer], grader).get(answer) == fault


def test_reference_that_the_rules_do_not_find_is_told() -> None:
    rules = STANDARD.model_copy(update={"extraction": ["last_number"]})
    with Grader(rules) as grader:
        faults = reference_faults(["18", r"\sqrt{2}", "red"], grader)
    assert faults == {r"\sqrt{2}": "none_stated", "red": "none_stated"}
