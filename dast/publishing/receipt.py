"""What was published where, kept in git: one file a repository, one entry a publication.

Guarantees: entries are only added; a publication that changed nothing adds none. Grain: one publication.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from dast.publishing.files import LocalFile
from dast.publishing.plan import Target
from dast.publishing.provenance import Provenance
from dast.smallfiles import read_json, write_json


def receipt_path(receipts: Path, target: Target) -> Path:
    """The file of a repository."""
    return receipts / f"{target.kind}s" / f"{target.name}.json"


def add_receipt(path: Path, target: Target, origin: Provenance, files: Sequence[LocalFile], revision: str) -> bool:
    """Adds an entry, unless the same revision and tag have one; gives whether it did."""
    earlier = read_json(path)["published"] if path.exists() else []
    if any((one["revision"], one["tag"]) == (revision, target.tag) for one in earlier):
        return False
    entry = {
        "revision": revision,
        "tag": target.tag,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": origin.commit,
        "output": {"path": origin.path, "md5": origin.digest},
        "sha256": {file.path: file.sha256 for file in files},
    }
    write_json(path, {"repository": target.name, "kind": target.kind, "published": [*earlier, entry]})
    return True
