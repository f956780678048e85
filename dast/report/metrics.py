"""The small files of every round, as one reads them across rounds.

Guarantees: base comes first, then every round after those it builds on, ties in natural order (r2 before r10); a file
that no stage has written yet is an empty table, never an error. Grain: one `RoundMetrics` a round.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dast.params.project import load_yaml
from dast.smallfiles import read_csv, read_json

BASE = "base"
PARAMS_FILE = "params.yaml"

NUMBERS = (
    *("prepare", "bootstrap", "sample", "difficulty", "augment", "build"),
    *("train", "evaluate", "package"),
)
"""Files of a round that hold metrics, `<name>.json`; others hold examples, or a constant that orders stages."""


@dataclass(frozen=True)
class RoundMetrics:
    """One folder of small files."""

    name: str
    folder: Path

    @cached_property
    def params(self) -> dict[str, Any]:
        """Resolved settings; empty for the base, or before `resolve`."""
        path = self.folder / PARAMS_FILE
        return load_yaml(path) if path.exists() else {}

    def numbers(self) -> dict[str, dict[str, Any]]:
        """Metrics by the file that holds them."""
        paths = [self.folder / f"{name}.json" for name in NUMBERS]
        return {path.stem: read_json(path) for path in paths if path.exists()}

    def rows(self, name: str) -> list[dict[str, str]]:
        """Rows of `<name>.csv`; none before its stage has run."""
        path = self.folder / f"{name}.csv"
        return read_csv(path) if path.exists() else []


def read_rounds(metrics: Path) -> list[RoundMetrics]:
    """The rounds that have small files, in the order they build on each other."""
    folders = (path for path in metrics.iterdir() if path.is_dir()) if metrics.is_dir() else ()
    found = {path.name: RoundMetrics(path.name, path) for path in folders if any(path.iterdir())}
    needs = {name: _needs(entry) & found.keys() - {name} for name, entry in found.items()}
    return [found[name] for name in _ordered(needs)]


def gather(rounds: Iterable[RoundMetrics], name: str, columns: Sequence[str]) -> tuple[list[str], list[dict[str, str]]]:
    """One table of all rounds, `round` first; the header holds `columns`, then whatever else a round has."""
    rows = [{"round": entry.name, **row} for entry in rounds for row in entry.rows(name)]
    header = list(dict.fromkeys(["round", *columns, *(key for row in rows for key in row)]))
    return header, [{key: row.get(key, "") for key in header} for row in rows]


def flat(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings with dotted keys; a list is a leaf."""
    for key, value in nested.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _needs(entry: RoundMetrics) -> set[str]:
    about = entry.params.get("round", {})
    return {BASE, *(str(about[key]) for key in ("policy", "init", "levels") if key in about)}


def _ordered(needs: Mapping[str, set[str]]) -> list[str]:
    left, done = sorted(needs, key=_natural), list[str]()
    while left:
        # Leftovers of a renamed round may name each other in a circle: they come in natural order then.
        name = next((name for name in left if needs[name] <= set(done)), left[0])
        left.remove(name)
        done.append(name)
    return done


def _natural(name: str) -> tuple[bool, list[tuple[int, str]]]:
    parts = re.findall(r"\d+|\D+", name)
    return name != BASE, [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
