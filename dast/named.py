"""Policies that a project still names: those of its rounds, here and at the tips of its branches.

Guarantees: a policy that a round here, or the small files at a branch, tag, remote branch or DVC experiment, names is
found; where a round's policy is named and its fingerprint is not known here, its name is; where git cannot be asked, no
answer is given. Only a folder with no repository around it has no branches. Grain: one policy.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dast.errors import CommandError, DataError, ModelError
from dast.params.project import Project
from dast.policies.folder import fingerprint
from dast.smallfiles import read_json

BASE = "base"

_FILES = {"bootstrap.json": "digest", "train.json": "fingerprint"}
"""Small files that name a policy, and the key that holds its fingerprint."""

_HEXADECIMAL = re.compile(r'"([0-9a-f]{64})"')
_REFS_A_CALL = 100
_PASSED_OVER = ("error:", "warning: ignoring broken ref")
"""What git says of an object or branch that it cannot read, and goes on without."""
_NO_MATCH = 1
"""Exit status of `git grep` that found nothing; any other but 0 is a fault."""


@dataclass(frozen=True)
class Named:
    """Policies to keep."""

    fingerprints: frozenset[str]
    names: frozenset[str]
    """Names of policies whose fingerprint is not known here."""
    here: Mapping[str, frozenset[str]]
    """Fingerprints of the project's own policies, by name."""


def named_policies(root: Path, project: Project, models: PurePosixPath, metrics: PurePosixPath) -> Named:
    """Policies of the rounds of `project`, and of the small files at every tip of the repository at `root`.

    Args:
        root: The project's folder.
        project: Its params.
        models: Folder of the models, below the root.
        metrics: Folder of the small files, below the root.

    Raises:
        CommandError: git does not say what its branches hold, so a policy of theirs would count as named by no one.
    """
    names = {BASE, *project.rounds, *(one.policy for one in project.rounds.values())}
    here = {name: frozenset(_known(root, name, models, metrics)) for name in sorted(names)}
    found = {one for known in here.values() for one in known}
    unknown = frozenset(name for name in names if not here[name])
    return Named(frozenset({*found, *_at_tips(root, metrics)}), unknown, here)


def _known(root: Path, name: str, models: PurePosixPath, metrics: PurePosixPath) -> Iterator[str]:
    for file, key in _FILES.items():
        try:
            said = read_json(root / metrics / name / file).get(key)
        except DataError:  # not run yet
            continue
        if said:
            yield str(said)
    try:
        yield fingerprint(root / models / name)
    except ModelError:  # not here, or not whole
        return


def _at_tips(root: Path, metrics: PurePosixPath) -> Iterator[str]:
    if not _in_repository(root):
        return
    refs = _git(root, "for-each-ref", "--format=%(objectname)")
    for start in range(0, len(refs), _REFS_A_CALL):
        paths = [f":(glob){metrics}/*/{file}" for file in _FILES]
        keys = "|".join(_FILES.values())
        asked = ["grep", "-h", "-E", f'"({keys})": "[0-9a-f]{{64}}"', *refs[start : start + _REFS_A_CALL], "--", *paths]
        for line in _git(root, *asked, empty=_NO_MATCH):
            yield from _HEXADECIMAL.findall(line)


def _in_repository(root: Path) -> bool:
    """Whether there is a repository to ask, readable or not: a link to a `.git` that is not mounted is one, too."""
    here = root.resolve()
    marks = (folder / ".git" for folder in (here, *here.parents))
    return "GIT_DIR" in os.environ or any(mark.exists() or mark.is_symlink() for mark in marks)


def _git(root: Path, *arguments: str, empty: int = 0) -> Sequence[str]:
    """Lines that git gives; none where it ends with the status `empty`."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"}
        )
    except OSError as error:
        raise _unanswered(root, f"it does not start ({error.strerror})") from error
    said = done.stderr.decode(errors="replace")
    if done.returncode not in (0, empty) or any(line.startswith(_PASSED_OVER) for line in said.splitlines()):
        raise _unanswered(root, " ".join(said.split()) or f"status {done.returncode}")
    return done.stdout.decode(errors="replace").splitlines() if done.returncode == 0 else []


def _unanswered(root: Path, said: str) -> CommandError:
    return CommandError(
        f"{root}: git cannot be asked which branches, tags and experiments still name a policy, so nothing is deleted: "
        f"{said}; mend that, and run again"
    )
