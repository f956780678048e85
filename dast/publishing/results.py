"""What training on a round's set gave: known only when the line has gone on past packaging.

Guarantees: figures are the round's small files' own, and only where dvc.lock says that they are of the model that was
trained on these very tables. Grain: one round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dast.publishing.lock import Lock
from dast.report.accuracy import by_test_set
from dast.smallfiles import read_csv, read_json


@dataclass(frozen=True)
class Places:
    """Paths below the project's root, as dvc.lock writes them."""

    model: str
    training: str
    """What the run did, as JSON."""
    accuracy: Mapping[str, str]
    """Accuracy on the test sets, by model: the one to compare with first, then the round's."""


@dataclass(frozen=True)
class Results:
    """A trained model, and how it answers the test sets."""

    digest: str
    """DVC's MD5 of the model's folder."""
    training: Mapping[str, Any]
    accuracy: list[dict[str, str]]
    """One row a test set and model, as the report has them."""


def read_results(root: Path, lock: Lock, places: Places) -> Results | None:
    """The figures; None where something was not made yet, or is older than what it was made from.

    Raises:
        DataError: a small file that dvc.lock records is not there.
    """
    makers = [lock.maker_of(path) for path in (places.model, places.training, *places.accuracy.values())]
    if any(maker is None or lock.stale_inputs(maker) for maker in makers):
        return None
    rows = [{"round": name, **row} for name, path in places.accuracy.items() for row in read_csv(root / path)]
    return Results(lock.digests[places.model], read_json(root / places.training), by_test_set(rows))
