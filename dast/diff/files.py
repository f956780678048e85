"""Where a table of a side is: in the working tree, or in DVC's cache by the hash that dvc.lock holds.

Guarantees: nothing is checked out or fetched; a table is read with the columns asked for and no others, so tables of
other versions of this project are read as long as they have those. Grain: one table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from dast.dvc import cache_folder
from dast.errors import CommandError, TableError
from dast.git import run_git
from dast.params.project import parse_yaml
from dast.tables import Table

_LOCK = "dvc.lock"
_ADVICE = "bring back one that DVC wrote, e.g. the one that was committed"


@dataclass(frozen=True)
class Tree:
    """The project in the working tree, or at a commit."""

    root: Path
    commit: str | None

    def scan(self, table: Table, path: PurePosixPath, columns: Sequence[str]) -> pl.LazyFrame | None:
        """The columns of the table at `path` (below the root), unread; None where no stage has written it.

        Raises:
            CommandError: it was written, and neither the working tree nor the cache has it; or dvc.lock is not as DVC
                writes it.
            ParamsError: dvc.lock is not YAML, as after a merge that left conflicts in it.
            TableError: it is not Parquet, or lacks one of the columns.
        """
        found = self._located(path)
        if found is None:
            return None
        try:
            rows = pl.scan_parquet(found)
            lacking = [name for name in columns if name not in rows.collect_schema()]
        except (pl.exceptions.PolarsError, OSError) as error:
            raise TableError(
                f"{path}: not a readable Parquet file: {str(error).splitlines()[0]}; fetch or make it anew"
            ) from error
        if lacking:
            raise TableError(f"{path} ({self._told}): no column {', '.join(lacking)} ({table.name}); another version?")
        return rows.select(columns)

    def _located(self, path: PurePosixPath) -> Path | None:
        if self.commit is None and (self.root / path).exists():
            return self.root / path
        md5 = self._hashes.get(str(path))
        if md5 is None:
            return None
        kept = self._cache / "files" / "md5" / md5[:2] / md5[2:]
        if not kept.exists():
            mend = f"dvc pull {path}" if self.commit is None else f"dvc fetch --all-commits {path}"
            raise CommandError(f"{path} ({self._told}, md5 {md5}) is not in DVC's cache here; try `{mend}`")
        return kept

    @property
    def _told(self) -> str:
        return f"commit {self.commit[:12]}" if self.commit else "the working tree"

    @cached_property
    def _cache(self) -> Path:
        return cache_folder(self.root)

    @cached_property
    def _hashes(self) -> dict[str, str]:
        """The hash of each output, by path."""
        if self.commit is not None:
            listed = run_git(self.root, "ls-tree", "--name-only", self.commit, _LOCK)
            text = run_git(self.root, "show", f"{self.commit}:./{_LOCK}") if listed else ""
        else:
            read = (self.root / _LOCK).read_bytes() if (self.root / _LOCK).exists() else b""
            text = read.decode(errors="replace")
        where = f"{_LOCK} ({self._told})"
        stages: Mapping[str, Any] = parse_yaml(text, where, _ADVICE).get("stages", {}) if text.strip() else {}
        try:
            outs = [out for stage in stages.values() for out in stage.get("outs", [])]
            return {out["path"]: out["md5"] for out in outs if "md5" in out}
        except (AttributeError, KeyError, TypeError) as error:
            raise CommandError(f"{where}: not as DVC writes it; {_ADVICE}") from error
