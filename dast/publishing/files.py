"""The files to publish, with their digests; the folder itself is left as it lies.

Guarantees: what is published is what was read, file by file, with only the card, and an adapter's name of its
base, replaced. Grain: one file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dast.errors import PublishError


@dataclass(frozen=True)
class LocalFile:
    """A file to publish."""

    path: str
    """Below the repository's root."""
    content: Path | bytes
    n_bytes: int
    sha256: str

    def blob_id(self) -> str:
        """Git's id of the content, which the Hub tells of files that it keeps in git itself: small ones."""
        content = self.content if isinstance(self.content, bytes) else self.content.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def collect(folder: Path, instead: Mapping[str, str]) -> list[LocalFile]:
    """Every file below `folder`, sorted by path.

    Args:
        folder: As DVC has it.
        instead: Text that stands in for files, by path.

    Raises:
        PublishError: no such folder, or no file in it.
    """
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    if not paths:
        raise PublishError(f"{folder}: nothing there; `dvc pull {folder}`, or run the stage that makes it")
    files = {name: _from_disk(name, path) for name, path in paths.items()}
    files |= {name: _from_text(name, text) for name, text in instead.items()}
    return [files[name] for name in sorted(files)]


def _from_disk(name: str, path: Path) -> LocalFile:
    with path.open("rb") as handle:
        return LocalFile(name, path, path.stat().st_size, hashlib.file_digest(handle, "sha256").hexdigest())


def _from_text(name: str, text: str) -> LocalFile:
    content = text.encode()
    return LocalFile(name, content, len(content), hashlib.sha256(content).hexdigest())
