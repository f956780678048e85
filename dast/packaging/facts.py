"""What a dataset's card is made from: the settings, the tables that it publishes, and the line's own small files.

Guarantees: nothing of a machine is in it; equal inputs give equal facts. Grain: one round.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from dast.packaging.configs import SHARED_CONFIGS
from dast.packaging.lineage import OWN_SPLIT, Earlier, split_name
from dast.params.augment import Augment
from dast.params.build import Build
from dast.params.engines import Generation
from dast.params.evaluate import Contamination
from dast.params.package import Package
from dast.params.sections import Difficulty, Grading, Prompt, Sample
from dast.params.sources import Bootstrap, Prepare
from dast.tables import Table


@dataclass(frozen=True)
class Recipe:
    """The sections of the params that made a dataset; the card prints them whole."""

    prepare: Prepare
    bootstrap: Bootstrap
    prompt: Prompt
    generation: Generation
    grading: Grading
    sample: Sample
    difficulty: Difficulty
    augment: Augment
    build: Build
    contamination: Contamination
    package: Package

    def plain(self) -> dict[str, Any]:
        """Section by section, as JSON-able values; a local model is named by its digest, never by its folder, and no
        server by its address."""
        sections = {name: section.model_dump(mode="json") for name, section in vars(self).items()}
        if self.bootstrap.kind == "local":
            sections["bootstrap"]["source"] = None
        sections["generation"]["server"]["url"] = None
        return sections


@dataclass(frozen=True)
class Input:
    """One table that the package was made from."""

    n_rows: int
    digests: Sequence[str]
    """SHA-256 of each of its files; of a folder, of its files' names and digests."""


@dataclass(frozen=True)
class Round:
    """A round as the line made it."""

    round_name: str
    policy: str
    """`base`, or the round that trained the sampling model."""
    levels: str
    """Round whose difficulty levels steered this one."""
    recipe: Recipe
    rows: Mapping[str, pl.DataFrame]
    """Rows by config; `contamination` among them, which is no config."""
    pool: pl.DataFrame
    tests: pl.DataFrame
    inputs: Mapping[str, Input]
    build_levels: Sequence[Mapping[str, str]]
    """Rows of build.csv."""
    told: Mapping[str, Mapping[str, Any]]
    """What the stages `score`, `augment` and `build` say of themselves: their metrics."""


@dataclass(frozen=True)
class CardFacts(Round):
    """Everything that a card says, apart from its fixed words. `rows` are those that are published."""

    tables: Mapping[str, Table]
    """Published columns by config."""
    left_out: Mapping[str, Mapping[str, int]]
    """By config and reason, the rows that `package.ids_only` left out."""
    earlier: Earlier
    evidence: pl.DataFrame
    """What the rows to train on have in common with test queries (CONTAMINATION)."""

    @property
    def recorded(self) -> bool:
        """Whether the responses were recorded elsewhere and not sampled here."""
        reasons = self.rows["rollouts"]["finish_reason"]
        return not reasons.is_empty() and bool((reasons == "recorded").all())

    @property
    def split(self) -> str:
        """Name of the split that this round's rows are."""
        return split_name(self.round_name) if self.recipe.package.rounds == "lineage" else OWN_SPLIT

    def n_rows(self, config: str) -> dict[str, int]:
        """Rows by split, those of earlier rounds first; only splits with rows, since `datasets` loads no other."""
        counts = {**self.earlier.n_rows.get(config, {}), self.split_of(config): self.rows[config].height}
        return {split: count for split, count in counts.items() if count}

    def split_of(self, config: str) -> str:
        """Name of the split that a config's own rows are."""
        return OWN_SPLIT if config in SHARED_CONFIGS else self.split

    def fingerprints(self) -> list[str]:
        """Digests of the models that wrote the responses, as the sampling settings name them."""
        named = (json.loads(text).get("policy") for text in self.rows["settings"]["settings"])
        return sorted({name for name in named if isinstance(name, str)})


def input_of(n_rows: int, *paths: Path) -> Input:
    """The digests of a table's files, or of a folder of tables."""
    return Input(n_rows, [_digest(path) for path in paths])


def _digest(path: Path) -> str:
    if path.is_dir():
        listed = "".join(f"{file.name} {_digest(file)}\n" for file in sorted(path.glob("*.parquet")))
        return hashlib.sha256(listed.encode()).hexdigest()
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
