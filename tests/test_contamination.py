"""Texts of training against the test sets: what is found, by which share, and what the params make of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dast.contamination import (
    counted,
    found_in_tests,
    query_texts,
    refuse_contaminated,
    response_texts,
    told,
)
from dast.errors import DataError
from dast.frames import frame, write
from dast.params.evaluate import Contamination
from dast.tables import CONTAMINATION, DPO, QUERIES, SFT, TEST_QUERIES
from tests.makers import ROOT

GSM8K = ROOT.parent / "shared" / "data" / "gsm8k"
ABOUT = {"source": "s", "answer": "1", "solution": None, "source_level": None, "tolerance": None, "licence": "MIT"}
A = "Ann has 3 red hats, 4 blue hats and 5 green hats; how many hats has Ann in all?"
B = "A train leaves at noon and drives 60 miles an hour until it meets another train of the same speed."


def wish(**changes: Any) -> Contamination:
    return Contamination.model_validate({"n_gram": 5, "min_share": 0.5, "action": "refuse", **changes})


def train(*texts: str, **about: str) -> pl.DataFrame:
    rows = [{**ABOUT, **about, "query_id": f"t{i}", "query": text} for i, text in enumerate(texts)]
    return query_texts(frame(QUERIES, rows))


def held(*texts: str, test_set: str = "held", solution: str | None = None) -> pl.DataFrame:
    about = {**ABOUT, "test_set": test_set, "domain": "in", "solution": solution}
    rows = [{**about, "query_id": f"{test_set}{i}", "query": text} for i, text in enumerate(texts)]
    return frame(TEST_QUERIES, rows)


def found(texts: pl.DataFrame, tests: pl.DataFrame, **changes: Any) -> list[dict[str, Any]]:
    return found_in_tests(texts, tests, wish(**changes)).sort(CONTAMINATION.key).to_dicts()


def test_found_copy_in_other_marks_case_and_spaces_is_exact() -> None:
    (row,) = found(train(A.upper().replace(";", " ,\n").replace("?", ".")), held(B, A))
    assert (row["kind"], row["test_query_id"], row["share"], row["test_share"]) == ("exact", "held1", 1.0, 1.0)
    assert row["words"] == "ann has 3 red hats"
    assert row["contaminated"]


def test_found_short_copy_is_exact_and_short_likeness_is_nothing() -> None:
    rows = found(train("What is 2+3?", "What is 2+4?"), held("what is 2 + 3"))
    assert [(row["query_id"], row["kind"], row["n_shared"], row["words"]) for row in rows] == [
        ("t0", "exact", 1, "what is 2 + 3")
    ]
    assert found(train("Solve it"), held("solve it."))[0]["words"] == "solve it"


def test_found_shared_words_are_told_with_shares_of_both_and_the_first_n_gram() -> None:
    ours = "Zoe has 3 red hats, 4 blue hats and 9 green hats; how many is that?"
    (row,) = found(train(ours), held(A))
    # has 3 red hats 4 blue hats and: four runs of five words, of the twelve of 16 words and the fifteen of 19.
    assert (row["kind"], row["n_shared"], row["words"]) == ("n_gram", 4, "has 3 red hats 4")
    assert (row["share"], row["test_share"]) == (4 / 12, 4 / 15)
    assert not row["contaminated"]
    assert found(train(ours), held(A), min_share=0.33)[0]["contaminated"]
    assert not found(train(ours), held(A), n_gram=9)


def test_found_test_query_within_a_long_text_is_contaminated_by_the_tests_share() -> None:
    (row,) = found(train(f"{B} {A} {B.replace('train', 'ship')} {B.replace('noon', 'ten')}"), held(A))
    assert row["test_share"] == 1.0
    assert row["share"] < 0.5
    assert row["contaminated"]


def test_found_n_grams_end_where_a_text_ends() -> None:
    assert not found(train("one two three", "four five six"), held("one two three four five six seven"))


def test_found_repeated_n_gram_counts_once() -> None:
    (row,) = found(train("a b c d e a b c d e"), held("a b c d e f"))
    assert (row["n_shared"], row["share"], row["test_share"]) == (1, 1 / 5, 1 / 2)


def test_found_each_test_set_has_its_own_nearest_query() -> None:
    tests = pl.concat([held(B, A.replace("5", "6"), A), held(A.replace("green", "grey"), test_set="other")])
    rows = found(train(A), tests)
    assert [(row["test_set"], row["test_query_id"], row["kind"]) for row in rows] == [
        ("held", "held2", "exact"),
        ("other", "other0", "n_gram"),
    ]


def test_found_texts_without_words_are_no_copies_of_each_other() -> None:
    assert not found(train("?!", "."), held(" ", "?"))


@pytest.mark.parametrize(
    ("ours", "theirs", "kind"),
    [
        ("小明有3个苹果，又买了4个。", "小明有 3 个苹果 又买了 4 个", "exact"),
        ("小明有3个苹果，又买了4个。", "小红有3个苹果，又买了5个。", "n_gram"),
        ("有3人和4人", "买3本及4本", None),
        ("Find α", "find β", None),
        ("x² + 1", "x³ + 1", None),
        ("Évaluez Ça", "évaluez ça.", "exact"),
    ],
)
def test_found_letters_of_any_writing_are_words(ours: str, theirs: str, kind: str | None) -> None:
    assert [row["kind"] for row in found(train(ours), held(theirs))] == ([kind] if kind else [])


def test_found_empty_sides_give_an_empty_table(tmp_path: Path) -> None:
    for texts, tests in ((train(), held(A)), (train(A), held()), (train(), held())):
        rows = found_in_tests(texts, tests, wish())
        assert rows.is_empty()
        write(CONTAMINATION, rows, tmp_path / "c.parquet")


@given(
    st.lists(st.lists(st.sampled_from("abc"), max_size=12), max_size=5),
    st.lists(st.lists(st.sampled_from("abc"), max_size=12), max_size=5),
    st.integers(5, 7),
)
def test_found_is_what_comparing_every_pair_finds(ours: list[list[str]], theirs: list[list[str]], n: int) -> None:
    def grams(words: list[str]) -> set[tuple[str, ...]]:
        return {tuple(words[at : at + n]) for at in range(len(words) - n + 1)}

    want = {}
    for index, words in enumerate(ours):
        shared = [len(grams(words) & grams(other)) for other in theirs]
        same = any(words and words == other for other in theirs)
        if same or any(shared):
            want[f"t{index}"] = same
    texts, tests = train(*(" ".join(words) for words in ours)), held(*(" ".join(words) for words in theirs))
    assert {row["query_id"]: row["kind"] == "exact" for row in found(texts, tests, n_gram=n)} == want
    assert found(texts.reverse(), tests.reverse(), n_gram=n) == found(texts, tests, n_gram=n)


def test_found_solutions_of_tests_and_of_train_are_compared_too() -> None:
    tests = held(B, solution=A)
    (row,) = found(train(A), tests)
    assert (row["part"], row["test_query_id"], row["test_part"], row["kind"]) == ("query", "held0", "solution", "exact")
    (row,) = found(train("Who is it?", solution=f"{B} So there."), tests)
    assert (row["part"], row["query_id"], row["test_part"], row["kind"]) == ("solution", "t0", "query", "n_gram")
    assert row["contaminated"]
    rows = found(train(A, solution=A), held(A, solution=A))
    assert [(row["part"], row["test_part"]) for row in rows] == [("query", "query"), ("solution", "query")]


def test_found_solution_shorter_than_an_n_gram_is_everybodys() -> None:
    assert not found(train("2+3=5"), held(A, solution="2+3=5"), n_gram=6)
    assert found(train("2+3=5"), held(A, solution="2+3=5"), n_gram=5)
    assert found(train("2+3=5"), held("2+3=5"), n_gram=6)


def turns(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def test_response_texts_hold_each_response_of_both_sets_once() -> None:
    about = {"query_id": "q", "level": "easy", "round": "r1", "prompt": turns("?")}
    sft = frame(SFT, [{**about, "rollout_id": "a", "origin": "self", "n_alike": 1, "completion": turns("A")}])
    pairs = [("a", "A", "b"), ("a", "A", "c")]
    made = [
        {**about, "chosen_id": key, "rejected_id": other, "chosen": turns(text), "rejected": turns(other.upper())}
        for key, text, other in pairs
    ]
    texts = response_texts(sft, frame(DPO, made))
    assert texts.select("rollout_id", "text").rows() == [("a", "A"), ("b", "B"), ("c", "C")]
    (row,) = found(texts.with_columns(text=pl.lit(A)).head(1), held(A))
    assert (row["part"], row["query_id"], row["rollout_id"]) == ("response", "q", "a")


def test_counted_tells_texts_by_test_set() -> None:
    tests = pl.concat([held(A), held(B, test_set="other")])
    rows = found_in_tests(train(A, B, "Zoe has 3 red hats, 4 new ones and nothing else at all."), tests, wish())
    counts = counted(rows, 3, wish())
    assert counts == {
        "n_gram": 5,
        "min_share": 0.5,
        "action": "refuse",
        "n_texts": 3,
        "n_contaminated": 2,
        "tests": {
            "held": {"n_exact": 1, "n_shared": 2, "n_contaminated": 1},
            "other": {"n_exact": 1, "n_shared": 1, "n_contaminated": 1},
        },
    }
    assert told(counts).startswith("3 texts against the tests: held: 1 contaminated (1 the same), 2 share an n-gram; ")
    assert told(counted(rows.clear(), 3, wish())) == "3 texts against the tests: no n-gram in common"


def test_refuse_contaminated_names_one_text_and_the_evidence() -> None:
    rows = found_in_tests(train(A, B), held(A), wish())
    with pytest.raises(
        DataError, match=r"^1 texts .* the query t0 by the query held0 of held \('ann has 3 .*'\); c.parquet lists"
    ):
        refuse_contaminated(rows, wish(), "c.parquet")
    for action in ("report", "drop"):
        refuse_contaminated(rows, wish(action=action), "c.parquet")
    refuse_contaminated(rows.filter(kind="n_gram"), wish(), "c.parquet")


@pytest.mark.skipif(not GSM8K.is_dir(), reason="the real GSM8K files are not on this machine")
def test_found_gsm8k_train_against_test_is_few() -> None:
    texts, tests = (
        [json.loads(line)["question"] for line in (GSM8K / f"{part}.jsonl").read_text().splitlines()]
        for part in ("train", "test")
    )
    rows = found_in_tests(train(*texts), held(*tests), wish(n_gram=13))
    assert counted(rows, len(texts), wish())["tests"]["held"] == {"n_exact": 0, "n_shared": 4, "n_contaminated": 2}
    assert set(rows.filter("contaminated")["words"]) == {
        "miles in 3 hours at the same rate how many additional hours would"
    }
