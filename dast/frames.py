"""Frames of the project's tables: made, checked, and the only way they are read and written.

Guarantees: a written file has exactly its table's columns and types, no null and no repeated key, rows sorted by key,
and stands under its name only when whole (temporary name, fsync, rename). Equal rows give equal bytes whatever their
order. A read file is checked for columns and types. Grain: as `tables` says.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from dast.errors import TableError
from dast.tables import Table


def frame(table: Table, rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows as a frame of the table's columns and types; an empty input gives an empty frame of that shape."""
    # Rows given straight to an Enum column lose an unknown category to null without a word; a cast refuses it.
    loose = {name: pl.String if isinstance(kind, pl.Enum) else kind for name, kind in table.schema.items()}
    try:
        return pl.DataFrame(list(rows), schema=pl.Schema(loose), strict=True).cast(pl.Schema(table.schema))
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise TableError(f"{table.name}: rows do not fit the table: {_first_line(error)}") from error


def read(table: Table, path: Path) -> pl.DataFrame:
    """The table at `path`.

    Raises:
        TableError: no such file, not Parquet, or columns or types that differ from the contract.
    """
    if not path.exists():
        raise TableError(f"{path}: no such table ({table.name}); run the stage that writes it")
    try:
        rows = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise TableError(f"{path}: not a readable Parquet file: {_first_line(error)}") from error
    _check_columns(table, rows, str(path))
    return rows


def write(table: Table, rows: pl.DataFrame, path: Path) -> None:
    """Writes the checked rows, sorted by key, so that a reader sees the whole file or none.

    Raises:
        TableError: columns, types, nulls or keys that break the contract, or no room; nothing is written then.
    """
    _check_columns(table, rows, f"{table.name} for {path}")
    _check_rows(table, rows, f"{table.name} for {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    ordered = rows.select(table.schema.keys()).sort(table.key)
    try:
        ordered.write_parquet(temporary, compression="zstd", statistics=False)
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    except (OSError, pl.exceptions.ComputeError) as error:  # polars tells of a full disk by a ComputeError
        temporary.unlink(missing_ok=True)
        raise TableError(f"{path}: cannot be written: {_first_line(error)}; free space, and run again") from error


def read_all(table: Table, folder: Path) -> pl.DataFrame:
    """Every `*.parquet` of a folder as one frame, in the order of the file names; empty when there is none."""
    if not folder.is_dir():
        raise TableError(f"{folder}: no such folder of {table.name} tables; run the stage that writes it")
    return pl.concat([frame(table, []), *(read(table, path) for path in sorted(folder.glob("*.parquet")))])


def _check_columns(table: Table, rows: pl.DataFrame, where: str) -> None:
    faults = [f"no column {name}" for name in table.schema if name not in rows.columns]
    faults += [f"unknown column {name}" for name in rows.columns if name not in table.schema]
    faults += [
        f"column {name} is {rows.schema[name]}, not {kind}"
        for name, kind in table.schema.items()
        if name in rows.columns and rows.schema[name] != kind
    ]
    if faults:
        raise TableError(f"{where}: {'; '.join(faults)}")


def _check_rows(table: Table, rows: pl.DataFrame, where: str) -> None:
    required = [name for name in table.schema if name not in table.nullable]
    nulls = rows.select(pl.col(required).null_count()).row(0, named=True) if required else {}
    faults = [f"{count} rows have no {name}" for name, count in nulls.items() if count]
    repeated = rows.height - rows.n_unique(subset=list(table.key)) if rows.height else 0
    if repeated:
        faults.append(f"{repeated} rows repeat a key ({', '.join(table.key)})")
    if faults:
        raise TableError(f"{where}: {'; '.join(faults)}")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
