"""Adapters (LoRA): a model folder that holds changes to another model, its base, instead of a whole model.

Guarantees: the base is a folder that is there; a base on a hub is refused, since nothing here pins it. Only files are
looked at. Grain: one folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dast.errors import DataError, ModelError
from dast.smallfiles import read_json

CONFIG = "adapter_config.json"


@dataclass(frozen=True)
class Adapter:
    """An adapter's folder, the folder of its base, and its largest rank."""

    folder: Path
    base: Path
    rank: int


def read_adapter(folder: Path) -> Adapter | None:
    """The adapter that a model folder holds; None for a whole model.

    Raises:
        ModelError: the adapter's config cannot be read, or its base is not there.
    """
    if not (folder / CONFIG).is_file():
        return None
    try:
        config = read_json(folder / CONFIG)
    except DataError as error:
        raise ModelError(f"{folder / CONFIG}: cannot be read ({error}); save the adapter again") from error
    ranks = [config.get("r"), *(config.get("rank_pattern") or {}).values()]
    if not all(isinstance(rank, int) and rank > 0 for rank in ranks):
        raise ModelError(f"{folder / CONFIG}: no rank r; only LoRA adapters can be used")
    return Adapter(folder, _base_folder(folder, str(config.get("base_model_name_or_path"))), max(ranks))


def tokenizer_folder(folder: Path, adapter: Adapter | None) -> Path:
    """Where the tokenizer is: beside an adapter if it was saved there, else with its base."""
    return folder if adapter is None or (folder / "tokenizer_config.json").is_file() else adapter.base


def _base_folder(folder: Path, named: str) -> Path:
    # `models/base` is named as seen from the project's root, which may be another project's: beside the adapter first.
    path = Path(named)
    for candidate in (path,) if path.is_absolute() else (folder.parent / path.name, path):
        if (candidate / "config.json").is_file():
            return candidate
    raise ModelError(f"{folder / CONFIG}: base_model_name_or_path: no model folder {named}; name the adapter's base")
