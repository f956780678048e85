"""Final answers as references and responses state them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from dast.answers import predicted_answer, predicted_before_cut, reference_answer, stated
from dast.errors import DataError
from dast.params.sections import ExtractionRule
from dast.params.sources import AnswerRule
from dast.statements import boxed_answers

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "extraction.jsonl").read_text(encoding="utf-8").splitlines()
]
ALL: list[ExtractionRule] = ["boxed", "hash", "answer_colon", "answer_is", "last_number"]


@pytest.mark.parametrize(
    ("text", "rule", "answer"),
    [
        ("She has 16 - 3 - 4 = <<16-3-4=9>>9 eggs.\n#### 18", "hash", "18"),
        ("#### 1\nmore\n####   1,234 ", "hash", "1,234"),
        (r"So $x = \boxed{\frac{3}{4}}$.", "boxed", r"\frac{3}{4}"),
        (r"First \boxed{1}, then \fbox{2}.", "boxed", "2"),
        (r"\boxed{\{1, 2\}}", "boxed", r"\{1, 2\}"),
        (r"\boxed{\text{A} \cup \{x : x < \frac{1}{2}\}}", "boxed", r"\text{A} \cup \{x : x < \frac{1}{2}\}"),
        ("  $42$ ", "whole", "42"),
    ],
)
def test_reference_stated_answer_is_found(text: str, rule: AnswerRule, answer: str) -> None:
    assert reference_answer(text, rule) == answer


@pytest.mark.parametrize(
    ("text", "rule", "reason"),
    [
        ("It is 18.", "hash", "no text after a last `####`"),
        ("It is 18.\n#### ", "hash", "no text after"),
        (r"It is \boxed{18", "boxed", r"no balanced \\boxed"),
        (r"\boxed{ }", "boxed", r"no balanced \\boxed"),
        (" \n", "whole", "an empty text"),
    ],
)
def test_reference_without_answer_is_refused_with_reason(text: str, rule: AnswerRule, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        reference_answer(text, rule)


@pytest.mark.parametrize(
    ("response", "predicted"),
    [
        ("She makes 9 * 2 = $<<9*2=18>>18 per day\nA: 18", "18"),
        ("9 * 2 = 18\n#### 18", "18"),
        (r"Thus the answer is $\boxed{\dfrac{3}{4}}$. Check: 3 + 4 = 7.", r"\dfrac{3}{4}"),
        (r"\boxed{1} … wait, \boxed{2}", "2"),
        (r"\boxed{x = \boxed{3}}", "x = {3}"),
        ("The final answer is: 18.", "18"),
        ("The answer is 18. I hope it is correct, it took 5 minutes.", "18"),
        ("The answer to the question is 1,000 dollars.", "1,000 dollars"),
        ("**Answer:** 42\nThis took 3 steps.", "42"),
        ("Final answer: 42", "42"),
        ("The answer is\n\n$$\n\\frac{1}{2}\n$$\n", r"\frac{1}{2}"),
        ("Answer:\n\n17", "17"),
        ("So he has 16 - 3 = 13 apples left.", "13"),
        ("It rose by 12.5%", "12.5%"),
        ("so $1,234.50 in total.", "$1,234.50"),
        ("The temperature is -7.", "-7"),
        ("that is 5-3", "3"),
        (r"we get \frac{3}{4}.", r"\frac{3}{4}"),
        ("that is 3/4 of it", "3/4"),
        ("A: 18<|endoftext|>", "18"),
    ],
)
def test_prediction_stated_answer_is_found(response: str, predicted: str) -> None:
    assert predicted_answer(response, ALL) == predicted


@pytest.mark.parametrize(
    "response",
    [
        "",
        "   \n",
        "I do not know.",
        r"16 - 3 = 13, so \boxed{}",
        "16 - 3 = 13\nA:",
        "16 - 3 = 13\n####",
        "16 - 3 = 13. The answer is",
        "so it is x^2",
        r"so it is 5\pi",
        r"so it is \sqrt{2}",
        "so it is 3 million",
        "so it is 4x",
        "about 3/4 of it",
    ],
)
def test_prediction_nothing_stated_is_none(response: str) -> None:
    assert predicted_answer(response, ALL) is None


def test_prediction_order_of_rules_decides() -> None:
    response = "The answer is 5.\n#### 6\nA: 7"
    assert predicted_answer(response, ["answer_is", "hash"]) == "5"
    assert predicted_answer(response, ["hash", "answer_is"]) == "6"
    assert predicted_answer(response, ["boxed", "answer_colon"]) == "7"
    assert predicted_answer(response, ["boxed"]) is None


@pytest.mark.parametrize(
    ("response", "predicted"),
    [
        ("so 9 * 2 = 18\nA: 1", None),
        ("so 9 * 2 = 18\n#### 1", None),
        ("9 * 2 = 1", None),
        (r"thus \boxed{18} and fur", "18"),
        (r"thus \boxed{1", None),
        ("A: 18\nNow the next", "18"),
        ("The answer is 3,\nx", None),
        ("The answer is 18. Let me che", "18"),
    ],
)
def test_prediction_cut_response_needs_a_finished_statement(response: str, predicted: str | None) -> None:
    assert predicted_before_cut(response, ALL) == predicted


@pytest.mark.parametrize(
    "response",
    [
        r"\boxed{" * 150_000,
        "\\boxed{" + "{" * 1_000_000,
        "}" * 1_000_000,
        "answer " * 150_000,
        "A: " * 300_000,
        "> " * 500_000,
        "1," * 500_000,
        "111," * 250_000 + "1111",
        "9" * 1_000_000,
        "#" * 1_000_000,
        " " * 1_000_000,
        "the answer is" + " " * 1_000_000 + "5",
        "\\" * 1_000_001,
        "A" + " " * 1_000_000,
        "answer" + " " * 1_000_000,
        "\x00\ud800\u202e" * 300_000,
        "\n" * 1_000_000,
        "\n" * 1_000_000 + "The answer is 5",
        "The answer is 5" + "\n#" * 500_000,
        "$" * 1_000_000,
        "*" * 1_000_000,
        "-" * 1_000_000,
        r"-\boxed{5}" * 100_000,
        (" " * 60 + r"\boxed{5}" + " " * 60) * 8_000,
        r"\boxed{x" + " " * 1_000_000 + "x}",
        r"\boxed{x" + r"\," * 500_000 + "}",
        "10 -" + " " * 1_000_000 + r"\boxed{5}",
        r"\boxed{5}" + r"\text{cm}" * 100_000,
        "(" * 500_000 + r"\boxed{5}" + ")" * 500_000,
        "Answer:\n" + "x = 3\n" * 150_000,
        "suppose the answer is " * 45_000,
    ],
    ids=range(31),
)
def test_prediction_hostile_megabyte_ends_in_time(response: str) -> None:
    start = time.process_time()
    predicted_answer(response, ALL)
    predicted_before_cut(response, ALL)
    assert time.process_time() - start < 5.0


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_prediction_golden_case_is_found(case: dict[str, str | None]) -> None:
    assert case["response"] is not None
    assert predicted_answer(case["response"], ALL) == case["predicted"], case


@pytest.mark.parametrize("rule", ALL)
def test_stated_answer_is_found_by_its_rule(rule: ExtractionRule) -> None:
    assert predicted_answer(stated("42", [rule]), [rule]) == "42"


def test_boxed_answers_are_distinct_and_in_order_of_their_last_place() -> None:
    assert boxed_answers(r"\boxed{1} \boxed{2} \boxed{1} \boxed{\boxed{3}}") == ["2", "1", "3"]
