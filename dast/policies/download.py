"""Model folders from the Hugging Face Hub, at a pinned commit; the one module that downloads models.

Guarantees: the folder holds weights, tokenizer, configs and card of that commit, and no download bookkeeping, so that
equal commits give equal folders. Grain: one model.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download

from dast.errors import ModelError

_WANTED = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "README.md"]
_UNWANTED = ["original/*", "onnx/*", "*/*.safetensors"]
"""Second copies of the weights: some repositories double their size with them."""


_SMALL = ["*.json", "*.jinja", "*.txt", "*.model"]
"""Config and tokenizer."""


def download_small(hub_id: str, revision: str, kept_only: bool) -> Path:
    """The folder, in the Hub's own cache, with a model's files but its weights; with `kept_only` nothing is asked.

    Raises:
        ModelError: as `download_model`.
    """
    chosen = {"allow_patterns": _SMALL, "ignore_patterns": _UNWANTED, "local_files_only": kept_only}
    return Path(_snapshot(hub_id, revision, **chosen))


def download_model(hub_id: str, revision: str, folder: Path) -> None:
    """Downloads a model into `folder`.

    Raises:
        ModelError: the Hub does not give this model at this commit (no such thing, no access, no network).
    """
    _snapshot(hub_id, revision, local_dir=folder, allow_patterns=_WANTED, ignore_patterns=_UNWANTED)
    shutil.rmtree(folder / ".cache", ignore_errors=True)


def _snapshot(hub_id: str, revision: str, **chosen: Any) -> str:
    try:
        return str(snapshot_download(hub_id, revision=revision, **chosen))
    # HTTP, access, cache and disk faults have no common base class here.
    except Exception as error:
        told = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelError(f"{hub_id} at {revision}: cannot be downloaded: {told}") from error
