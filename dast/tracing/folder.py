"""Rounds in the folder of a package, as `dvc repro package` made it or as it was downloaded from the Hub.

Guarantees: settings, policy and commit are those that the cards state; what an `ids_only` package leaves out is told,
never guessed. Grain: one round.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from dast import tables
from dast.errors import CommandError, ParamsError, TableError
from dast.packaging.stated import Stated, read_card
from dast.tracing.material import Material, Recorded, scanned

CARD = "README.md"
WHOLE_SPLIT = "train"
"""The split of a package with one round, and of the queries, which all rounds share."""

_SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    **{name: tables.TABLES[name].schema for name in ("sft", "dpo", "queries", "prompts", "settings")},
    **{name: tables.TABLES[name].schema for name in ("difficulty", "allocation")},
    "rollouts": tables.GRADED.schema,
}
_WITHOUT_TEXTS = (
    "the package is ids_only: it has no text of the sources, nor the responses that began with a part of a reference "
    "solution or say the whole query"
)
_DROPPED = "rollouts that were dropped for what they have in common with test queries are not told apart in a package"


@dataclass(frozen=True)
class Folder:
    """A package's folder."""

    path: Path

    def rounds(self) -> list[str]:
        """The package's own round, then those that its policy came from."""
        return list(self._cards())

    def has(self, round_name: str, table: str) -> bool:
        """Whether a table of a round is there."""
        return bool(self._files(table, round_name))

    def material(self, round_name: str) -> Material:
        """What is at hand of a round.

        Raises:
            CommandError: the package holds no round of that name, or no card of this project.
        """
        cards = self._cards()
        if round_name not in cards:
            raise CommandError(f"{self.path}: no round {round_name} in this package; it has {', '.join(cards)}")
        told = cards[round_name]
        texts = not told.settings["package"]["ids_only"]
        levels = told.levels if told.levels in cards else round_name
        missing = {
            f"levels are those of {told.levels}, which is not in this package": levels != told.levels,
            _WITHOUT_TEXTS: not texts,
            _DROPPED: told.settings["contamination"]["action"] == "drop",
        }
        commit = next(iter(cards.values())).commit
        note = None if commit else "not published yet, so its card names no commit"
        return Material(
            *(told.round, told.policy, told.levels, told.settings),
            table=lambda name: self._table(name, levels if name == "difficulty" else round_name),
            recorded=lambda name, row: Recorded(commit, f"{self.path.name}/{name}", None, note),
            texts=texts,
            notes=tuple(note for note, holds in missing.items() if holds),
        )

    def _cards(self) -> dict[str, Stated]:
        card = self.path / CARD
        own = _read(card) if card.is_file() else None
        if own is None:
            raise CommandError(f"{self.path}: no card of a dataset of this project; name the folder with its {CARD}")
        cards = {own.round: own}
        while (card := self.path / f"{list(cards.values())[-1].policy}.md").is_file():
            earlier = _read(card)
            if earlier is None or earlier.round in cards:
                break
            cards[earlier.round] = earlier
        return cards

    def _files(self, table: str, round_name: str) -> list[Path]:
        split = WHOLE_SPLIT if table == "queries" else re.sub(r"\W", "_", round_name)
        found = sorted((self.path / table).glob(f"{split}-*.parquet"))
        alone = round_name == next(iter(self._cards()))
        return found or (sorted((self.path / table).glob(f"{WHOLE_SPLIT}-*.parquet")) if alone else [])

    def _table(self, table: str, round_name: str) -> pl.LazyFrame:
        schema = _SCHEMAS.get(table, {})
        if files := self._files(table, round_name):
            for file in files:
                scanned(file, str(file))
            rows = pl.scan_parquet(files)
            return rows.cast({name: schema[name] for name in rows.collect_schema().names() if name in schema})
        if table in ("prompts", "contamination"):  # what an ids_only package, or every package, does without
            return pl.LazyFrame(schema=tables.TABLES[table].schema)
        raise TableError(f"{self.path}: no {table} of {round_name}; download the whole dataset, not one config")


def _read(card: Path) -> Stated | None:
    """What the card says of itself; None for one that was not written here."""
    try:
        return read_card(card.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else f"not UTF-8 text: {error.reason}"
        raise CommandError(f"{card}: cannot be read ({said}); download it anew, or convert it") from error
    except ParamsError as error:
        raise CommandError(f"{card}: {error}") from error
