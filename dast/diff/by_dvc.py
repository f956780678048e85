"""DVC's own diffs of params, metrics and plots between two sides.

Guarantees: every number is DVC's; rounds are compared through their private refs, whole revisions as they are, so that
the same commands given by hand say the same. Grain: one changed parameter or metric.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dast.diff.sides import SHORT, Side
from dast.dvc import read_dvc, run_dvc
from dast.errors import CommandError
from dast.git import commit_of, run_git
from dast.report.metrics import read_rounds
from dast.rounds import REF_PREFIX, Project, write_refs

Changes = Mapping[str, Mapping[str, Any]]
"""Old and new by a parameter's or metric's dotted name."""

_TARGETS = {"params": "params.yaml", "metrics": "data/report/summary.json"}
"""What holds the params and metrics of every round of a revision once; DVC would list each round's own files too."""


@dataclass(frozen=True)
class Revisions:
    """What DVC is asked to compare."""

    root: Path
    names: tuple[str, str]
    whole: bool

    def command(self, kind: str) -> list[str]:
        """Arguments of `dvc`."""
        targets = ["--targets", _TARGETS[kind]] if self.whole and kind in _TARGETS else []
        return [kind, "diff", *self.names, *targets]


def revisions(project: Project, first: Side, second: Side) -> Revisions:
    """Names that DVC knows of both sides; the private refs of every round here, and of both sides, are written anew.

    Raises:
        CommandError: a repository without a commit.
    """
    # DVC 3.67 answers every diff with nothing, and no error, while HEAD has no commit.
    if commit_of(project.root, "HEAD") is None:
        raise CommandError("no commit yet, so DVC compares nothing; commit the project first")
    if first.whole and second.whole:
        return Revisions(project.root, (str(first.commit)[:SHORT], str(second.commit)[:SHORT]), whole=True)
    write_refs(project, read_rounds(project.root / project.metrics))
    for side in (first, second):
        if side.commit:
            write_refs(project, side.rounds, side.suffix)
    first_name, second_name = (
        f"{REF_PREFIX.removeprefix('refs/')}{side.rounds[0].name}{side.suffix}" for side in (first, second)
    )
    return Revisions(project.root, (first_name, second_name), whole=False)


def changes(asked: Revisions, kinds: Collection[str]) -> dict[str, Changes]:
    """What differs, of `params` and `metrics`; DVC is asked for both at once, since it takes seconds to start."""
    with ThreadPoolExecutor() as pool:
        found = {kind: pool.submit(read_dvc, asked.command(kind), asked.root) for kind in kinds}
        return {kind: _flat(answer.result()) for kind, answer in found.items()}


def changed_tables(asked: Revisions, tables: Collection[str]) -> list[str]:
    """Tables that plots read and that differ."""
    return run_git(asked.root, "diff", "--name-only", "--relative", *asked.names, "--", *sorted(tables)).splitlines()


def plots_page(asked: Revisions, folder: Path) -> Path:
    """Writes DVC's page of the plots of both below `folder`; gives the page's path below the root."""
    run_dvc([*asked.command("plots"), "--out", str(folder)], asked.root)
    return folder / "index.html"


def _flat(answer: Mapping[str, Any]) -> Changes:
    """Changes by dotted name, whichever of the compared files holds them."""
    return {
        name: {"old": change.get("old"), "new": change.get("new")}
        for _, found in sorted(answer.items())
        if isinstance(found, Mapping)
        for name, change in sorted(found.items())
    }
