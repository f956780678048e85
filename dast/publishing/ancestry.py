"""Which model of the Hub a published model comes from: its card names it, and an adapter loads its base by that name.

Guarantees: a base is named where it came from the Hub, by its repository and its commit, else not at all; an adapter
whose base nobody else could load is refused. Only small files are read. Grain: one model folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from dast.engines.adapters import CONFIG, read_adapter
from dast.errors import PublishError
from dast.policies.folder import CARD, Policy, read_policy
from dast.smallfiles import read_json

_LICENCE = ("license", "license_name", "license_link")


@dataclass(frozen=True)
class Ancestry:
    """What is said of a model's base on the Hub."""

    stated: Mapping[str, Any]
    """For the card's metadata: `base_model`, `base_model_relation`, and the base's licence; empty for one made here."""
    instead: Mapping[str, str]
    """Text that stands in for files, by path."""


def ancestry_of(folder: Path) -> Ancestry:
    """What a model folder beside those of its ancestors says of its base.

    Raises:
        PublishError: an ancestor is not here, or the folder holds an adapter over a model that is not on the Hub.
        ModelError: a folder's card or the adapter's config cannot be read.
    """
    adapter = read_adapter(folder)
    base_folder = adapter.base if adapter else _first_ancestor(folder)
    base = read_policy(base_folder)
    if base.kind != "hub":
        if adapter:
            raise PublishError(
                f"{folder}: an adapter over {base_folder.name}, which is not on the Hub, so nobody else could load it; "
                "set train.lora.merge to true, and train again"
            )
        return Ancestry({}, {})
    stated = {"base_model": base.source, "base_model_relation": "adapter" if adapter else "finetune"}
    return Ancestry(stated | _licence_of(base_folder), _config(folder, base) if adapter else {})


def _first_ancestor(folder: Path) -> Path:
    while parent := _policy(folder).parent:
        folder = folder.parent / parent
    return folder


def _policy(folder: Path) -> Policy:
    if not (folder / CARD).is_file():
        raise PublishError(f"{folder}: not here, and the card is to say what it comes from; `dvc pull {folder}`")
    return read_policy(folder)


def _config(folder: Path, base: Policy) -> dict[str, str]:
    """An adapter's config by which peft loads its base from the Hub."""
    content = read_json(folder / CONFIG) | {"base_model_name_or_path": base.source, "revision": base.revision}
    return {CONFIG: json.dumps(content, indent=2, sort_keys=True) + "\n"}


def _licence_of(folder: Path) -> dict[str, Any]:
    """As the base's own card states it; nothing where it has no card or states none."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    head, matter, _ = (*text.split("---\n", 2), "", "")[:3]
    if head.strip():
        return {}
    try:
        content = YAML(typ="safe", pure=True).load(matter)
    except YAMLError:
        return {}
    return {key: content[key] for key in _LICENCE if key in content} if isinstance(content, dict) else {}
