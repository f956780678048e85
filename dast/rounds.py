"""Rounds as private git refs, so that DVC's own diffs compare them: `dvc params diff dast/r1 dast/r2`.

Guarantees: git plumbing alone, so neither the index nor the working tree nor any branch is touched; equal small files
give the same commit id on every machine; `refs/dast/*` is never pushed by default. Grain: one orphan commit a round.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dast.dvc import read_dvc, run_dvc
from dast.errors import CommandError
from dast.params.project import load_yaml
from dast.params.writing import yaml_text
from dast.report.metrics import RoundMetrics, gather, read_rounds

REF_PREFIX = "refs/dast/"

_SIGNED = {
    f"GIT_{who}_{key}": value
    for who in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "dast"), ("EMAIL", "dast@localhost"), ("DATE", "1700000000 +0000"))
}
"""Constant, so that a commit's id depends on its files alone."""


@dataclass(frozen=True)
class Project:
    """Where things lie: the repository's root, and below it the small files and the report's tables."""

    root: Path
    metrics: PurePosixPath
    tables: Mapping[str, str]
    """Tables that plots read: path below the root, and the file of a round that it gathers."""


def compare(project: Project, first: str, second: str, style: str) -> str:
    """DVC's diffs of params and metrics between two rounds.

    Args:
        project: Where things lie.
        first: A round's name, or `base`.
        second: Likewise.
        style: `text`, `md` or `json`.

    Raises:
        CommandError: a round without small files; lists those that have some.
    """
    rounds = _rounds(project, (first, second))
    revisions = _point(project, rounds)
    if style == "json":
        found = {kind: read_dvc([kind, "diff", *revisions], project.root) for kind in ("params", "metrics")}
        return json.dumps(found, indent=2, sort_keys=True) + "\n"
    flags = ["--md"] if style == "md" else []
    mark = "## " if style == "md" else ""
    bare = [entry.name for entry in rounds if not entry.params]
    blocks = []
    for kind in ("params", "metrics"):
        if kind == "params" and bare:
            shown = f"{' and '.join(bare)}: no settings of its own."
        else:
            shown = run_dvc([kind, "diff", *flags, *revisions], project.root).strip() or "No difference."
        blocks.append(f"{mark}{kind.capitalize()}, {first} to {second}\n\n{shown}\n")
    return "\n".join(blocks)


def compare_plots(project: Project, first: str, second: str, folder: Path) -> Path:
    """Writes DVC's page of plots of both rounds below `folder`; gives the page's path below the root.

    Raises:
        CommandError: as `compare`.
    """
    revisions = _point(project, _rounds(project, (first, second)))
    run_dvc(["plots", "diff", *revisions, "--out", str(folder)], project.root)
    return folder / "index.html"


def write_refs(project: Project, rounds: Sequence[RoundMetrics]) -> dict[str, str]:
    """Points `refs/dast/<round>` of every round at its small files; gives the commits' ids."""
    pipeline = project.root / "dvc.yaml"
    plots = load_yaml(pipeline).get("plots", []) if pipeline.exists() else []
    ids = {}
    for entry in rounds:
        tree = _tree(project.root, files_of(entry, plots, project.tables))
        commit = _git(project.root, "commit-tree", tree, "-m", f"dast round {entry.name}")
        _git(project.root, "update-ref", f"{REF_PREFIX}{entry.name}", commit)
        ids[entry.name] = commit
    return ids


def files_of(entry: RoundMetrics, plots: Sequence[Any], tables: Mapping[str, str]) -> dict[str, str]:
    """Text of each file of a round's commit, by path.

    Args:
        entry: The round.
        plots: The pipeline's plots; those of a table that the round lacks are left out.
        tables: As in `Project`.
    """
    gathered = {path: gather([entry], source, ()) for path, source in tables.items()}
    texts = {path: _csv_text(header, rows) for path, (header, rows) in gathered.items() if rows}
    kept = [plot for plot in plots if any(path in texts for path in _paths_in(plot))]
    pipeline = {"params": ["params.yaml"], "metrics": ["metrics.json"], "plots": kept}
    return {
        "dvc.yaml": yaml_text(pipeline),
        "params.yaml": yaml_text(entry.params),
        "metrics.json": json.dumps(entry.numbers(), indent=1, sort_keys=True) + "\n",
        **texts,
    }


def _rounds(project: Project, names: Sequence[str]) -> list[RoundMetrics]:
    rounds = {entry.name: entry for entry in read_rounds(project.root / project.metrics)}
    known = list(rounds)
    unknown = [name for name in names if name not in known]
    if unknown:
        listed = ", ".join(known) or "none; run dvc repro first"
        raise CommandError(
            f"no small files of {', '.join(unknown)} in {project.metrics}; rounds that have some: {listed}"
        )
    return [rounds[name] for name in names]


def _point(project: Project, rounds: Sequence[RoundMetrics]) -> list[str]:
    # DVC 3.67 answers every diff with nothing, and no error, while HEAD has no commit.
    try:
        _git(project.root, "rev-parse", "--verify", "HEAD")
    except CommandError as error:
        raise CommandError("no commit yet, so DVC compares nothing; commit the project first") from error
    write_refs(project, rounds)
    return [f"{REF_PREFIX.removeprefix('refs/')}{entry.name}" for entry in rounds]


def _paths_in(plot: object) -> set[str]:
    """Files that a plot of dvc.yaml names: keys of its `x` and `y`, or its own name."""
    if not isinstance(plot, Mapping):
        return {str(plot)}
    axes = [about.get(axis) for about in plot.values() if isinstance(about, Mapping) for axis in ("x", "y")]
    return {*map(str, plot), *(str(path) for axis in axes if isinstance(axis, Mapping) for path in axis)}


def _tree(root: Path, files: Mapping[str, str]) -> str:
    below: dict[str, dict[str, str]] = {}
    lines = []
    for path, text in files.items():
        head, slash, rest = path.partition("/")
        if slash:
            below.setdefault(head, {})[rest] = text
        else:
            lines.append(f"100644 blob {_git(root, 'hash-object', '-w', '--stdin', given=text)}\t{path}")
    lines += [f"040000 tree {_tree(root, inside)}\t{name}" for name, inside in below.items()]
    return _git(root, "mktree", given="\n".join(lines) + "\n")


def _csv_text(header: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _git(root: Path, *arguments: str, given: str = "") -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=root,
        input=given.encode(),
        env={**os.environ, **_SIGNED},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise CommandError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode().strip()
