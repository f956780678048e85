"""A round's tables as a folder that `datasets.load_dataset(folder, config)` loads as it is.

Guarantees: every config has explicit features, so an empty one loads too; equal rows give equal bytes; the folder
stands under its name only when whole; no query that also stands in a test set enters a training config.
Grain: one config a table, one or more Parquet files a config, all in the split `train`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features, List, Value

from dast import tables
from dast.errors import DataError, TableError
from dast.queries import normalise
from dast.smallfiles import write_text
from dast.tables import Table

CONFIGS: Mapping[str, Table] = {
    "sft": tables.SFT,
    "dpo": tables.DPO,
    "queries": tables.QUERIES,
    "rollouts": tables.GRADED,
    "prompts": tables.PROMPTS,
    "settings": tables.SETTINGS,
    "difficulty": tables.DIFFICULTY,
    "allocation": tables.ALLOCATION,
    "unsolved": tables.UNSOLVED,
    "suspects": tables.SUSPECTS,
}
"""Published configs, the default one first, and the table that each one holds."""

TRAINING_CONFIGS = ("sft", "dpo")

_ROW_GROUP_ROWS = 20_000


def features_of(table: Table) -> Features:
    """Features of a table's columns: an enum becomes a string, messages a list of {role, content}."""
    return Features({name: _feature(kind) for name, kind in table.schema.items()})


def type_name(feature: object) -> str:
    """How a card names the type of a feature."""
    return "list of {role, content}" if isinstance(feature, List) else str(getattr(feature, "dtype", feature))


def union(table: Table, *parts: pl.DataFrame) -> pl.DataFrame:
    """Rows of all parts, sorted by key; a row that stands in several parts is kept once.

    Raises:
        TableError: two different rows with one key.
    """
    rows = pl.concat(parts).unique().sort(table.key)
    repeated = rows.height - rows.n_unique(subset=list(table.key)) if rows.height else 0
    if repeated:
        raise TableError(f"{table.name}: {repeated} keys ({', '.join(table.key)}) have two different rows")
    return rows


def held_out_rows(folder: Path) -> pl.DataFrame:
    """All test sets of a folder, which may hold none."""
    held = any(folder.glob("*.parquet"))
    return tables.read_all(tables.TEST_QUERIES, folder) if held else tables.frame(tables.TEST_QUERIES, [])


def refuse_test_queries(queries: pl.DataFrame, tests: pl.DataFrame, rows: Mapping[str, pl.DataFrame]) -> None:
    """Holds every query of the training configs against the test sets, by normalised text.

    Args:
        queries: The training queries.
        tests: All test sets.
        rows: Rows by config; only those of `TRAINING_CONFIGS` are held against the test sets.

    Raises:
        DataError: a training row whose query is unknown, or stands in a test set too.
    """
    text_of = dict(queries.select("query_id", "query").iter_rows())
    test_set_of = {normalise(text): name for text, name in tests.select("query", "test_set").iter_rows()}
    for config in TRAINING_CONFIGS:
        ids = rows[config]["query_id"].unique().sort().to_list()
        unknown = [query_id for query_id in ids if query_id not in text_of]
        if unknown:
            raise DataError(
                f"{config}: {len(unknown)} queries are no training queries, such as {unknown[0]}; run build"
            )
        found = {query_id: name for query_id in ids if (name := test_set_of.get(normalise(text_of[query_id])))}
        if found:
            example, name = next(iter(found.items()))
            raise DataError(
                f"{config}: {len(found)} queries also stand in a test set, such as {example} in {name}; "
                "set defaults.prepare.train_in_tests to drop, or leave that test set out"
            )


def write_package(rows: Mapping[str, pl.DataFrame], card: str, folder: Path, max_rows_per_file: int) -> tuple[int, int]:
    """Writes the folder anew: README.md, and `<config>/train-<i>-of-<n>.parquet` for every config.

    Args:
        rows: Rows of each config of `CONFIGS`, in that config's table shape.
        card: Text of README.md.
        folder: Replaced whole.
        max_rows_per_file: At least 1.

    Returns:
        Number of files and of bytes.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    for stale in (partial, folder):
        if stale.exists():
            shutil.rmtree(stale)
    for config, table in CONFIGS.items():
        _write_config(table, rows[config], partial / config, max_rows_per_file)
    write_text(partial / "README.md", card)
    partial.rename(folder)
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


def _write_config(table: Table, rows: pl.DataFrame, folder: Path, max_rows_per_file: int) -> None:
    folder.mkdir(parents=True)
    ordered = _published(rows.select(table.schema.keys()).sort(table.key))
    schema = features_of(table).arrow_schema
    n_files = max(1, -(-ordered.height // max_rows_per_file))
    for index in range(n_files):
        part = ordered.slice(index * max_rows_per_file, max_rows_per_file).to_arrow().cast(schema)
        _write_parquet(part, folder / f"train-{index:05d}-of-{n_files:05d}.parquet")


def _write_parquet(part: pa.Table, path: Path) -> None:
    # Content-defined chunking: the Hub stores an edited file as its changed chunks only.
    with pq.ParquetWriter(path, part.schema, compression="zstd", use_content_defined_chunking=True) as writer:
        if part.num_rows:  # datasets 5.2 cannot load a file with a row group of no rows
            writer.write_table(part, row_group_size=_ROW_GROUP_ROWS)


def _published(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col(pl.Enum).cast(pl.String)) if _has_enum(rows) else rows


def _has_enum(rows: pl.DataFrame) -> bool:
    return any(isinstance(kind, pl.Enum) for kind in rows.schema.values())


def _feature(kind: pl.DataType | type[pl.DataType]) -> object:
    if kind == tables.Messages:
        return List({"role": Value("string"), "content": Value("string")})
    if isinstance(kind, pl.Enum):
        return Value("string")
    return Value(_NAMES[kind])


_NAMES: Mapping[object, str] = {
    pl.String: "string",
    pl.Boolean: "bool",
    pl.Int32: "int32",
    pl.Int64: "int64",
    pl.Float64: "float64",
}
