"""Hints: true prefixes that grow, end before the step that yields the answer, and never give it away."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dast.hints import hint, share_at, step_ends
from dast.leaks import holds_answer, states_answer
from dast.params.ladder import Hinted

TINY = "Sep 9*3=27; Oct 27-4=23; Nov 23*2=46; Dec 46+5=51; #### 51"
GSM8K = (
    "He drives 12*5=<<12*5=60>>60 miles on the way.\nThat is 60/2=<<60/2=30>>30 a day.\n"
    "So he pays 30*3=$<<30*3=90>>90.\n#### 90"
)
MATH = (
    r"First, $f(2) = 4 - 2 = 2$. Hence $f(f(2)) = f(2)$, by what was found. Adding both, "
    r"we get $2 + 2 = \boxed{4}$."
)


@pytest.mark.parametrize(
    ("solution", "steps"),
    [
        (TINY, ["Sep 9*3=27;", " Oct 27-4=23;", " Nov 23*2=46;", " Dec 46+5=51;", " #### 51"]),
        ("Sep 9*3=27;Oct 27-4=23;####23", ["Sep 9*3=27;", "Oct 27-4=23;", "####23"]),
        (
            "It costs $3.50. Dr. Lee pays\n\n  1. the fee; (2; 3)\nThe answer is 5.",
            ["It costs $3.50.", " Dr. Lee pays\n\n", "  1. the fee; (2; 3)\n", "The answer is 5."],
        ),
    ],
)
def test_step_ends_lines_sentences_and_semicolons_end_a_step(solution: str, steps: list[str]) -> None:
    ends = step_ends(solution)
    assert [solution[start:end] for start, end in zip([0, *ends], ends, strict=False)] == steps


def test_hint_tiny_world_grows_by_steps_and_ends_before_the_one_that_yields_the_answer() -> None:
    given_by_share = [hint(TINY, "51", share) for share in (0.1, 0.3, 0.5, 0.8, 1.0)]
    one, two, three = TINY[:11], TINY[:24], TINY[:37]
    assert given_by_share == [one, one, two, three, three]


def test_hint_line_keeps_its_break_and_calculator_marks() -> None:
    first, second = GSM8K.splitlines(keepends=True)[:2]
    assert [hint(GSM8K, "90", share) for share in (0.2, 0.7, 1.0)] == [first, first + second, first + second]


def test_hint_answer_that_occurs_early_makes_it_shorter_down_to_none() -> None:
    assert hint(TINY, "46", 1.0) == TINY[:24]
    assert hint(TINY, "27.0", 1.0) is None
    assert hint(GSM8K, "60 miles", 1.0) is None
    assert hint(MATH, "4", 1.0) is None


def test_hint_short_solution_or_bare_answer_has_none() -> None:
    assert hint("Sep 9*3=27; #### 27", "27", 1.0) is None
    assert hint("#### 27", "27", 1.0) is None
    assert hint("", "27", 1.0) is None
    assert hint("We see it at once.\nThe answer is 7.", "8", 1.0) is None


def test_hint_without_a_statement_ends_before_the_last_step() -> None:
    assert (
        hint("We add them.\nThen we halve.\nThis gives a half of it.", "x+1", 1.0) == "We add them.\nThen we halve.\n"
    )


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("he has 1000.0 left", "1,000"),
        ("he has 1,000 left", "1000"),
        ("he has 1{,}000 left", r"\$1000"),
        ("about 10^3", "1000"),
        ("a share of 25%", r"\frac{1}{4}"),
        ("a share of 1/4", "0.25"),
        (r"a share of \frac14", "25%"),
        ("1½ hours", r"\frac{3}{2}"),
        ("1 1/2 hours", "1.5"),
        ("it is twenty-three", "23"),
        ("left with -5", "5"),
        ("it is 5 million", "5000000"),
        ("he saw 7 hundred birds", "700"),
        ("two hundred thousand and five", "200005"),
        ("3 dozen eggs", "36"),
        ("half a million", "500,000"),
        (r"so \boxed{18}", "18 apples"),
        ("x = 5", "x=5"),
        ("x = 3 and then y = 5", "(3, 5)"),
        (r"sides of \dfrac{\sqrt{3}}{2}", r"\frac{\sqrt 3}{2}"),
        (r"it equals $2 \cdot x + 1$", r"2\cdot x+1"),
        ("it was on a monday.", r"\text{Monday}"),
        ("Only B is left.", "(B)"),
        ("nothing", " "),
        ("9" * 5000 + " 7", "7"),
    ],
)
def test_holds_answer_in_any_spelling_is_seen(text: str, answer: str) -> None:
    assert holds_answer(text, answer)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("he has 1001 left", "1,000"),
        ("2 and 3", r"2\sqrt{3}"),
        ("3 eggs and 2 dozen", "36"),
        ("two hundred", "300"),
        ("a train", "(A)"),
        ("15 and 5.1", "5"),
        ("x = 3", "(3, 5)"),
    ],
)
def test_holds_answer_another_value_is_none(text: str, answer: str) -> None:
    assert not holds_answer(text, answer)


NUMBERS = st.integers(0, 3000) | st.decimals(0, 99, places=2)
SPELLINGS = st.tuples(NUMBERS, st.sampled_from(["{}", "{:,}", "${}", r"\boxed{{{}}}", "{} apples"]))
WORDS = st.sampled_from(["Then he has ", "Sep 4*", "so $x = ", "\n\n1. "])
STEPS = st.lists(st.tuples(WORDS, SPELLINGS, st.sampled_from([". ", ";", "\n", "; "])), min_size=1, max_size=8)


def naive_values(text: str) -> set[Fraction]:
    found = re.findall(r"\d[\d,]*(?:\.\d+)?", text)
    return {Fraction(number.replace(",", "")) for number in found}


@given(
    steps=STEPS,
    answer=NUMBERS,
    ending=st.sampled_from(["#### {}", "The answer is {}.", r"So \boxed{{{}}}.", "This makes {}."]),
    shares=st.lists(st.floats(0.01, 1.0), min_size=2, max_size=6).map(sorted),
)
def test_hint_law_true_prefix_that_grows_and_never_gives_the_answer_away(
    steps: list[tuple[str, tuple[object, str], str]], answer: object, ending: str, shares: list[float]
) -> None:
    solution = "".join(f"{words}{form.format(value)}{mark}" for words, (value, form), mark in steps)
    solution += ending.format(answer)
    given_by_share = [hint(solution, str(answer), share) for share in shares]
    lengths = [len(found or "") for found in given_by_share]
    assert lengths == sorted(lengths)
    for found in given_by_share:
        if found is not None:
            assert found.strip()
            assert solution.startswith(found)
            assert len(found) < len(solution) - len(ending.format(answer)) + len(ending) * (ending[0] == "T")
            assert Fraction(str(answer)) not in naive_values(found)
            assert "boxed" not in found
            assert not states_answer(found)


def test_share_at_grows_to_its_largest() -> None:
    settings = Hinted(first_rate=0.2, step_rate=0.25, max_rate=0.8)
    assert [round(share_at(attempt, settings), 2) for attempt in range(5)] == [0.2, 0.45, 0.7, 0.8, 0.8]
    with pytest.raises(ValueError, match="first_rate is larger"):
        Hinted(first_rate=0.9, step_rate=0.25, max_rate=0.8)
