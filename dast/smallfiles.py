"""Small files that stand in git: metrics as JSON, plot data as CSV.

Guarantees: equal content gives equal bytes (keys sorted, floats rounded to six significant digits, `\\n` at line ends),
so that a diff in git shows only what changed; a file stands under its name only when whole; parent folders are made.
Grain: one JSON object, or one CSV line a row.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dast.errors import DataError

_DIGITS = 6


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes an object with sorted keys and an indent.

    Raises:
        ValueError: a float that is not finite; JSON has none, so use None.
    """
    text = json.dumps(_rounded(content), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Writes rows in their order under a header; None is an empty field.

    Args:
        path: The file.
        rows: All with the same keys.
        columns: Header; the first row's keys when None, so it must be given where rows may be empty.

    Raises:
        ValueError: a row whose keys are not the columns, or no row and no columns.
    """
    listed = list(rows)
    if columns is None and not listed:
        raise ValueError(f"{path}: no rows, so the columns must be named")
    header = list(columns) if columns is not None else list(listed[0])
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for row in listed:
        if set(row) != set(header):
            raise ValueError(f"{path}: a row has the columns {sorted(row)}, not {sorted(header)}")
        writer.writerow([_rounded(row[name]) for name in header])
    write_text(path, buffer.getvalue())


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text as it is, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    with temporary.open("w", encoding="utf-8", newline="") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """The object at `path`.

    Raises:
        DataError: no such file, not JSON, or not an object.
    """
    try:
        content = json.loads(_read(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: line {error.lineno}: not JSON: {error.msg}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a JSON object; run the stage that writes it")
    return content


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows at `path`, every field as text; an empty field is `""`.

    Raises:
        DataError: no such file, no header, or a line with more or fewer fields than the header.
    """
    lines = list(csv.reader(io.StringIO(_read(path), newline="")))
    if not lines:
        raise DataError(f"{path}: empty, not even a header; run the stage that writes it")
    header = lines[0]
    for number, fields in enumerate(lines[1:], start=2):
        if len(fields) != len(header):
            raise DataError(f"{path}: record {number} has {len(fields)} fields, the header has {len(header)}")
    return [dict(zip(header, fields, strict=True)) for fields in lines[1:]]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; run the stage that writes it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}; run the stage that writes it") from error


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else value
    if isinstance(value, Mapping):
        return {str(key): _rounded(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(below) for below in value]
    return value
