"""A round's tables as a folder that `datasets.load_dataset(folder, config)` loads as it is.

Guarantees: every config has explicit features, so an empty one loads too; equal rows give equal bytes; few files, each
bounded in size, with row groups that a reader can hold; the folder stands under its name only when whole and looked
through for secrets. Grain: one config a table, one or more Parquet files a split.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from dast.errors import TableError
from dast.packaging.configs import features_of
from dast.packaging.secrets import refuse_secrets
from dast.params.package import Package
from dast.tables import Messages, Table

_MB = 1_000_000
_FEWEST_ROWS = 100
"""Of a row group: a smaller one costs a reader more than it spares."""


@dataclass(frozen=True)
class Contents:
    """Everything that a package's folder holds."""

    tables: Mapping[str, Table]
    """By config."""
    rows: Mapping[str, pl.DataFrame]
    """By config, in its table's shape."""
    split_of: Mapping[str, str]
    """Name of the split that the rows of a config are."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Further files by their path: the card and its pictures."""
    copied: Mapping[str, Path] = field(default_factory=dict)
    """Files that are taken over as they are, by their path: earlier rounds' splits."""


def union(table: Table, *parts: pl.DataFrame) -> pl.DataFrame:
    """Rows of all parts, sorted by key; a row that stands in several parts is kept once.

    Raises:
        TableError: two different rows with one key.
    """
    rows = pl.concat(parts).sort(table.key)
    again = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in table.key)
    if not rows.select(again.any()).item():
        return rows
    rows = rows.unique().sort(table.key)
    repeated = rows.height - rows.n_unique(subset=list(table.key))
    if repeated:
        raise TableError(f"{table.name}: {repeated} keys ({', '.join(table.key)}) have two different rows")
    return rows


@dataclass(frozen=True)
class Bounds:
    """How large files and row groups may be; bytes are those of the rows, before compression."""

    file_rows: int
    file_bytes: int
    group_bytes: int


def bounds_of(package: Package) -> Bounds:
    """The bounds that params set."""
    return Bounds(package.max_rows_per_file, package.max_file_mb * _MB, package.row_group_mb * _MB)


def write_package(contents: Contents, folder: Path, bounds: Bounds) -> tuple[int, int]:
    """Writes the folder anew: `<config>/<split>-<i>-of-<n>.parquet` for every config, and the further files.

    Args:
        contents: What it holds.
        folder: Replaced whole.
        bounds: Of files and row groups.

    Returns:
        Number of files and of bytes.

    Raises:
        DataError: something in it is a secret; nothing stands under the folder's name then.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    for stale in (partial, folder):
        if stale.exists():
            shutil.rmtree(stale)
    for config, table in contents.tables.items():
        start = f"{config}/{contents.split_of[config]}"
        _write_split(table, contents.rows[config], partial, start, bounds)
    for name, source in contents.copied.items():
        (partial / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, partial / name)
    for name, content in contents.files.items():
        (partial / name).parent.mkdir(parents=True, exist_ok=True)
        (partial / name).write_bytes(content)
    refuse_secrets(partial)
    partial.rename(folder)
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


def _write_split(table: Table, rows: pl.DataFrame, folder: Path, start: str, bounds: Bounds) -> None:
    ordered = rows.select(table.schema.keys()).sort(table.key)
    n_files = max(1, -(-_n_bytes(ordered) // bounds.file_bytes), -(-ordered.height // bounds.file_rows))
    rows_per_file = max(1, -(-ordered.height // n_files))
    schema = features_of(table).arrow_schema
    for index in range(n_files):
        part = ordered.slice(index * rows_per_file, rows_per_file)
        _write_parquet(part, schema, folder / f"{start}-{index:05d}-of-{n_files:05d}.parquet", bounds.group_bytes)


def _write_parquet(part: pl.DataFrame, schema: pa.Schema, path: Path, group_bytes: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    group = max(_FEWEST_ROWS, part.height * group_bytes // max(1, _n_bytes(part)))
    # Content-defined chunking: the Hub stores an edited file as its changed chunks only.
    with pq.ParquetWriter(
        path, schema, compression="zstd", use_content_defined_chunking=True, write_page_index=True
    ) as writer:
        # datasets 5.2 cannot load a file with a row group of no rows.
        for offset in range(0, part.height, group):
            writer.write_table(_arrow(part.slice(offset, group), schema), row_group_size=group)


def _n_bytes(rows: pl.DataFrame) -> int:
    """Bytes of the texts, and eight a number: by content alone, where `estimated_size` may tell how rows came about."""
    texts = [pl.col(name).str.len_bytes() for name, kind in rows.schema.items() if kind == pl.String]
    said = pl.element().struct.field("content").str.len_bytes()
    texts += [pl.col(name).list.eval(said).list.sum() for name, kind in rows.schema.items() if kind == Messages]
    return int(sum(rows.select(text.sum() for text in texts).row(0))) + 8 * rows.width * rows.height


def _arrow(rows: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    return rows.with_columns(pl.col(pl.Enum).cast(pl.String)).to_arrow().cast(schema)
