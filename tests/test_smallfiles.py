"""Small files: equal content gives equal bytes, a file is whole or absent, a broken one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from dast.errors import DataError
from dast.smallfiles import read_csv, read_json, write_csv, write_json


def test_json_key_order_gives_identical_bytes(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": {"y": [1.0, None], "x": True}})
    write_json(tmp_path / "b.json", {"a": {"x": True, "y": [1.0, None]}, "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a.json").read_text(encoding="utf-8").endswith("}\n")


def test_json_floats_are_rounded_to_six_significant_digits(tmp_path: Path) -> None:
    write_json(
        tmp_path / "a.json", {"rate": 2 / 3, "small": 1.23456789e-9, "count": 12345678, "nested": [{"x": 0.1 + 0.2}]}
    )
    assert read_json(tmp_path / "a.json") == {
        "rate": 0.666667,
        "small": 1.23457e-9,
        "count": 12345678,
        "nested": [{"x": 0.3}],
    }


def test_json_not_finite_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"rate": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_json_parent_folders_are_made_and_no_temporary_is_left(tmp_path: Path) -> None:
    write_json(tmp_path / "deep" / "er" / "a.json", {"a": 1})
    assert [path.name for path in (tmp_path / "deep" / "er").iterdir()] == ["a.json"]


def test_csv_round_trip_keeps_order_quotes_and_empties(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"level": "hard", "note": 'a,"b"\nc', "mean": None},
        {"level": "easy", "note": "", "mean": 1 / 3},
    ]
    write_csv(tmp_path / "a.csv", rows)
    assert read_csv(tmp_path / "a.csv") == [
        {"level": "hard", "note": 'a,"b"\nc', "mean": ""},
        {"level": "easy", "note": "", "mean": "0.333333"},
    ]
    assert b"\r" not in (tmp_path / "a.csv").read_bytes()


def test_csv_without_rows_keeps_its_header(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", [], columns=["a", "b"])
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "a,b\n"
    assert read_csv(tmp_path / "a.csv") == []
    with pytest.raises(ValueError, match="columns must be named"):
        write_csv(tmp_path / "b.csv", [])


def test_csv_row_with_other_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a row has the columns"):
        write_csv(tmp_path / "a.csv", [{"a": 1}, {"b": 2}])


@pytest.mark.parametrize(("content", "reason"), [("{", "line 1: not JSON"), ("[1]", "not a JSON object")])
def test_json_broken_file_is_named(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "a.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=rf"a\.json: {reason}"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("content", "reason"), [("", "empty"), ("a,b\n1\n", "record 2 has 1 fields, the header has 2")]
)
def test_csv_broken_file_is_named(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=rf"a\.csv: {reason}"):
        read_csv(tmp_path / "a.csv")


def test_missing_file_says_which_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json: no such file; run the stage"):
        read_json(tmp_path / "none.json")
