"""What a row says of a round, from small tables."""

from __future__ import annotations

from benchmarks.experiments.counting import round_counts
from benchmarks.experiments.counting import test_counts as counts_of
from benchmarks.experiments.counting import test_facts as facts_of
from benchmarks.experiments.line import Played, Policy, World
from dast.frames import frame
from dast.prompts import completion
from dast.tables import DPO, GRADED, QUERIES, SFT, TEST_GRADED, TEST_LEVELS, TEST_QUERIES
from dast.training.trained import Trained
from tests.makers import default_settings, difficulty_table, graded_row

RIGHT = "Sep 9*3=27; Oct 27-4=23; #### 23"
LUCKY = "Sep 9*3=28; Oct 27-4=23; #### 23"
QUERY = "Tom has 9 coins. Sep triples. Oct loses 4. How many?"


def query(query_id: str, **more: object) -> dict[str, object]:
    about = {"query_id": query_id, "source": "tiny", "query": QUERY, "answer": "23", "solution": None}
    return about | {"source_level": "L2", "tolerance": None, "licence": "MIT"} | more


def sft_row(
    query_id: str, rollout_id: str, text: str, level: str | None, n_alike: int, origin: str = "self"
) -> dict[str, object]:
    about = {"query_id": query_id, "rollout_id": rollout_id, "level": level, "round": "r1", "origin": origin}
    return about | {"n_alike": n_alike, "prompt": completion("p"), "completion": completion(text)}


def of_test(query_id: str, index: int, decoding: str, verdict: str) -> dict[str, object]:
    row = graded_row(query_id, index, verdict, rollout_id=f"{query_id}-{index}-{decoding}")
    return row | {"test_set": "s", "decoding": decoding}


def world() -> World:
    tests = [query(name, test_set="s", domain="in", source_level=level) for name, level in (("b", "L2"), ("a", "L10"))]
    train = frame(QUERIES, [query("q1"), query("q2"), query("q3")])
    return World(train, frame(TEST_QUERIES, tests), frame(SFT, []))


def test_test_counts_are_digits_in_the_order_of_query_ids() -> None:
    rows = [of_test("b", index, "sample", "correct") for index in range(3)]
    rows += [of_test("a", index, "sample", "incorrect") for index in range(3)]
    rows += [of_test("b", 0, "greedy", "correct"), of_test("a", 0, "greedy", "no_answer")]
    rows += [of_test("a", 9, "level", "correct"), of_test("b", 9, "level", "correct")]
    assert counts_of(frame(TEST_GRADED, rows)) == {"s": {"sample": "03", "greedy": "01"}}


def test_test_facts_stand_in_the_same_order() -> None:
    levels = frame(
        TEST_LEVELS, [{"test_set": "s", "query_id": "b", "n_graded": 4, "n_correct": 0, "level": "unsolved"}]
    )
    facts = facts_of(world(), levels)["s"]
    assert (facts["source_levels"], facts["levels"]) == ("L10 L2", "-u")


def test_round_counts_by_hand() -> None:
    rollouts = [
        graded_row("q1", 0, "correct", n_tokens=10, n_prompt_tokens=5),
        graded_row("q1", 1, "incorrect", n_tokens=20, n_prompt_tokens=5),
        graded_row("q2", 0, "correct", n_tokens=30, n_prompt_tokens=7, step="matched"),
        graded_row("q3", 0, "incorrect", n_tokens=40, n_prompt_tokens=5),
    ]
    sft = [
        sft_row("q1", "1", RIGHT, "easy", 3),
        sft_row("q2", "2", LUCKY, "hard", 2),
        sft_row("q2", "3", RIGHT, "hard", 9),
        sft_row("q3", "reference", LUCKY, None, 1, "reference"),
    ]
    levels = difficulty_table({"q1": "easy", "q2": "hard", "q3": "unsolved"})
    trained = Trained(7, 120, 3.14159, 12.34, 20, [{"loss": 0.5}])
    empty = frame(TEST_GRADED, [])
    played = Played(
        frame(GRADED, rollouts), 1.25, levels, frame(SFT, sft), frame(DPO, []), trained, empty,
        Policy("r1", None, frame(SFT, sft)),  # type: ignore[arg-type]
    )  # fmt: skip
    found = round_counts(world(), played, default_settings().train)
    assert found["levels"] == {"easy": 1, "medium": 0, "hard": 1, "unsolved": 1}
    assert found["solved"] == {"easy": 1, "medium": 0, "hard": 1, "unsolved": 0}
    assert found["steps"]["sample"] == {"n_rollouts": 3, "n_correct": 1, "n_prompt_tokens": 15, "n_tokens": 70}
    assert found["accepted"] == {"easy": {"sample": [1, 10]}, "hard": {"matched": [1, 30]}}
    hard = found["kept"]["hard"]
    assert (hard["n"], hard["n_queries"], hard["n_lucky"], hard["n_times"]) == (2, 1, 1, 2 + 4)
    assert found["kept"]["easy"]["n_times"] == 1
    assert (found["kept"]["none"]["n_self"], found["kept"]["none"]["n_lucky"]) == (0, 0)
    assert (found["epochs"], found["loss"], found["n_trained"]) == (3.142, 0.5, 7)
