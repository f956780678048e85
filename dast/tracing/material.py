"""What is at hand of one round: its settings, its tables, and what recorded them.

Guarantees: tables have the line's own columns and types wherever they lie, less what a package leaves out; they are
read lazily, so that one row of a large table costs little. Grain: one round.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import polars as pl
from pydantic import ValidationError

from dast.errors import ParamsError, TableError
from dast.params.section import Section

SectionT = TypeVar("SectionT", bound=Section)


@dataclass(frozen=True)
class Recorded:
    """Which commit holds a table."""

    commit: str | None
    path: str
    """Below the project's folder, or the package's folder."""
    digest: str | None
    """DVC's MD5 of it."""
    note: str | None
    """Why there is no commit, or what to know of it."""


@dataclass(frozen=True)
class Material:
    """One round."""

    round: str
    policy: str
    levels: str
    """Round whose difficulty levels steered this one."""
    settings: Mapping[str, Any]
    """Plain values, section by section."""
    table: Callable[[str], pl.LazyFrame]
    """By the config's name; `difficulty` is that of `levels`."""
    recorded: Callable[[str, Mapping[str, Any]], Recorded]
    """Of a row of a table."""
    texts: bool = True
    """False where a package leaves out the sources' texts."""
    notes: tuple[str, ...] = ()
    """What is missing here, and why."""

    def section(self, name: str, kind: type[SectionT]) -> SectionT:
        """A section of the settings.

        Raises:
            ParamsError: it has other fields than this version's.
        """
        try:
            return kind.model_validate(self.settings.get(name))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in (name, *first["loc"]))
            raise ParamsError(
                f"{self.round}: {key}: {first['msg']}; another version made it: trace it in a clone at its commit"
            ) from error


def scanned(path: Path, shown: str, columns: Collection[str] = ()) -> pl.LazyFrame:
    """The table at `path`, unread.

    Args:
        path: A Parquet file.
        shown: Names it in messages.
        columns: Those that it must have.

    Raises:
        TableError: it is not Parquet (an empty file, say), or lacks a column.
    """
    try:
        rows = pl.scan_parquet(path)
        present = rows.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise TableError(
            f"{shown}: not a readable Parquet file: {str(error).splitlines()[0]}; fetch or make it anew"
        ) from error
    lacking = [name for name in columns if name not in present]
    if lacking:
        raise TableError(f"{shown}: no column {', '.join(lacking)}; another version made it: trace it at its commit")
    return rows


class Place(Protocol):
    """Where rows lie: a clone, or the folder of a package."""

    def rounds(self) -> list[str]:
        """The rounds there, the newest first."""
        ...

    def has(self, round_name: str, table: str) -> bool:
        """Whether a table of a round is there."""
        ...

    def material(self, round_name: str) -> Material:
        """What is at hand of a round."""
        ...
