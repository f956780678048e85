"""Guards of the training sets: what each leaves out, what it lets pass, and that it can be switched off."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dast.building.equations import equations, holds, reasoning
from dast.building.repetition import repeats, repetition_rate
from dast.engines.protocol import RAW
from dast.frames import frame
from dast.grading import REFUSED
from dast.tables import PROMPTS
from tests.builders import build, pairs, rollouts, texts

LEVELS: dict[str, str | None] = {"q000": "medium"}
OWN = "What is 0 + 4 - 0?"
SHOWN = "A train with nine red cars and two blue cars leaves the old station at noon. How many cars has it?"
SOLVED = "There are nine red cars and two blue ones, so 9 + 2 = 11 cars. #### 11"


def one(response: str, **changes: object) -> pl.DataFrame:
    return rollouts(("q000", response, "correct", changes))


def told(text: str) -> list[str]:
    return pl.select(equations(pl.lit(text))).item().to_list()


def test_refused_boxes_are_neither_target_nor_wrong_example() -> None:
    graded = rollouts(("q000", "right", "correct"), ("q000", "two boxes", "incorrect", {"reason": REFUSED}))
    built = build(graded, levels=LEVELS)
    assert texts(built) == ["right"]
    assert built.dpo.is_empty()
    assert built.left_out == {REFUSED: 1}


def test_truncated_response_is_left_out_though_correct_or_kept_for_sft_alone() -> None:
    graded = rollouts(("q000", "cut", "correct", {"finish_reason": "length"}), ("q000", "bad", "incorrect"))
    assert build(graded, levels=LEVELS).left_out == {"truncated": 1, "incorrect": 1}
    ignored = build(graded, levels=LEVELS, truncated="ignore")
    assert texts(ignored) == ["cut"]
    assert ignored.dpo.is_empty()


def test_response_that_ended_in_an_error_is_never_kept() -> None:
    assert build(one("half", finish_reason="error"), truncated="ignore").left_out == {"truncated": 1}


def test_truncated_twin_of_a_whole_response_does_not_stand_for_it() -> None:
    cut = ("q000", "same", "correct", {"finish_reason": "length"})
    graded = rollouts(cut, cut, ("q000", "same", "correct"), cut, ("q000", "bad", "incorrect"))
    assert pairs(build(graded, levels=LEVELS, truncated="ignore")) == [("same", "bad")]


def test_repetition_counts_runs_of_four_words() -> None:
    assert repetition_rate(list("abc")) == 0.0
    assert repetition_rate(list("abcdabcdabcd")) == pytest.approx(5 / 9)


@given(st.lists(st.sampled_from("abcd"), max_size=30), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.8, 1.0]))
def test_repetition_short_cut_agrees_with_the_count(words: list[str], most: float) -> None:
    assert repeats(" ".join(words), most) == (repetition_rate(words) > most)


def test_repetition_leaves_out_a_loop_on_either_side_and_can_be_switched_off() -> None:
    loop = "so it is four and " * 6
    graded = rollouts(("q000", loop + "4", "correct"), ("q000", loop + "5", "incorrect"), ("q000", "just 4", "correct"))
    built = build(graded, levels=LEVELS)
    assert built.left_out == {"repetition": 2}
    assert built.dpo.is_empty()
    assert build(graded, levels=LEVELS, repetition_rate=None).sft.height == 2


def prompts(*messages: tuple[str, str]) -> pl.DataFrame:
    rows = [{"role": role, "content": content} for role, content in messages]
    return frame(PROMPTS, [{"prompt_digest": "p", "messages": rows}])


CHAT = prompts(("user", f"Question: {SHOWN}"), ("assistant", SOLVED), ("user", f"Question: {OWN}"))
STARTED = "A hint of some eight words is here and"
HINTED = prompts(("user", SHOWN), ("assistant", SOLVED), ("user", OWN), ("assistant", STARTED))
RAW_PROMPT = prompts(
    (RAW, f"Question: {SHOWN}\nAnswer: {SOLVED}\n\nQuestion: {OWN}\nAnswer: A hint of some eight words is here and")
)


@pytest.mark.parametrize("sent", [CHAT, RAW_PROMPT])
@pytest.mark.parametrize(
    ("response", "leaks"),
    [
        ("4 + 0 = 4", False),
        ("nine red cars and two blue ones", False),
        (f"4. {SHOWN} 11", True),
        ("4\n\nQuestion: what is 2 + 2?\nAnswer: 4", True),
        (f"It is 4, since {SOLVED}", True),
        (f"{OWN} It is 4.", False),
        ("A hint of some eight words is here and now it is 4", False),
    ],
)
def test_leak_is_text_of_the_exemplars_and_no_other(sent: pl.DataFrame, response: str, leaks: bool) -> None:
    assert build(one(response), prompts=sent, leak_words=6).left_out == ({"leak": 1} if leaks else {})
    assert build(one(response), prompts=sent, leak_words=None).sft.height == 1


def test_leak_is_no_hint_that_the_response_began_with() -> None:
    assert build(one(f"{STARTED} so it is 4"), prompts=HINTED, leak_words=6).sft.height == 1
    assert build(one(f"{STARTED} {SOLVED}"), prompts=HINTED, leak_words=6).left_out == {"leak": 1}


def test_leak_is_not_what_stands_behind_the_query_as_a_response_may_repeat_it() -> None:
    framed = [f"Question: {text}\nAnswer:" for text in (SHOWN, OWN)]
    sent = prompts(("user", framed[0]), ("assistant", SOLVED), ("user", framed[1]))
    assert build(one("4 + 0 = 4. Answer: 4"), prompts=sent, leak_words=6).sft.height == 1
    assert build(one("4 Question: what is 2 + 2?"), prompts=sent, leak_words=6).left_out == {"leak": 1}


def test_leak_is_not_what_the_query_itself_says() -> None:
    alike = f"{OWN} That is what the two of them want to know."
    sent = prompts(("user", alike), ("assistant", "4"), ("user", OWN))
    assert build(one(f"{OWN} It is 4."), prompts=sent, leak_words=4).sft.height == 1


def test_leak_needs_an_exemplar_in_the_prompt() -> None:
    plain = prompts(("user", f"Question: {OWN}"))
    assert build(one("4\n\nQuestion: what is 2 + 2?"), prompts=plain).sft.height == 1


def test_off_length_is_measured_by_the_correct_responses_of_the_level() -> None:
    usual = [("q000", f"{word} ten letters", "correct") for word in ("four", "five", "nine")]
    graded = rollouts(
        *usual,
        ("q000", "4", "correct"),
        *[("q000", "long " * 40 + str(i), "incorrect") for i in range(5)],
        ("q001", "4", "correct"),
    )
    levels = {"q000": "hard", "q001": "easy"}
    built = build(graded, levels=levels, length={"shortest": 0.5, "longest": 2.0}, repetition_rate=None)
    assert built.left_out == {"off_length": 6}
    assert build(graded, levels=levels, repetition_rate=None).sft.height == 5


def test_false_equation_leaves_out_correct_responses_where_asked() -> None:
    graded = rollouts(
        ("q000", "1 + 2 = 4", "correct"), ("q000", "1 + 3 = 4", "correct"), ("q000", "1 + 1 = 5", "incorrect")
    )
    built = build(graded, levels=LEVELS, equations="leave_out")
    assert texts(built) == ["1 + 3 = 4"]
    assert built.left_out == {"false_equation": 1, "incorrect": 1}
    assert pairs(built) == [("1 + 3 = 4", "1 + 1 = 5")]
    assert build(graded, levels=LEVELS).sft.height == 2


@pytest.mark.parametrize(
    ("text", "verdicts"),
    [
        ("Sep 9*3=0+27=27; Oct 27-4=23; #### 23", [True, True]),
        ("Sep 9*3=0+17=27; Oct 27-4=23", [False, True]),
        ("He sold 48/2 = <<48/2=24>>24 clips.", [True]),
        ("5+3=8. 4+4=9, and 10/3=3.33", [True, False, True]),
        ("it is 7/2=4", [False]),
        ("4.20+9.45+1.35=14.999999999999998, 5-3=2.5", [True, False]),
        (r"$\frac{1}{2} + 3 = 3.5$ and $3\times 4 = 13$", [True, False]),
        ("1,200 + 300 = 1,500 at 3 × 5 = $15", [True, True]),
        ("5 - 7 = -2, 2 * (3 + 4) = 14", [True, True]),
        ("a price of $2,430 – ($1,250 + $850) = $330; 3 x $4 = $12", [None, True]),
        ("it costs $2,430 – ($1,250 + $850) = $330", [True]),
        # Not judged, since a part of it may lie outside, or is no number.
        ("half of 10 + 2 = 7", [None]),
        ("20% of 50 = 10", [None]),
        ("5 apples + 3 = 8", [None]),
        ("- 5 + 3 = 8", [None]),
        ("Question 3 = 4", [None]),
        ("so 2x + 4 = 10 and x = 3", [None, None]),
        ("f(2) = 5; 2(3 + 4) = 15; 3^2 = 8", [None, None, None]),
        ("2 * 3 = 6 million", [None]),
        ("1 / 0 = 5", [None]),
        ("27km = 30km", []),
        ("at 6:00+48=6:48, or 0900-0130 = 0730", [None, None]),
        ("17/3 = 5 and 2/3 loads", [None]),
        ("100/6 = 16 and (2/3)", [None]),
        ("14 / 1/4 = 56", [None]),
        ("1/7*35 = 5", [True]),
        ("D3 = 2 * 3, D2 = 5", []),
        ("x" + "-" * 500 + "1 = 2", [None]),
        ("(" * 500 + "1" + ")" * 500 + " + 1 = 2", [None]),
    ],
)
def test_equations_are_judged_exactly_or_not_at_all(text: str, verdicts: list[bool | None]) -> None:
    assert [holds(found) for found in told(text)] == verdicts


NUMBERS = st.integers(0, 999)


@given(st.lists(st.tuples(NUMBERS, st.sampled_from("+-*"), NUMBERS), min_size=1, max_size=4), st.integers(-2, 2))
def test_equation_holds_exactly_when_its_sides_are_equal(steps: list[tuple[int, str, int]], off: int) -> None:
    values = [{"+": a + b, "-": a - b, "*": a * b}[sign] for a, sign, b in steps]
    text = "; ".join(f"{a} {sign} {b} = {value + off}" for (a, sign, b), value in zip(steps, values, strict=True))
    assert [holds(found) for found in told(text)] == [off == 0] * len(steps)


def test_reasoning_is_the_equations_in_order_without_spaces_and_words() -> None:
    def key(text: str) -> str:
        return str(pl.select(reasoning(equations(pl.lit(text)), pl.lit(text))).item())

    assert key("Sep 9 * 3 = 27; then 27-4 = 23.") == "9*3=27\n27-4=23" == key("9*3=27, so 27 - 4=23")
    assert key("no equation") == "no equation"
