"""Policies that a project still names: those of its rounds, here and at the tips of its branches.

Guarantees: a policy that a round here, or the small files at a branch, tag, remote branch or DVC experiment, names is
found; where a round's policy is named and its fingerprint is not known here, its name is. Grain: one policy.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dast.errors import DataError, ModelError
from dast.params.project import Project
from dast.policies.folder import fingerprint
from dast.smallfiles import read_json

BASE = "base"

_FILES = {"bootstrap.json": "digest", "train.json": "fingerprint"}
"""Small files that name a policy, and the key that holds its fingerprint."""

_HEXADECIMAL = re.compile(r'"([0-9a-f]{64})"')
_REFS_A_CALL = 100


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
    refs = _git(root, "for-each-ref", "--format=%(objectname)")
    for start in range(0, len(refs), _REFS_A_CALL):
        paths = [f":(glob){metrics}/*/{file}" for file in _FILES]
        keys = "|".join(_FILES.values())
        asked = ["grep", "-h", "-E", f'"({keys})": "[0-9a-f]{{64}}"', *refs[start : start + _REFS_A_CALL], "--", *paths]
        for line in _git(root, *asked):
            yield from _HEXADECIMAL.findall(line)


def _git(root: Path, *arguments: str) -> Sequence[str]:
    """Lines that git gives; none where it fails, as `grep` does without a match."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []
