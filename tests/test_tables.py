"""Table contracts: what is refused, and that equal rows give equal bytes."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from dast.errors import TableError
from dast.frames import frame, read, write
from dast.tables import DIFFICULTY, QUERIES, TABLES, Table


def queries(*ids: str) -> pl.DataFrame:
    about = {"source": "s", "query": "q", "answer": "1", "solution": None, "source_level": None, "licence": "MIT"}
    return frame(QUERIES, [{"query_id": name, **about} for name in ids])


def test_write_shuffled_rows_give_identical_bytes(tmp_path: Path) -> None:
    rows = queries(*(f"q{i:03}" for i in range(200)))
    write(QUERIES, rows, tmp_path / "a.parquet")
    write(QUERIES, rows.sample(fraction=1.0, shuffle=True, seed=3), tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert read(QUERIES, tmp_path / "a.parquet").equals(rows)


def test_write_repeated_key_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="1 rows repeat a key"):
        write(QUERIES, queries("a", "a"), tmp_path / "t.parquet")
    assert not list(tmp_path.iterdir())


def test_write_null_key_refused(tmp_path: Path) -> None:
    rows = queries("a").with_columns(query_id=pl.lit(None, pl.String))
    with pytest.raises(TableError, match="1 rows have no query_id"):
        write(QUERIES, rows, tmp_path / "t.parquet")


def test_write_missing_unknown_and_mistyped_columns_named(tmp_path: Path) -> None:
    rows = queries("a").drop("answer").with_columns(extra=pl.lit(1), licence=pl.lit(1))
    with pytest.raises(TableError) as caught:
        write(QUERIES, rows, tmp_path / "t.parquet")
    for part in ("no column answer", "unknown column extra", "column licence is Int32, not String"):
        assert part in str(caught.value)


def test_read_wrong_file_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with pytest.raises(TableError, match="no such table"):
        read(QUERIES, path)
    path.write_text("nonsense")
    with pytest.raises(TableError, match="not a readable Parquet file"):
        read(QUERIES, path)


def test_frame_value_outside_its_enum_refused() -> None:
    row = dict.fromkeys(DIFFICULTY.schema) | {"query_id": "a", "n_graded": 1, "n_correct": 1, "level": "trivial"}
    with pytest.raises(TableError):
        frame(DIFFICULTY, [row])


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_table_empty_frame_round_trips(table: Table, tmp_path: Path) -> None:
    write(table, frame(table, []), tmp_path / "t.parquet")
    assert read(table, tmp_path / "t.parquet").height == 0
