"""Raw rows of a source, as they lie: JSON lines, Parquet, or a dataset on the Hub; and dotted paths into them.

Guarantees: rows come in the source's own order and each knows its place (`gsm8k/test.jsonl:3`), so that every message
about a row can name it; a Hub dataset is read at a pinned commit or not at all. Grain: one raw row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import polars as pl

from dast.errors import DataError, ParamsError

_JSON_LINES = (".jsonl", ".ndjson", ".json")


@dataclass(frozen=True)
class RawRow:
    """One row and where it stands."""

    place: str
    values: Mapping[str, Any]


def file_rows(path: Path, shown: str) -> Iterator[RawRow]:
    """Rows of a JSON lines or Parquet file; `shown` names it in places and messages.

    Raises:
        DataError: no such file, another format, or a line that is not a JSON object.
    """
    if not path.is_file():
        raise DataError(f"{shown}: no such file in the raw data folder; put it there (it is looked for at {path})")
    if path.suffix == ".parquet":
        return _parquet_rows(path, shown)
    if path.suffix in _JSON_LINES:
        return _json_rows(path, shown)
    raise DataError(f"{shown}: not a format that is read; use .parquet or JSON lines ({', '.join(_JSON_LINES)})")


def hub_rows(hub_id: str, config: str | None, split: str | None, revision: str | None, where: str) -> Iterator[RawRow]:
    """Rows of a Hub dataset; `where` is the params key that names it.

    Raises:
        ParamsError: no revision, or no split.
        DataError: the Hub does not give the dataset.
    """
    if revision is None:
        raise ParamsError(f"{where}.revision: null; fill in the commit of {hub_id} (a moving branch cannot be traced)")
    if split is None:
        raise ParamsError(f"{where}.split: null; name the split of {hub_id} that is read, e.g. train")
    # `datasets` takes seconds to import and is wanted for Hub sources alone.
    from dast.sources.hub import dataset_rows

    named = f"{hub_id} {split}"
    rows = dataset_rows(hub_id, config, split, revision)
    return (RawRow(f"{named}:{number}", values) for number, values in enumerate(rows, start=1))


def value_at(values: Mapping[str, Any], path: str) -> object:
    """The value that a dotted path names, None where there is none. A key that holds the dots itself comes first."""
    if path in values:
        return values[path]
    found: Any = values
    for key in path.split("."):
        if isinstance(found, Mapping):
            found = found.get(key)
        elif isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            return None
    return found


def text_at(values: Mapping[str, Any], path: str) -> str:
    """The value as stripped text, empty where there is none. A whole number loses its `.0`: SVAMP has 145.0 for 145."""
    value = value_at(values, path)
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)).strip()


def matches(values: Mapping[str, Any], where: Mapping[str, str | None]) -> bool:
    """Whether every named column matches its shell pattern; None matches an empty column."""
    for column, pattern in where.items():
        value = value_at(values, column)
        if pattern is None and value not in (None, ""):
            return False
        if pattern is not None and not fnmatchcase(text_at(values, column), pattern):
            return False
    return True


def missing_columns(rows: Iterable[RawRow], paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """Paths that lead nowhere in any row, and the columns that there are."""
    listed = list(rows)
    present = {key: None for row in listed for key in row.values}
    missing = [path for path in dict.fromkeys(paths) if all(value_at(row.values, path) is None for row in listed)]
    return missing, list(present)


def _json_rows(path: Path, shown: str) -> Iterator[RawRow]:
    with path.open(encoding="utf-8-sig") as lines:
        numbered = enumerate(lines, start=1)
        while True:
            try:
                number, line = next(numbered)
            except StopIteration:
                return
            except UnicodeDecodeError as error:
                raise DataError(f"{shown}: not UTF-8 text ({error.reason}); convert the file") from error
            if line.strip():
                yield RawRow(f"{shown}:{number}", _json_object(line, f"{shown}:{number}"))


def _json_object(line: str, place: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except json.JSONDecodeError as error:
        advice = "; one JSON object a line is wanted, not an array over several" if line.lstrip()[0] == "[" else ""
        raise DataError(
            f"{place}: broken JSON at column {error.colno}: {error.msg}{advice}; mend or remove it"
        ) from error
    if not isinstance(values, dict):
        raise DataError(f"{place}: holds a {type(values).__name__}, not a JSON object; one object a line is wanted")
    return values


def _parquet_rows(path: Path, shown: str) -> Iterator[RawRow]:
    try:
        rows = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{shown}: not a readable Parquet file: {str(error).splitlines()[0]}") from error
    return (RawRow(f"{shown}:{number}", row) for number, row in enumerate(rows.iter_rows(named=True), start=1))
