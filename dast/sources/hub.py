"""Rows of a dataset on the Hugging Face Hub, at a pinned commit; the one module that imports `datasets`' loader.

Guarantees: rows as the files hold them, in order; images and sounds stay undecoded. Grain: one row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from datasets import load_dataset

from dast.errors import DataError

_CHUNK = 1_000


def dataset_rows(hub_id: str, config: str | None, split: str, revision: str) -> Iterator[dict[str, Any]]:
    """Rows of one split.

    Raises:
        DataError: the Hub or the dataset's files do not give this split at this commit.
    """
    try:
        data = load_dataset(hub_id, config, split=split, revision=revision)
    # The loader has no common base class: HTTP, missing files, unknown configs and broken files each raise their own.
    except Exception as error:
        told = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{hub_id} ({config or 'default'}, {split}) at {revision}: cannot be loaded: {told}") from error
    # Arrow batches leave images undecoded: decoding wants a further package, and a test set may hold some.
    for batch in data.with_format("arrow").iter(batch_size=_CHUNK):
        yield from batch.to_pylist()
