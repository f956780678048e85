"""What a user's `A` and `B` name: a round here, a git revision, or a round at a revision.

Guarantees: a name of a round here is that round, whatever branch is called the same; nothing is checked out. Grain: one
side, one pair of rounds.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from dast.errors import CommandError
from dast.git import commit_of, run_git
from dast.report.metrics import BASE, RoundMetrics, read_rounds

SHORT = 12
"""Digits of a commit's id that are shown, and that a private ref holds."""


@dataclass(frozen=True)
class Side:
    """One side of a comparison."""

    text: str
    """As the user wrote it."""
    commit: str | None
    """None: the working tree."""
    rounds: tuple[RoundMetrics, ...]
    """What is compared: one round, or all of a revision."""
    whole: bool
    """Whether it is a revision as a whole."""

    @property
    def suffix(self) -> str:
        """What its private refs end in, so that those of a revision do not take the place of the working tree's."""
        return f"@{self.commit[:SHORT]}" if self.commit else ""


@dataclass(frozen=True)
class Pair:
    """Two rounds whose data are compared."""

    first: RoundMetrics
    second: RoundMetrics
    commits: tuple[str | None, str | None]
    """Where each is: a commit, or None for the working tree."""
    labels: tuple[str, str]


@contextmanager
def two_sides(root: Path, metrics: PurePosixPath, first: str, second: str) -> Iterator[tuple[Side, Side]]:
    """Both sides, whose small files can be read while the block runs.

    Args:
        root: The project's folder.
        metrics: Folder of the small files, below the root.
        first: As the user wrote it: `r1`, `main`, `main:r1`.
        second: Likewise.

    Raises:
        CommandError: neither a round nor a revision, a round without small files, or a round against a revision.
    """
    with TemporaryDirectory(prefix="dast-diff-") as folder:
        found = [_side(root, metrics, text, Path(folder) / str(place)) for place, text in enumerate((first, second))]
        for one, other in (found, found[::-1]):
            if one.whole and not other.whole:
                hint = f"{one.text}:{other.rounds[0].name}"
                raise CommandError(f"{one.text} is a revision and {other.text} a round; name its round too: {hint}")
        yield found[0], found[1]


def pairs(first: Side, second: Side) -> list[Pair]:
    """The rounds to compare; of two whole revisions those that both have, less the base."""
    commits = (first.commit, second.commit)
    if not first.whole:
        return [Pair(first.rounds[0], second.rounds[0], commits, (first.text, second.text))]
    theirs = {entry.name: entry for entry in second.rounds}
    return [
        Pair(entry, theirs[entry.name], commits, (f"{first.text}:{entry.name}", f"{second.text}:{entry.name}"))
        for entry in first.rounds
        if entry.name in theirs and entry.name != BASE
    ]


def _side(root: Path, metrics: PurePosixPath, text: str, folder: Path) -> Side:
    here = {entry.name: entry for entry in read_rounds(root / metrics)}
    if text in here:
        return Side(text, None, (here[text],), whole=False)
    revision, colon, name = text.rpartition(":") if ":" in text else (text, "", "")
    commit = commit_of(root, revision) if revision else None
    if commit is None:
        listed = ", ".join(here) or "none; run dvc repro first"
        raise CommandError(
            f"{revision or text}: no round with small files in {metrics}, and no git revision; rounds: {listed}"
        )
    rounds = {entry.name: entry for entry in read_rounds(_small_files(root, metrics, commit, folder))}
    if not colon:
        return Side(text, commit, tuple(rounds.values()), whole=True)
    if name not in rounds:
        raise CommandError(f"{text}: no small files of {name} there; rounds: {', '.join(rounds) or 'none'}")
    return Side(text, commit, (rounds[name],), whole=False)


def _small_files(root: Path, metrics: PurePosixPath, commit: str, folder: Path) -> Path:
    folder.mkdir()
    if run_git(root, "ls-tree", "--name-only", commit, f"{metrics}/"):
        packed = folder / "small.tar"
        run_git(root, "archive", f"--output={packed}", commit, str(metrics))
        shutil.unpack_archive(packed, folder)
    return folder / metrics
