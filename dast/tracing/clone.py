"""Rounds in a clone of the project: tables where `dvc repro` or `dvc pull` put them, settings and commits from git.

Guarantees: a table that is not what dvc.lock records, or that no commit records, is traced all the same and said to be
so. Grain: one round.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from dast import tables
from dast.errors import CommandError, ParamsError, PublishError, TableError
from dast.params.project import load_yaml
from dast.publishing.lock import read_lock
from dast.publishing.provenance import first_commit_with
from dast.report.metrics import BASE, PARAMS_FILE, read_rounds
from dast.tracing.material import Material, Recorded, scanned

LOCK = "dvc.lock"
QUERIES = "data/queries/train.parquet"
METRICS = "data/metrics"

_FILES: Mapping[str, tuple[str, ...]] = {
    **{name: (f"{{round}}/{name}.parquet",) for name in ("sft", "dpo", "allocation", "contamination")},
    "difficulty": ("{levels}/difficulty.parquet",),
    "rollouts": ("{round}/graded.parquet", "{round}/augmented.parquet"),
    **{name: (f"{{round}}/{name}.parquet", f"{{round}}/augmented_{name}.parquet") for name in ("prompts", "settings")},
}
"""Files of a table, below `data`."""


@dataclass(frozen=True)
class Clone:
    """A project's folder."""

    root: Path

    def rounds(self) -> list[str]:
        """The rounds that have settings here, the newest first."""
        found = [entry.name for entry in read_rounds(self.root / METRICS) if entry.name != BASE and entry.params]
        return found[::-1]

    def has(self, round_name: str, table: str) -> bool:
        """Whether a table of a round is there."""
        return all((self.root / path).is_file() for path in _paths(table, round_name, round_name))

    def material(self, round_name: str) -> Material:
        """What is at hand of a round.

        Raises:
            CommandError: no round of that name has run here.
        """
        if round_name not in self.rounds():
            raise CommandError(f"no round {round_name} here; there are {', '.join(self.rounds()) or 'none'}")
        settings = load_yaml(self.root / METRICS / round_name / PARAMS_FILE)
        about = settings["round"]
        levels = about["levels"]
        return Material(
            *(round_name, about["policy"], levels, settings),
            table=lambda name: self._table(name, _paths(name, round_name, levels)),
            recorded=lambda name, row: self._recorded(_paths(name, round_name, levels), row),
        )

    def _table(self, table: str, paths: list[str]) -> pl.LazyFrame:
        missing = [path for path in paths if not (self.root / path).is_file()]
        if missing:
            raise TableError(f"{missing[0]}: not here; `dvc pull {missing[0]}` brings it, `dvc repro` makes it")
        columns = list((tables.GRADED if table == "rollouts" else tables.TABLES[table]).schema)
        return pl.concat([scanned(self.root / path, path, columns).select(columns) for path in paths])

    def _recorded(self, paths: list[str], row: Mapping[str, Any]) -> Recorded:
        """Of several files, the one that holds the row: `sample`'s rollouts lie apart from the further ones."""
        path = paths[0] if row.get("step", "sample") == "sample" else paths[-1]
        try:
            digest = read_lock(self.root / LOCK).digests.get(path)
        except (PublishError, ParamsError) as error:  # none there, or none that can be read
            return Recorded(None, path, None, str(error))
        try:
            if digest is None:
                return Recorded(None, path, None, f"{LOCK} does not record it")
            if _md5(self.root / path) != digest:
                return Recorded(None, path, digest, f"{LOCK} records another content: `dvc status` says why")
            return Recorded(first_commit_with(self.root, digest), path, digest, None)
        except PublishError:
            return Recorded(None, path, digest, "not committed yet")
        except CommandError as error:
            return Recorded(None, path, digest, str(error))


def _paths(table: str, round_name: str, levels: str) -> list[str]:
    if table == "queries":
        return [QUERIES]
    return [f"data/{name.format(round=round_name, levels=levels)}" for name in _FILES[table]]


def _md5(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
