"""What publishing would change on the Hub, told before it is done.

Guarantees: pure; a tag that marks other content, and a public repository that is asked for as private, are refused
here, before anything is sent. Grain: one file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dast.errors import PublishError
from dast.progress import size
from dast.publishing.files import LocalFile

Kind = Literal["dataset", "model"]

HUBS_OWN = frozenset((".gitattributes",))
"""Files that the Hub makes and that stay."""


@dataclass(frozen=True)
class RemoteFile:
    """A file on the Hub."""

    path: str
    n_bytes: int
    digest: str
    """SHA-256 where it is kept as a large file, else git's blob id."""
    large: bool

    def holds(self, file: LocalFile) -> bool:
        """Whether its content is that of `file`."""
        return self.digest == (file.sha256 if self.large else file.blob_id())


Tree = Mapping[str, RemoteFile]


@dataclass(frozen=True)
class Remote:
    """A repository as it stands."""

    head: str
    """Commit of its main branch."""
    private: bool
    files: Tree
    tagged: Tree | None
    """What the wanted tag marks; None where there is no such tag."""


@dataclass(frozen=True)
class Target:
    """What to publish as what."""

    name: str
    """user/name"""
    kind: Kind
    private: bool
    """Whether it is to be seen by its owner alone."""
    tag: str | None


@dataclass(frozen=True)
class Change:
    """A file to add, change or remove."""

    how: Literal["add", "change", "remove"]
    path: str
    n_bytes: int
    was_bytes: int


@dataclass(frozen=True)
class Plan:
    """What publishing would do."""

    target: Target
    remote: Remote | None
    """None: the repository is to be made, or could not be asked."""
    files: Sequence[LocalFile]
    changes: Sequence[Change]

    @property
    def makes_tag(self) -> bool:
        """Whether a tag was asked for that is not there."""
        return self.target.tag is not None and (self.remote is None or self.remote.tagged is None)

    @property
    def uploads(self) -> list[LocalFile]:
        """Files that are new on the Hub, or other than there."""
        wanted = {change.path for change in self.changes if change.how != "remove"}
        return [file for file in self.files if file.path in wanted]

    def told(self) -> str:
        """The plan for a person: a line a file, the sums, the tag."""
        width = max((len(change.path) for change in self.changes), default=0)
        counts = {how: sum(change.how == how for change in self.changes) for how in ("add", "change", "remove")}
        n_kept = len(self.files) - len(self.uploads)
        sums = (
            f"{counts['add']} to add, {counts['change']} to change, {counts['remove']} to remove, {n_kept} as they are"
        )
        return "\n".join(
            [
                f"{self.target.kind} {self.target.name} ({self._standing()})",
                *(f"  {change.how:<6}  {change.path:<{width}}  {_sizes(change)}" for change in self.changes),
                f"  {sums}; {size(sum(file.n_bytes for file in self.uploads))} to upload",
                *([f"  tag {self.target.tag}: {self._tag()}"] if self.target.tag else []),
            ]
        )

    def _standing(self) -> str:
        if self.remote is None:
            return f"to be made, {'private' if self.target.private else 'public'}"
        return f"{'private' if self.remote.private else 'public'}, at {self.remote.head[:12]}"

    def _tag(self) -> str:
        return "new" if self.makes_tag else "marks this content already"


def make_plan(target: Target, files: Sequence[LocalFile], remote: Remote | None) -> Plan:
    """What it takes to bring a repository to hold `files` and nothing else.

    Raises:
        PublishError: the tag marks other content, or the repository is public and was asked for as private.
    """
    if remote is not None and remote.tagged is not None and (others := compare(files, remote.tagged)):
        raise PublishError(
            f"{target.name}: tag {target.tag} marks other content ({others[0].path}, for one); nothing was uploaded, "
            "choose another tag"
        )
    if remote is not None and target.private and not remote.private:
        raise PublishError(
            f"{target.name}: is public, and --private makes only a new repository private; nothing was uploaded, make "
            "it private in its settings, or leave out --private"
        )
    return Plan(target, remote, files, compare(files, {} if remote is None else remote.files))


def compare(files: Sequence[LocalFile], there: Tree) -> list[Change]:
    """What differs, sorted by path; the Hub's own files do not count."""
    here = {file.path: file for file in files}
    gone = [
        Change("remove", path, 0, there[path].n_bytes) for path in there if path not in here and path not in HUBS_OWN
    ]
    added = [Change("add", path, file.n_bytes, 0) for path, file in here.items() if path not in there]
    changed = [
        Change("change", path, file.n_bytes, there[path].n_bytes)
        for path, file in here.items()
        if path in there and not there[path].holds(file)
    ]
    return sorted([*gone, *added, *changed], key=lambda change: change.path)


def _sizes(change: Change) -> str:
    if change.how == "change":
        return f"{size(change.n_bytes)}, was {size(change.was_bytes)}"
    return size(change.n_bytes or change.was_bytes)
