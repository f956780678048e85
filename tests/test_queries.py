"""Identity of queries, raw rows, and reading of one source."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import Table, parquet

from dast.errors import DataError, ParamsError
from dast.grading import STANDARD, Grader
from dast.params.sources import FileSource, HubSource, TinySource
from dast.queries import Tally, normalise, query_id
from dast.sources.leaving import leave_duplicates, leave_tests
from dast.sources.queries import read_source, tiny_level
from dast.sources.rows import file_rows, hub_rows, matches, text_at, value_at

GSM8K = {"question": "Two and two?", "answer": "2+2 = <<2+2=4>>4\nSo it is 4.\n#### 4"}
GRADER = Grader(STANDARD)
COLUMNS = {"query": ["question"], "answer": "answer", "solution": "answer", "level": None}


def source(**changes: object) -> FileSource:
    fields = {
        "kind": "file",
        "name": "set",
        "path": "set.jsonl",
        "columns": COLUMNS,
        "answer_rule": "hash",
        "strip_pattern": "<<[^>]*>>",
        "solution_end": None,
        "where": {},
        "tolerance": None,
        "licence": "MIT",
    }
    return FileSource.model_validate({**fields, **changes})


def write_lines(folder: Path, rows: Sequence[Mapping[str, Any]], name: str = "set.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_normalise_white_space_and_compatible_forms_are_folded() -> None:
    assert normalise("  a\u00a0b\n\tc ") == "a b c"
    assert normalise("\uff21\ufb01") == "Afi"
    assert normalise("e\u0301") == "\u00e9"


@pytest.mark.parametrize(("one", "other"), [("x²", "x2"), ("1½", "11⁄2"), ("a₁", "a1"), ("X", "x"), ("ab", "a b")])
def test_normalise_different_problems_stay_different(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


@given(st.text())
def test_normalise_twice_is_once(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_query_id_depends_on_source_and_text_alone() -> None:
    assert query_id("a", "x  y") == query_id("a", "x y\n")
    assert len({query_id("a", "x"), query_id("b", "x"), query_id("a", "y")}) == 3
    assert query_id("a", "x") == "e51ab99a9ebc2d51"


def test_value_at_dotted_path_reaches_objects_and_lists() -> None:
    values = {"a": {"b": [{"c": 1}]}, "x.y": 2}
    assert value_at(values, "a.b.0.c") == 1
    assert value_at(values, "x.y") == 2
    assert value_at(values, "a.b.1.c") is None
    assert value_at(values, "a.missing.c") is None


@pytest.mark.parametrize(
    ("value", "text"), [(145.0, "145"), (0.5, "0.5"), (3, "3"), (None, ""), (" x ", "x"), ([1], "[1]")]
)
def test_text_at_values_become_text(value: object, text: str) -> None:
    assert text_at({"a": value}, "a") == text


def test_matches_pattern_and_empty_column() -> None:
    row = {"topic": "college.algebra", "picture": None}
    assert matches(row, {"topic": "college*", "picture": None})
    assert not matches(row, {"topic": "tal"})
    assert not matches({"picture": {"bytes": "x"}}, {"picture": None})


def test_file_rows_broken_line_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text('{"a": 1}\n\n{"a": \n')
    with pytest.raises(DataError, match=r"^set\.jsonl:3: broken JSON") as raised:
        list(file_rows(tmp_path / "set.jsonl", "set.jsonl"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("set.jsonl", b"[\n1\n]\n", "one JSON object a line"),
        ("set.jsonl", b"[1]\n", "holds a list"),
        ("set.jsonl", b"\xff\xfe{}\n", "not UTF-8"),
        ("set.parquet", b"no parquet", "not a readable Parquet"),
        ("set.csv", b"a,b\n", "not a format"),
    ],
)
def test_file_rows_other_content_is_refused(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=told):
        list(file_rows(tmp_path / name, name))


def test_file_rows_parquet_and_lines_give_the_same(tmp_path: Path) -> None:
    rows = [{"q": "a", "more": {"n": 1}}, {"q": "b", "more": {"n": 2}}]
    pl.DataFrame(rows).write_parquet(tmp_path / "set.parquet")
    from_lines = [row.values for row in file_rows(write_lines(tmp_path, rows), "x")]
    assert [row.values for row in file_rows(tmp_path / "set.parquet", "x")] == from_lines == rows


def test_read_source_gsm8k_row_gives_answer_and_clean_solution(tmp_path: Path) -> None:
    write_lines(tmp_path, [GSM8K])
    (query,) = read_source(source(), tmp_path, "prepare.train.0", GRADER).queries
    assert (query.query, query.answer, query.solution) == ("Two and two?", "4", "2+2 = 4\nSo it is 4.")


def test_read_source_solution_end_states_the_answer(tmp_path: Path) -> None:
    write_lines(tmp_path, [GSM8K])
    (query,) = read_source(source(solution_end="\n\\boxed{{answer}}"), tmp_path, "prepare.train.0", GRADER).queries
    assert query.solution == "2+2 = 4\nSo it is 4.\n\\boxed{4}"


def test_read_source_unusable_rows_are_counted_with_places(tmp_path: Path) -> None:
    rows = [GSM8K, {"question": "", "answer": "#### 1"}, {"answer": "#### 1"}, {"question": "a?", "answer": None}]
    write_lines(tmp_path, [*rows, {"question": "b?", "answer": "four"}])
    read = read_source(source(), tmp_path, "prepare.train.0", GRADER)
    assert read.tally.counts() == {
        "read": 5,
        "kept": 1,
        "no_query": 2,
        "no_answer": 2,
        "ungradable": 0,
        "duplicate": 0,
        "in_test": 0,
    }
    assert read.tally.places == {
        "no_query": ["set.jsonl:2", "set.jsonl:3"],
        "no_answer": ["set.jsonl:4", "set.jsonl:5"],
    }


def test_read_source_ungradable_answer_is_counted(tmp_path: Path) -> None:
    write_lines(tmp_path, [GSM8K, {"question": "b?", "answer": "#### " + UNGRADABLE}])
    read = read_source(source(), tmp_path, "prepare.train.0", GRADER)
    assert read.tally.counts()["ungradable"] == 1
    assert read.tally.places["ungradable"][0].startswith("set.jsonl:2: ")


def test_read_source_query_of_two_columns_wants_both(tmp_path: Path) -> None:
    columns = {"query": ["Body", "Question"], "answer": "Answer", "solution": None, "level": "Type"}
    rows = [
        {"Body": "A.", "Question": "B?", "Answer": 145.0, "Type": "Sub"},
        {"Body": "A.", "Question": "", "Answer": 1},
    ]
    write_lines(tmp_path, rows)
    read = read_source(source(columns=columns, answer_rule="whole"), tmp_path, "prepare.train.0", GRADER)
    assert [(q.query, q.answer, q.solution, q.source_level) for q in read.queries] == [("A. B?", "145", None, "Sub")]
    assert read.tally.counts()["no_query"] == 1


def test_read_source_missing_column_names_those_there_are(tmp_path: Path) -> None:
    write_lines(tmp_path, [{"problem": "a?", "answer": "#### 1"}])
    with pytest.raises(
        DataError, match=r"no row has question \(columns: problem, answer\); correct prepare.train.0.col"
    ):
        read_source(source(), tmp_path, "prepare.train.0", GRADER)


def test_read_source_no_usable_row_is_refused(tmp_path: Path) -> None:
    write_lines(tmp_path, [{"question": "a?", "answer": "four"}])
    with pytest.raises(DataError, match=r"none of its 1 rows can be used: 1 no_answer \(set.jsonl:1\)"):
        read_source(source(), tmp_path, "prepare.train.0", GRADER)


def test_read_source_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^set.jsonl: no such file in the raw data folder"):
        read_source(source(), tmp_path, "prepare.train.0", GRADER)


def test_read_source_where_that_takes_nothing_is_refused(tmp_path: Path) -> None:
    write_lines(tmp_path, [GSM8K])
    with pytest.raises(DataError, match=r"no rows that prepare.train.0.where takes"):
        read_source(source(where={"question": "other"}), tmp_path, "prepare.train.0", GRADER)


def test_read_source_hub_without_revision_names_the_key(tmp_path: Path) -> None:
    fields = {**source().model_dump(exclude={"path"}), "kind": "hub", "hub_id": "a/b", "config": None, "split": "train"}
    hub = HubSource.model_validate({**fields, "revision": None})
    with pytest.raises(ParamsError, match=r"^prepare\.train\.1\.revision: null"):
        read_source(hub, tmp_path, "prepare.train.1", GRADER)


def hub_folder(folder: Path) -> Path:
    """A dataset folder as the Hub has them, with an image column that nothing here could decode."""
    import datasets

    features = datasets.Features({"question": datasets.Value("string"), "Picture": datasets.Image()})
    rows = [{"question": "a?", "Picture": None}, {"question": "b?", "Picture": {"bytes": b"no image", "path": None}}]
    (folder / "hub").mkdir()
    parquet.write_table(Table.from_pylist(rows, schema=features.arrow_schema), folder / "hub" / "train.parquet")
    return folder / "hub"


def test_hub_rows_come_undecoded_and_with_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = hub_folder(tmp_path)
    rows = list(hub_rows(str(folder), None, "train", "0" * 40, "prepare.pool"))
    assert [row.place for row in rows] == [f"{folder} train:1", f"{folder} train:2"]
    assert [matches(row.values, {"Picture": None}) for row in rows] == [True, False]


def test_hub_rows_unknown_split_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    with pytest.raises(DataError, match="cannot be loaded: Unknown split") as raised:
        list(hub_rows(str(hub_folder(tmp_path)), None, "nope", "0" * 40, "prepare.pool"))
    assert "\n" not in str(raised.value)


def test_strip_pattern_that_does_not_compile_is_refused() -> None:
    with pytest.raises(ValueError, match="not a regular expression"):
        source(strip_pattern="(")


def tiny(**changes: object) -> TinySource:
    fields = {"kind": "tiny", "name": "tiny", "part": "train", "counts": {"L1": 3, "F1": 2}, "answer_cap": 1.0}
    return TinySource.model_validate({**fields, "worked_rate": 0.5, "seed": 1, "licence": "Apache-2.0", **changes})


def test_read_source_tiny_draws_the_counts_with_solutions(tmp_path: Path) -> None:
    read = read_source(tiny(), tmp_path, "prepare.train.0", GRADER)
    assert [query.source_level for query in read.queries] == ["L1"] * 3 + ["F1"] * 2
    assert all(query.solution and query.solution.endswith(f"#### {query.answer}") for query in read.queries)
    assert read.queries == read_source(tiny(), tmp_path, "prepare.train.0", GRADER).queries


def test_read_source_tiny_unknown_level_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"prepare.train.0.counts.L99: no such level"):
        read_source(tiny(counts={"L99": 1}), tmp_path, "prepare.train.0", GRADER)


def test_tiny_level_names_cover_the_generator() -> None:
    assert tiny_level("L8") == ("core", 8)
    assert tiny_level("L10") == ("long", 10)
    assert tiny_level("F6") == ("form", 8)
    assert tiny_level("F7") is None


def test_leave_duplicates_across_sources_keeps_the_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_lines(tmp_path, [GSM8K, {**GSM8K, "question": "Two  and two?"}])
    write_lines(tmp_path, [{**GSM8K, "answer": "#### 5"}, {**GSM8K, "question": "c?"}], "other.jsonl")
    reads = [
        read_source(source(path=path), tmp_path, "prepare.train.0", GRADER) for path in ("set.jsonl", "other.jsonl")
    ]
    leave_duplicates(reads)
    assert [[query.place for query in read.queries] for read in reads] == [["set.jsonl:1"], ["other.jsonl:2"]]
    assert [read.tally.counts()["duplicate"] for read in reads] == [1, 1]
    assert "1 duplicates were dropped whose answer differs" in caplog.text


@pytest.mark.parametrize("policy", ["refuse", "drop"])
def test_leave_tests_shared_text_is_refused_or_dropped(tmp_path: Path, policy: Literal["refuse", "drop"]) -> None:
    write_lines(tmp_path, [GSM8K, {**GSM8K, "question": "c?"}])
    write_lines(tmp_path, [{**GSM8K, "question": "Two and\ntwo?"}], "other.jsonl")
    train = {"set": read_source(source(), tmp_path, "prepare.train.0", GRADER)}
    tests = {"held": read_source(source(name="held", path="other.jsonl"), tmp_path, "prepare.tests.0.source", GRADER)}
    if policy == "refuse":
        with pytest.raises(DataError, match=r"1 train queries stand in a test set \(set.jsonl:1 = other.jsonl:1\)"):
            leave_tests(train, tests, policy)
    else:
        leave_tests(train, tests, policy)
        assert train["set"].tally.counts() == {**Tally(2).counts(), "kept": 1, "in_test": 1}


UNGRADABLE = "x=+"
