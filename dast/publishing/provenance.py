"""Where an output comes from: the commit that first recorded it, DVC's digests of it and of what it was made from.

Guarantees: what is traced is what git and dvc.lock record: uncommitted changes and outputs that differ are refused.
The commit depends on the output's content alone, so that committing something else, a receipt say, changes no card.
Grain: one output of a stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dast.dvc import read_dvc
from dast.errors import PublishError
from dast.git import run_git
from dast.publishing.lock import Digests, Lock

LOCK = "dvc.lock"

_SHOWN = 3


@dataclass(frozen=True)
class Provenance:
    """What a card says of an output's origin."""

    commit: str
    """The first whose dvc.lock holds this output."""
    stage: str
    path: str
    digest: str
    inputs: Digests
    newer: tuple[str, ...]
    """Code or params that have changed since the stage ran; the output is still the recorded one."""


def trace(root: Path, lock: Lock, path: str, receipts: str) -> Provenance:
    """Where the output at `path` comes from.

    Args:
        root: The project's folder.
        lock: Its dvc.lock.
        path: Below the root, as in dvc.lock.
        receipts: Folder below the root whose changes do not count: publishing itself writes there.

    Raises:
        PublishError: an output that is unknown, not as recorded, older than what it was made from, or not committed.
        CommandError: git or DVC failed.
    """
    stage = lock.maker_of(path)
    if stage is None:
        raise PublishError(f"{LOCK} records no {path}; run the stage that makes it, and commit")
    refuse_dirty(root, receipts)
    if stale := lock.stale_inputs(stage):
        raise PublishError(f"{path}: made from an older {_few(stale)}; run `dvc repro {stage.name}`, and commit")
    told = _status(root, stage.name)
    if how := _changed(told, "outs").get(path):
        raise PublishError(
            f"{path}: {how}, so not what {LOCK} records; `dvc checkout {path}` (or `dvc pull {path}`) brings that "
            f"back, `dvc repro {stage.name}` makes it anew"
        )
    newer = tuple(name for name, how in _changed(told, "deps").items() if how != "deleted")
    commit = first_commit_with(root, stage.outputs[path])
    return Provenance(commit, stage.name, path, stage.outputs[path], lock.made_inputs(stage), newer)


def refuse_dirty(root: Path, receipts: str) -> None:
    """Holds the working tree against HEAD; files that git does not know count, ignored ones do not.

    Raises:
        PublishError: something is not committed.
    """
    lines = run_git(root, "status", "--porcelain", "--", ".", f":(exclude){receipts}").splitlines()
    if lines:
        names = [line[3:] for line in lines]
        raise PublishError(f"not committed: {_few(names)}; commit or stash first: a card names the commit that made it")


def first_commit_with(root: Path, digest: str) -> str:
    """The oldest commit here that brought a digest into dvc.lock.

    Raises:
        PublishError: no commit did.
    """
    # -m: a merge that was settled by hand may hold what neither side does.
    found = run_git(
        root, "log", "-m", "-s", "--topo-order", "--reverse", "--format=%H", f"-S{digest}", "--", LOCK
    ).split()
    if not found:
        raise PublishError(f"{LOCK} with this output is in no commit; commit it: a card names the commit that made it")
    return found[0]


def _status(root: Path, stage: str) -> list[Any]:
    told = read_dvc(["status", stage], root).get(stage, [])
    return list(told)


def _changed(told: list[Any], kind: str) -> dict[str, str]:
    """What DVC finds changed of a stage since it ran, among its `deps` or `outs`: `modified`, `new` or `deleted`."""
    found = [entry.get(f"changed {kind}", {}) for entry in told if isinstance(entry, dict)]
    # Of a file of params DVC tells each key.
    return {path: how if isinstance(how, str) else "modified" for one in found for path, how in one.items()}


def _few(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
