"""Earlier rounds in a round's package: their splits, pictures and cards, taken over from the package of its policy.

Guarantees: a file is taken over byte for byte, so a dataset of several rounds holds each round as it was packaged, and
stands in DVC's cache once. Grain: one file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from dast.errors import DataError
from dast.packaging.configs import SHARED_CONFIGS, features_of
from dast.tables import Table

OWN_SPLIT = "train"
"""The only split of a package that holds one round."""

CARD = "README.md"


@dataclass(frozen=True)
class Earlier:
    """What is taken over: rows by config and split, files by their path, and the texts of earlier cards by theirs."""

    n_rows: Mapping[str, Mapping[str, int]]
    files: Mapping[str, Path]
    cards: Mapping[str, str]


NOTHING = Earlier({}, {}, {})


def split_name(round_name: str) -> str:
    """A round's name as `datasets` allows it for a split: letters, digits and underscores."""
    return re.sub(r"\W", "_", round_name)


def earlier_rounds(folder: Path, policy: str, tables: Mapping[str, Table]) -> Earlier:
    """The splits, pictures and cards that the policy's package holds; nothing for the base.

    Raises:
        DataError: that package holds one round alone, or other columns than this one.
    """
    if policy == "base":
        return NOTHING
    if not (folder / CARD).is_file():
        raise DataError(f"{folder}: no package; run package@{policy} first")
    files: dict[str, Path] = {}
    n_rows: dict[str, dict[str, int]] = {}
    for config, table in tables.items():
        paths = [] if config in SHARED_CONFIGS else sorted((folder / config).glob("*.parquet"))
        counts: dict[str, int] = {}
        for path in paths:
            split = path.name.split("-")[0]
            counts[split] = counts.get(split, 0) + _n_rows(path, table, policy)
            files[f"{config}/{path.name}"] = path
        if OWN_SPLIT in counts:
            raise DataError(
                f"{folder}: holds one round alone; set package.rounds to lineage for {policy} too, and run its package"
            )
        n_rows[config] = counts
    pictures = {path.relative_to(folder).as_posix(): path for path in sorted(folder.glob("figures/*.png"))}
    older = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md") if path.name != CARD}
    return Earlier(n_rows, {**files, **pictures}, {**older, f"{policy}.md": _text(folder / CARD)})


def _n_rows(path: Path, table: Table, policy: str) -> int:
    with pq.ParquetFile(path) as file:
        if file.schema_arrow.names != list(features_of(table)):
            raise DataError(
                f"{path}: has the columns {', '.join(file.schema_arrow.names)}; run package@{policy} again with this "
                "round's package.ids_only"
            )
        return int(file.metadata.num_rows)


def _text(card: Path) -> str:
    """A card without the YAML that only a README.md has."""
    return card.read_text(encoding="utf-8").split("---\n", 2)[2].lstrip()
