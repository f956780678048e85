"""What changed in the data of two rounds: every row has one fate, and the counts are what a person counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dast.diff.data import DataDiff, compare_data
from dast.diff.data_page import data_blocks, data_json, data_summary
from dast.diff.files import Tree
from dast.diff.material import Material, material
from dast.diff.page import rendered
from dast.errors import TableError
from dast.frames import frame, write
from dast.tables import DIFFICULTY, DPO, GRADED, QUERIES, SFT, Table
from tests.makers import difficulty_table, graded_row, queries_table

DATA, TRAIN = PurePosixPath("data"), PurePosixPath("data/queries/train.parquet")

Row = tuple[str, str, str]
"""Query, text and origin of a training row, or query, text and verdict of a rollout."""


def sft(rows: Sequence[Row], level: str | None = "hard") -> pl.DataFrame:
    about = {"level": level, "round": "r", "n_alike": 1, "prompt": said("?")}
    return frame(
        SFT,
        [
            {**about, "query_id": query, "rollout_id": f"{number}", "origin": origin, "completion": said(text)}
            for number, (query, text, origin) in enumerate(rows)
        ],
    )


def dpo(pairs: Sequence[Row]) -> pl.DataFrame:
    return frame(
        DPO,
        [
            {"query_id": query, "chosen_id": f"{number}", "rejected_id": "x", "level": "hard", "round": "r"}
            | {"prompt": said("?"), "chosen": said(chosen), "rejected": said(rejected)}
            for number, (query, chosen, rejected) in enumerate(pairs)
        ],
    )


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def rollouts(rows: Sequence[Row], step: str = "sample") -> pl.DataFrame:
    made = [
        graded_row(query, number, verdict, response=text, n_tokens=len(text), step=step)
        for number, (query, text, verdict) in enumerate(rows)
    ]
    return frame(GRADED, made)


def write_round(root: Path, name: str, tables: Mapping[str, tuple[Table, pl.DataFrame]]) -> None:
    for file, (table, rows) in tables.items():
        write(table, rows, root / DATA / name / f"{file}.parquet")


def side(root: Path, name: str = "r1") -> Material:
    return material(Tree(root, None), DATA, TRAIN, name)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two rounds on five queries: q000 is solved, q001 lost, q002 gets easier; q003's rows differ; q004: no level."""
    write(QUERIES, queries_table(5), tmp_path / TRAIN)
    before = {"q000": "unsolved", "q001": "easy", "q002": "hard", "q003": "easy", "q004": None}
    after = {"q000": "medium", "q001": "unsolved", "q002": "easy", "q003": "easy", "q004": None}
    reference = ("q000", "reference", "reference")
    shared, gone, wrong, passed = (("q003", text, "self") for text in ("both", "a alone", "ungraded later", "not kept"))
    new = ("q000", "at last", "self")
    right = [(query, text, "correct") for query, text, _ in (shared, gone, wrong, passed)]
    first = {
        "difficulty": (DIFFICULTY, difficulty_table(before)),
        "graded": (GRADED, rollouts([*right, ("q001", "ok", "correct"), ("q000", "no", "incorrect")])),
        "augmented": (GRADED, rollouts([], "more")),
        "sft": (SFT, sft([reference, shared, gone, wrong, passed])),
        "dpo": (DPO, dpo([("q003", "both", "no"), ("q003", "both", "never")])),
    }
    later = [("q003", "both", "correct"), ("q003", "ungraded later", "ungraded"), ("q003", "not kept", "correct")]
    second = {
        "difficulty": (DIFFICULTY, difficulty_table(after)),
        "graded": (GRADED, rollouts([*later, ("q001", "no", "incorrect"), ("q000", "no", "incorrect")])),
        "augmented": (GRADED, rollouts([("q000", "at last", "correct")], "more")),
        "sft": (SFT, sft([shared, new])),
        "dpo": (DPO, dpo([("q003", "both", "no")])),
    }
    write_round(tmp_path, "r1", first)
    write_round(tmp_path, "r2", second)
    return tmp_path


def compared(root: Path, first: str = "r1", second: str = "r2", n_examples: int = 5) -> DataDiff:
    counts = ({"incorrect": 1}, {"incorrect": 2})
    return compare_data((first, second), side(root, first), side(root, second), counts, n_examples)


def test_levels_matrix_and_kinds_count_each_query_once(root: Path) -> None:
    found = compared(root)
    assert found.levels["unsolved"] == {"easy": 0, "medium": 1, "hard": 0, "unsolved": 0, "none": 0}
    assert found.levels["none"]["none"] == 1
    assert sum(sum(row.values()) for row in found.levels.values()) == 5
    counts = {"newly_solved": 1, "newly_lost": 1, "easier": 1, "harder": 0, "same_level": 2, "only_in_a": 0}
    assert {name: found.queries[name] for name in counts} == counts


def test_rows_are_kept_added_or_dropped_for_one_reason_each(root: Path) -> None:
    found = compared(root).sft
    assert (found["n_a"], found["n_b"], found["n_kept"]) == (5, 2, 1)
    assert found["dropped"] == {"reference": 1, "not_sampled": 1, "not_correct": 1, "not_chosen": 1}
    assert found["added"] == {"not_sampled": 1}
    assert found["overlap_rate"] == pytest.approx(1 / 6)


def test_rows_of_a_query_that_is_gone_say_so(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("fewer")
    write(QUERIES, queries_table(3), other / TRAIN)
    first, second = side(root, "r1"), side(other, "r1")
    found = compare_data(("a", "b"), first, second, ({}, {}), 0)
    assert found.sft["dropped"] == {"no_query": 4, "reference": 1}
    assert found.queries["only_in_a"] == 5
    assert found.missing[1] == ("difficulty", "graded", "augmented", "sft", "dpo")


def test_pairs_are_the_same_by_both_texts(root: Path) -> None:
    found = compared(root).dpo
    assert [found[f"n_{name}"] for name in ("a", "b", "kept", "added", "dropped")] == [2, 1, 1, 0, 1]


def test_coverage_tells_plain_rollouts_from_any_and_own_rows_from_references(root: Path) -> None:
    before, after = compared(root).coverage
    names = ("n_queries", "n_solved_plain", "n_solved", "n_with_own_row", "n_with_row")
    assert [before[name] for name in names] == [5, 2, 2, 1, 2]
    assert [after[name] for name in names] == [5, 1, 2, 2, 2]
    assert after["solved_rate"] == pytest.approx(0.4)


def test_lengths_by_level_are_of_correct_plain_rollouts_and_of_own_rows(root: Path) -> None:
    (easy,) = [row for row in compared(root).by_level if row["level"] == "easy"]
    lengths = [len(text) for text in ("both", "a alone", "ungraded later", "not kept", "ok")]
    assert easy["mean_tokens_a"] == pytest.approx(sum(lengths) / 5)
    (hard,) = [row for row in compared(root).by_level if row["level"] == "hard"]
    assert hard["mean_chars_a"] == pytest.approx(sum(lengths[:4]) / 4)
    assert (hard["n_rows_a"], hard["n_rows_b"], hard["n_kept"], hard["n_added"], hard["n_dropped"]) == (5, 2, 1, 1, 4)


def test_examples_show_query_answer_and_what_each_side_wrote(root: Path) -> None:
    found = compared(root, n_examples=1).examples
    (lost,) = found["newly_lost"]
    assert (lost["query_id"], lost["response_a"], lost["verdict_a"], lost["verdict_b"]) == (
        *("q001", "ok", "correct", "incorrect"),
    )
    assert found["dropped_not_correct"][0]["text"] == "ungraded later"
    assert found["kept"][0]["text"] == "both"
    assert found["added_not_sampled"][0]["answer"] == "4"
    assert found["harder"] == []


def test_same_round_is_the_same_and_nothing_else_is(root: Path) -> None:
    assert compared(root, "r1", "r1").same
    assert not compared(root).same
    changed = sft([("q003", "both", "self"), ("q000", "at last, otherwise", "self")])
    write(SFT, changed, root / DATA / "r2" / "sft.parquet")
    before = side(root, "r2")
    write_round(root, "r3", {"sft": (SFT, changed)})
    assert not compare_data(("r2", "r3"), before, side(root, "r3"), ({}, {}), 0).same


def test_pages_hold_the_same_numbers_for_people_and_scripts(root: Path) -> None:
    found = compared(root)
    text, page = (rendered("r1 → r2", data_blocks(found), style) for style in ("text", "md"))  # type: ignore[arg-type]
    for told in (
        "5 queries: 1 newly solved, 1 newly lost, 1 easier, 2 on the same level",
        "training rows 5 → 2: 1 kept",
    ):
        assert told in text
        assert told in page
    assert "| not sampled | 1 | 1 | its policy did not write this response |" in page
    assert "dropped: 1 reference, 1 not sampled, 1 not correct, 1 not chosen" in rendered(
        "", [data_summary(found)], "text"
    )
    assert data_json(found)["coverage"]["b"]["n_solved"] == 2
    assert "the same (5 queries, 5 training rows, 2 pairs)" in data_summary(compared(root, "r1", "r1")).heading


def test_page_text_of_the_data_stays_in_its_cell(root: Path) -> None:
    evil = ("q003", "both | # heading\n| x |", "self")
    write(SFT, sft([evil]), root / DATA / "r2" / "sft.parquet")
    page = rendered("r1 → r2", data_blocks(compared(root)), "md")
    assert "both \\| # heading \\| x \\|" in page


def test_side_without_tables_says_which_and_is_still_compared(root: Path) -> None:
    found = compare_data(("base", "r1"), side(root, "base"), side(root, "r1"), ({}, {}), 1)
    text = rendered("", [data_summary(found)], "text")
    assert "base has no difficulty, graded, augmented, sft, dpo: no stage has written it" in text
    assert "newly solved" not in text


def test_table_of_another_version_is_read_for_the_columns_it_has(root: Path) -> None:
    path = root / DATA / "r1" / "sft.parquet"
    pl.read_parquet(path).drop("n_alike").write_parquet(path)
    assert compared(root).sft["n_kept"] == 1
    pl.read_parquet(path).drop("origin").write_parquet(path)
    with pytest.raises(TableError, match=r"sft.parquet \(the working tree\): no column origin"):
        compared(root)


TEXTS = st.sampled_from(["a", "b", "c"])
IDS = st.sampled_from(["q000", "q001", "q002"])
ROWS = st.lists(st.tuples(IDS, TEXTS, st.sampled_from(["self", "reference"])), unique=True, max_size=8)
SAID = st.lists(st.tuples(IDS, TEXTS, st.sampled_from(["correct", "incorrect", "ungraded"])), max_size=8)


def made(rows: Sequence[Row], said_: Sequence[Row], n_queries: int) -> Material:
    texts = rollouts(said_).lazy().select("query_id", "step", "verdict", "n_tokens", text="response")
    last = pl.col("completion").list.last().struct.field("content")
    return Material(
        queries=queries_table(n_queries).lazy().select("query_id", "query", "answer"),
        difficulty=difficulty_table({}).lazy().select("query_id", "level", "pass_rate").cast({"level": pl.String}),
        rollouts=texts.cast({"verdict": pl.String, "step": pl.String}),
        sft=sft(rows)
        .lazy()
        .cast({"level": pl.String, "origin": pl.String})
        .select("query_id", "level", "origin", text=last),
        dpo=pl.LazyFrame(schema=dict.fromkeys(("query_id", "chosen", "rejected"), pl.String)),
        missing=(),
    )


@given(ROWS, SAID, ROWS, SAID, st.integers(1, 3))
def test_rows_add_up_and_swapping_the_sides_swaps_the_answer(
    rows_a: list[Row], said_a: list[Row], rows_b: list[Row], said_b: list[Row], n_queries: int
) -> None:
    first, second = made(rows_a, said_a, 3), made(rows_b, said_b, n_queries)
    there = compare_data(("a", "b"), first, second, ({}, {}), 0)
    back = compare_data(("b", "a"), second, first, ({}, {}), 0)
    found: dict[str, Any] = there.sft
    assert found["n_kept"] + found["n_dropped"] == found["n_a"] == len(rows_a)
    assert found["n_kept"] + found["n_added"] == found["n_b"] == len(rows_b)
    assert sum(found["dropped"].values()) == found["n_dropped"]
    assert (found["dropped"], found["added"], found["n_kept"]) == (
        *(back.sft["added"], back.sft["dropped"], back.sft["n_kept"]),
    )
    assert there.coverage == back.coverage[::-1]
