"""Rounds as private git refs, so that DVC's own commands compare them: `dvc params diff dast/r1 dast/r2`.

Guarantees: neither the index nor the working tree nor any branch is touched; equal small files give the same commit id
on every machine; `refs/dast/*` is never pushed by default. Grain: one orphan commit a round.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dast.git import run_git
from dast.params.project import load_yaml
from dast.params.writing import yaml_text
from dast.report.ledger import HEADER, ledger_rows
from dast.report.metrics import RoundMetrics, gather

REF_PREFIX = "refs/dast/"
LEDGER = "ledger"
"""A table that the report makes of several of a round's files, and so does this module."""

_WHO = "dast <dast@localhost> 1700000000 +0000"
"""Constant, so that a commit's id depends on its files alone."""


@dataclass(frozen=True)
class Project:
    """Where things lie: the repository's root, and below it the small files and the report's tables."""

    root: Path
    metrics: PurePosixPath
    tables: Mapping[str, str]
    """Tables that plots read: path below the root, and the file of a round that it gathers."""


def write_refs(project: Project, rounds: Iterable[RoundMetrics], suffix: str = "") -> dict[str, str]:
    """Points `refs/dast/<round><suffix>` of every round at its small files; gives the commits' ids by round."""
    pipeline = project.root / "dvc.yaml"
    plots = load_yaml(pipeline).get("plots", []) if pipeline.exists() else []
    refs = {entry: f"{REF_PREFIX}{entry.name}{suffix}" for entry in rounds}
    given = b"".join(
        part for entry, ref in refs.items() for part in _import(ref, entry, files_of(entry, plots, project.tables))
    )
    # One process for all: it writes commits and refs, and knows of no index. Refs move to what is no child: --force.
    run_git(project.root, "fast-import", "--quiet", "--force", given=given)
    listed = run_git(project.root, "for-each-ref", "--format=%(refname) %(objectname)", REF_PREFIX).splitlines()
    ids = dict(line.split(" ") for line in listed)
    return {entry.name: ids[ref] for entry, ref in refs.items()}


def files_of(entry: RoundMetrics, plots: Sequence[Any], tables: Mapping[str, str]) -> dict[str, str]:
    """Text of each file of a round's commit, by path.

    Args:
        entry: The round.
        plots: The pipeline's plots; those of a table that the round lacks are left out.
        tables: As in `Project`.
    """
    gathered = {path: _gathered(entry, source) for path, source in tables.items()}
    texts = {path: _csv_text(header, rows) for path, (header, rows) in gathered.items() if rows}
    kept = [plot for plot in plots if any(path in texts for path in _paths_in(plot))]
    pipeline = {"params": ["params.yaml"], "metrics": ["metrics.json"], "plots": kept}
    return {
        "dvc.yaml": yaml_text(pipeline),
        "params.yaml": yaml_text(entry.params),
        "metrics.json": json.dumps(entry.numbers(), indent=1, sort_keys=True) + "\n",
        **texts,
    }


def _gathered(entry: RoundMetrics, source: str) -> tuple[Sequence[str], Sequence[Mapping[str, Any]]]:
    if source == LEDGER:
        return HEADER, ledger_rows([entry])
    return gather([entry], source, ())


def _import(ref: str, entry: RoundMetrics, files: Mapping[str, str]) -> Iterator[bytes]:
    """A commit without a parent, as git's fast-import reads it."""
    yield f"reset {ref}\ncommit {ref}\nauthor {_WHO}\ncommitter {_WHO}\n".encode()
    yield _data(f"dast round {entry.name}\n")
    for path, text in files.items():
        yield f"M 100644 inline {path}\n".encode()
        yield _data(text)


def _data(text: str) -> bytes:
    content = text.encode()
    return b"data %d\n%s\n" % (len(content), content)


def _paths_in(plot: object) -> set[str]:
    """Files that a plot of dvc.yaml names: keys of its `x` and `y`, or its own name."""
    if not isinstance(plot, Mapping):
        return {str(plot)}
    axes = [about.get(axis) for about in plot.values() if isinstance(about, Mapping) for axis in ("x", "y")]
    return {*map(str, plot), *(str(path) for axis in axes if isinstance(axis, Mapping) for path in axis)}


def _csv_text(header: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
