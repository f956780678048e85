"""The committed file of results: one JSON line a finished run, and one for each base and data seed.

Guarantees: a line is whole on the disk before the run counts as done, whoever else appends; a line that a kill cut off
is dropped before the next one is written; rows of another design or of other settings are set aside and said, never
mixed in. Grain: one run.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.experiments.design import Run
from dast.errors import DataError

log = logging.getLogger(__name__)

Row = dict[str, Any]

BASE = "base"
"""Arm of the rows that hold a base's own counts; their budget is empty."""


def run_of(row: Mapping[str, Any]) -> Run:
    """The run that a row is of."""
    return Run(row["arm"], row["budget"], row["base"], row["data"])


def base_run(base: int, data: int) -> Run:
    """The name of a base's own row."""
    return Run(BASE, "", base, data)


def append(path: Path, row: Mapping[str, Any]) -> None:
    """Adds one row, on the disk when this returns."""
    line = json.dumps(row, sort_keys=True, separators=(",", ":"), allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        end = _whole_bytes(os.pread(handle, os.fstat(handle).st_size, 0))
        os.ftruncate(handle, end)
        os.pwrite(handle, line.encode(), end)
        os.fsync(handle)
    finally:
        os.close(handle)


def read(path: Path) -> list[Row]:
    """Every whole row; none where there is no file.

    Raises:
        DataError: a line that is not an object.
    """
    content = path.read_bytes() if path.exists() else b""
    found = []
    for number, line in enumerate(content[: _whole_bytes(content)].splitlines(), start=1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise DataError(f"{path}: line {number}: not a row; restore the file from git")
        found.append(row)
    return found


def usable(rows: Iterable[Row], design: str, settings: Callable[[Run], str | None] | None = None) -> dict[Run, Row]:
    """The rows of this design by run, the last of each; what is set aside is said in one line.

    Args:
        rows: As read.
        design: Digest of the design.
        settings: Digest of the settings that a run would have now, None for a run that is no longer planned; without
            it rows are taken as they are.
    """
    kept: dict[Run, Row] = {}
    other_design, other_settings = 0, 0
    for row in rows:
        run = run_of(row)
        if row["design"] != design:
            other_design += 1
        elif settings is not None and settings(run) != row["settings"]:
            other_settings += 1
        else:
            kept[run] = row
    if other_design:
        log.warning("%d rows of another design than %s are set aside; they stay in the file", other_design, design)
    if other_settings:
        log.warning(
            "%d rows made under other settings than today's are set aside; they stay in the file", other_settings
        )
    return kept


def lent(rows: Iterable[Row], design: str, settings: Callable[[Run], str | None]) -> list[Row]:
    """Another study's rows as rows of this design: those whose runs would have the same settings here."""
    return [{**row, "design": design} for row in rows if settings(run_of(row)) == row["settings"]]


def _whole_bytes(content: bytes) -> int:
    return content.rfind(b"\n") + 1
