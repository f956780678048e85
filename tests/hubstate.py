"""What a double of the Hub keeps, in memory: repositories with commits and tags, large objects, accounts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

LARGE = (".parquet", ".safetensors", ".png")
LARGE_BYTES = 10_000_000
"""Files of these endings, or at least this large, are kept as large objects, outside git."""

Body = dict[str, Any]


def is_large(path: str, n_bytes: int) -> bool:
    return path.endswith(LARGE) or n_bytes >= LARGE_BYTES


@dataclass(frozen=True)
class Account:
    """Whose a token is."""

    name: str
    orgs: tuple[str, ...] = ()
    role: str = "write"

    def owns(self, repository: str) -> bool:
        return repository.partition("/")[0] in (self.name, *self.orgs)


@dataclass(frozen=True)
class Stored:
    """A file at a commit."""

    content: bytes
    large: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def blob_id(self) -> str:
        """Git's id: of a large file's pointer, since git holds no more of it."""
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.content)}\n"
        held = pointer.encode() if self.large else self.content
        return hashlib.sha1(b"blob %d\0" % len(held) + held).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.large else self.blob_id

    def entry(self, path: str) -> Body:
        """As `tree` and `paths-info` tell it."""
        told = {"type": "file", "path": path, "oid": self.blob_id, "size": len(self.content)}
        large = {"lfs": {"oid": self.sha256, "size": len(self.content), "pointerSize": 134}} if self.large else {}
        return told | large


Files = Mapping[str, Stored]


@dataclass
class Repo:
    """A repository with one branch."""

    kind: str
    name: str
    private: bool = False
    gated: bool = False
    commits: dict[str, Files] = field(default_factory=dict)
    titles: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    head: str = ""

    def __post_init__(self) -> None:
        self.commit(
            {".gitattributes": Stored(b"*.parquet filter=lfs diff=lfs merge=lfs -text\n", False)}, "initial commit"
        )

    def commit(self, files: Files, title: str) -> str:
        told = json.dumps([self.head, title, sorted((path, file.blob_id) for path, file in files.items())])
        self.head = hashlib.sha1(told.encode()).hexdigest()
        self.commits[self.head] = dict(files)
        self.titles.append(title)
        return self.head

    def revision(self, name: str) -> str | None:
        known = {"main": self.head, "refs/heads/main": self.head, **self.tags}
        return known.get(name) or (name if name in self.commits else None)

    @property
    def files(self) -> Files:
        return self.commits[self.head]

    def about(self, revision: str) -> Body:
        """As `repo_info` tells it."""
        now = "2026-01-01T00:00:00.000Z"
        files = [{"rfilename": path} for path in sorted(self.commits[revision])]
        told = {"id": self.name, "sha": revision, "private": self.private, "gated": "manual" if self.gated else False}
        counts = {"disabled": False, "downloads": 0, "likes": 0, "tags": [], "lastModified": now, "createdAt": now}
        return {**told, **counts, "siblings": files}

    def tree(self, revision: str, below: str, recursive: bool) -> Iterator[Body]:
        """Files and folders below a folder, folders before what is in them."""
        folders: set[str] = set()
        for path, file in sorted(self.commits[revision].items()):
            if below and not path.startswith(f"{below}/"):
                continue
            inner = path[len(below) + 1 :].split("/") if below else path.split("/")
            for depth in range(1, len(inner) if recursive else min(2, len(inner))):
                folder = "/".join([*([below] if below else []), *inner[:depth]])
                if folder not in folders:
                    folders.add(folder)
                    yield folder_entry(folder)
            if recursive or len(inner) == 1:
                yield file.entry(path)


def folder_entry(path: str) -> Body:
    return {"type": "directory", "path": path, "oid": hashlib.sha1(path.encode()).hexdigest(), "size": 0}
