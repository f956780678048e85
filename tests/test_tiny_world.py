from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import sympy
from transformers import AutoTokenizer

from dast.errors import DataError
from dast.tiny import world
from dast.tiny.corpus import Noise, conversations, noisy_solution
from dast.tiny.families import top_of
from dast.tiny.tokenizer import make_tokenizer

TRAIN_COUNTS = (220, 180, 140, 110, 80, 70, 60, 60)
CAP = 0.06
CELLS = [(family, level) for family, levels in world.LEVELS.items() for level in levels]
NOISE = Noise(
    worked_rate=0.3,
    shots_rate=0.3,
    slip_plain={"c": 0.3, "d": 0.65, "t": 0.85},
    slip_worked={"c": 0.1, "d": 0.3, "t": 0.45},
)
PINNED = "Mia has 14 apples. Apr gets 7. May eats 2. Jun eats 9. How many?"


def draw_train(seed: int) -> list[world.Problem]:
    return [
        problem
        for level, n in enumerate(TRAIN_COUNTS, start=1)
        for problem in world.draw("core", level, "train", n, seed, CAP)
    ]


def draw_tests(n: int, seed: int) -> list[world.Problem]:
    return [problem for family, level in CELLS for problem in world.draw(family, level, "test", n, seed, CAP)]


def equations(text: str) -> Iterator[str]:
    """Every pair of neighbours in ``a=b=c``, as text."""
    for step in text.split(";")[:-1]:
        sides = step.split()[1].split("=")
        yield from (f"({left})-({right})" for left, right in pairwise(sides))


def test_draw_any_level_answers_agree_with_sympy() -> None:
    for problem in draw_tests(10, seed=3) + draw_train(seed=3)[::9]:
        value = sympy.Integer(problem.start)
        for op, operand in problem.ops:
            value = sympy.sympify(f"({value}){op}{operand}")
            assert 1 <= value <= top_of(problem.family)
        assert str(value) == problem.answer


@pytest.mark.parametrize("style", ["plain", "worked"])
def test_solution_every_equation_holds_by_sympy(style: world.Style) -> None:
    for problem in draw_tests(4, seed=4):
        text = world.solution(problem, style)
        assert all(sympy.sympify(difference) == 0 for difference in equations(text)), text
        assert text.endswith(f"#### {problem.answer}")


def test_solution_worked_is_longer_only_where_something_is_carried() -> None:
    easy = world.draw("core", 1, "test", 10, 0, CAP)
    hard = world.draw("core", 8, "test", 10, 0, CAP)
    assert all(world.solution(p, "worked") == world.solution(p, "plain") for p in easy)
    assert all(len(world.solution(p, "worked")) > 1.3 * len(world.solution(p, "plain")) for p in hard)


def test_solution_both_styles_as_written() -> None:
    problem = world.parse("Tom has 9 coins. Dec triples. Jan loses 8. Feb finds 30. How many?")
    assert world.solution(problem, "plain") == "Dec 9*3=27; Jan 27-8=19; Feb 19+30=49; #### 49"
    assert world.solution(problem, "worked").startswith("Dec 9*3=0+27=27; Jan 27-8=10+9=19; ")


def test_draw_level_steps_have_the_classes_of_the_level() -> None:
    for family, level in CELLS:
        for problem in world.draw(family, level, "test", 10, 0, CAP):
            value, classes = problem.start, []
            for step in problem.ops:
                classes.append(world.step_class(value, step))
                value = world.apply(value, step)
            assert sorted(classes) == sorted(world.LEVELS[family][level])


@pytest.mark.parametrize("n", [40, 60, 80])
def test_draw_tests_no_answer_above_the_cap_and_no_masked_query_twice(n: int) -> None:
    for family, level in CELLS:
        problems = world.draw(family, level, "test", n, 1, CAP)
        assert max(Counter(p.answer for p in problems).values()) <= CAP * n
        assert len({world.masked(p.query) for p in problems}) == n


def test_draw_train_no_answer_above_the_cap_and_no_masked_query_twice() -> None:
    problems = draw_train(seed=2)
    for level, n in enumerate(TRAIN_COUNTS, start=1):
        assert max(Counter(p.answer for p in problems if p.level == level).values()) <= max(1, CAP * n)
    assert len({world.masked(p.query) for p in problems}) == sum(TRAIN_COUNTS)


def test_parts_corpus_train_tests_share_no_masked_query() -> None:
    drawn = conversations(random.Random(5), 20_000, (4, 3, 2, 1, 1, 1), NOISE)
    corpus = {world.masked(query) for turns in drawn for query, _ in turns}
    train = {world.masked(p.query) for seed in (0, 1) for p in draw_train(seed)}
    tests = {world.masked(p.query) for seed in (0, 1) for p in draw_tests(60, seed)}
    assert len(corpus) > 10_000
    assert not corpus & train
    assert not corpus & tests
    assert not train & tests


def test_parts_another_name_thing_or_month_stay_in_the_part() -> None:
    problem = world.draw("core", 4, "train", 1, 0, CAP)[0]
    rng = random.Random(0)
    told = {world.tell(rng, 4, family, problem.start, problem.ops) for family in ("core", "form") for _ in range(20)}
    assert len(told) > 30
    assert {world.part(other) for other in told} == {"train"}


def test_draw_same_seed_same_problems_other_seed_others() -> None:
    first = world.draw("core", 6, "train", 30, 7, CAP)
    assert first == world.draw("core", 6, "train", 30, 7, CAP)
    assert first != world.draw("core", 6, "train", 30, 8, CAP)


def test_draw_known_seed_gives_the_problem_pinned_here() -> None:
    assert world.draw("core", 3, "test", 1, 0, CAP)[0].query == PINNED


def test_draw_cap_out_of_reach_says_what_to_do() -> None:
    with pytest.raises(DataError, match=r"level 1 of 'core'.*at most 1 of one answer.*raise the cap"):
        world.draw("core", 1, "test", 80, 0, 0.001)


def test_draw_unknown_level_names_the_levels() -> None:
    with pytest.raises(DataError, match=r"core 1\.\.8"):
        world.draw("core", 9, "test", 1, 0, CAP)


def test_masked_names_and_things_are_replaced() -> None:
    assert world.masked("Tom has 9 coins. Sep eats 4. How many?") == "NAME has 9 ITEM. Sep eats 4. How many?"
    assert world.masked("Ann has 9. Sep eats 4. How many?") == "NAME has 9. Sep eats 4. How many?"


def test_parse_any_query_gives_back_chain_month_and_answer() -> None:
    for problem in draw_tests(5, seed=6):
        read = world.parse(problem.query)
        assert (read.start, read.ops, read.month, read.answer) == (
            problem.start,
            problem.ops,
            problem.month,
            problem.answer,
        )


@pytest.mark.parametrize("text", ["How many?", "Tom has 9 coins. How many?", "Tom has 9 coins. Sep juggles 4."])
def test_parse_foreign_text_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="tiny world"):
        world.parse(text)


@pytest.mark.parametrize(
    ("response", "right"),
    [
        ("Sep 9*3=27; Oct 27-8=19; #### 19", True),
        ("Sep9*3=27;Oct27-8=19;####19", True),
        ("Sep 9*3=0+27=27; Oct 27-8=10+9=19; #### 19", True),
        ("Sep 9*3=27; Oct 27-8=10+9=19; #### 19\n", True),
        ("Sep 9*3=17; Oct 17-8=19; #### 19", False),
        ("Sep 9*3=0+17=27; Oct 27-8=19; #### 19", False),
        ("Oct 9*3=27; Nov 27-8=19; #### 19", False),
        ("Sep 9*3=27; #### 19", False),
        ("Sep 9*3=27; Oct 27-8=19; Nov 19+0=19; #### 19", False),
        ("Sep 9*3=27; Oct 27-8=19; #### 18", False),
        ("#### 19", False),
        ("", False),
    ],
)
def test_steps_right_response_judged_step_by_step(response: str, right: bool) -> None:
    assert world.steps_right("Tom has 9 coins. Sep triples. Oct loses 8. How many?", response) is right


def test_noisy_solution_rates_of_zero_and_one_are_kept() -> None:
    problem = world.parse("Tom has 9 coins. Sep triples. Oct loses 8. How many?")
    rng = random.Random(0)
    assert noisy_solution(rng, problem, "plain", {}) == world.solution(problem, "plain")
    always = dict.fromkeys("cdt", 1.0)
    assert noisy_solution(rng, problem, "plain", always) == "Sep 9*3=17; Oct 17-8=19; #### 19"
    assert noisy_solution(rng, problem, "worked", always) == "Sep 9*3=0+27=17; Oct 17-8=0+9=19; #### 19"


def test_conversations_rates_styles_and_slips_are_as_asked() -> None:
    drawn = list(conversations(random.Random(1), 4_000, (1, 1, 1, 1, 1, 1), NOISE))
    shots = [turns for turns in drawn if len(turns) > 1]
    assert 0.27 < len(shots) / len(drawn) < 0.33
    assert {len(turns) for turns in drawn} == {1, 2, 3, 4}

    def right_rate(turns: list[tuple[str, str]]) -> float:
        return sum(world.steps_right(*turn) for turn in turns) / len(turns)

    worked = [turn for turns in drawn for turn in turns if any(s.count("=") > 1 for s in turn[1].split(";"))]
    plain = [turn for turns in drawn for turn in turns if all(s.count("=") <= 1 for s in turn[1].split(";"))]
    assert 0.15 < len(worked) / (len(worked) + len(plain)) < 0.3
    assert right_rate(plain) < 0.6


def test_conversations_shots_are_all_of_one_style() -> None:
    noise = Noise(worked_rate=0.5, shots_rate=1.0, slip_plain={}, slip_worked={})
    for turns in conversations(random.Random(2), 300, (0, 0, 0, 0, 0, 1), noise):
        texts = {style: [world.solution(world.parse(q), style) for q, _ in turns] for style in ("plain", "worked")}
        assert [response for _, response in turns] in texts.values()


def test_tokenizer_text_of_the_world_survives_encoding_and_decoding() -> None:
    tokenizer = make_tokenizer()
    texts = [t for p in draw_tests(3, 0) for t in (p.query, world.solution(p, "plain"), world.solution(p, "worked"))]
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids) == text


def test_tokenizer_template_prompt_is_a_token_prefix_with_one_bos(tmp_path: Path) -> None:
    made = make_tokenizer()
    made.save_pretrained(str(tmp_path))
    for tokenizer in (made, AutoTokenizer.from_pretrained(str(tmp_path))):
        problem = world.draw("core", 8, "test", 1, 0, CAP)[0]
        shot = [
            {"role": "user", "content": problem.query},
            {"role": "assistant", "content": world.solution(problem, "worked")},
        ]
        messages = [*shot, *shot]
        full = tokenizer.apply_chat_template(messages)["input_ids"]
        prompt = tokenizer.apply_chat_template(messages[:-1], add_generation_prompt=True)["input_ids"]
        assert full[: len(prompt)] == prompt
        assert full.count(tokenizer.bos_token_id) == 1
        assert full[-1] == tokenizer.eos_token_id
        assert tokenizer.decode(full[len(prompt) :], skip_special_tokens=True) == shot[1]["content"]
        rendered = tokenizer.apply_chat_template(messages, tokenize=False)
        assert tokenizer(rendered)["input_ids"] == full
