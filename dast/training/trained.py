"""What a training run did, as it is reported and as it is kept beside its model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from dast.errors import DataError
from dast.smallfiles import read_json, write_json

Method = Literal["sft", "dpo"]


@dataclass(frozen=True)
class Trained:
    """What a run did: `curve` has one row a logged step; losses are means over the steps since the row before."""

    n_rows: int
    steps: int
    epochs: float
    seconds: float
    """Of all its parts, where it was killed and went on; steps that were lost are not counted."""
    longest_tokens: int
    """Tokens of the longest row."""
    curve: list[dict[str, Any]]


def write_trained(path: Path, trained: Trained) -> None:
    """Writes it as JSON, whole or not at all."""
    write_json(path, asdict(trained))


def read_trained(path: Path) -> Trained | None:
    """What stands at `path`; None where nothing does, or what another version of this project wrote."""
    try:
        content = read_json(path)
    except DataError:
        return None
    return Trained(**content) if set(content) == {field.name for field in fields(Trained)} else None
