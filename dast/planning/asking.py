"""What `dvc repro` would run, asked of DVC itself.

Guarantees: of the pipeline only the group `resolve` is run, and only where it would write something else than stands
there; the answer is right whether it was pending or not. Grain: one `Plan` a project.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dast.dvc import read_dvc, run_dvc
from dast.params.project import Project, load_yaml
from dast.params.writing import yaml_text
from dast.planning.graph import Graph, parse_graph
from dast.planning.pending import Pending, pending

RESOLVE = "resolve"
PARAMS_FILE = "params.yaml"


@dataclass(frozen=True)
class Plan:
    """Every stage, and those that would run; both in pipeline order."""

    stages: tuple[str, ...]
    pending: tuple[Pending, ...]

    @property
    def reused(self) -> tuple[str, ...]:
        """Stages whose outputs stay as they are."""
        running = {item.stage for item in self.pending}
        return tuple(name for name in self.stages if name not in running)


def plan(root: Path, project: Project, metrics: PurePosixPath) -> Plan:
    """What would run in the DVC repository at `root`.

    Args:
        root: Where dvc.yaml and the params lie.
        project: The params.
        metrics: Folder of the rounds' small files, below the root.

    Raises:
        CommandError: DVC ends in an error.
    """
    # While `resolve` is pending DVC sees old parameters everywhere else.
    if not _is_resolved(project, root / metrics):
        _resolve(root)
    status, graph, recorded = _ask(root)
    if any(name.partition("@")[0] == RESOLVE for name in status):  # its code changed, say
        _resolve(root)
        status, graph, recorded = _ask(root)
    return Plan(graph.order, tuple(pending(status, graph, recorded, root)))


def _is_resolved(project: Project, metrics: Path) -> bool:
    """Whether every round's settings stand as `resolve` would write them."""
    return all(
        path.exists() and path.read_text(encoding="utf-8") == yaml_text(project.settings_of(name))
        for name in project.rounds
        for path in (metrics / name / PARAMS_FILE,)
    )


def _resolve(root: Path) -> None:
    run_dvc(["repro", "--single-item", RESOLVE], root)  # -s runs nothing but it


def _ask(root: Path) -> tuple[dict[str, Any], Graph, Mapping[str, Any]]:
    # DVC takes seconds for each: both are asked at once, and dvc.lock (half a second) is read meanwhile.
    with ThreadPoolExecutor() as pool:
        status = pool.submit(read_dvc, ["status"], root)
        graph = pool.submit(run_dvc, ["dag", "--dot"], root)
        lock = root / "dvc.lock"
        recorded = load_yaml(lock).get("stages", {}) if lock.exists() else {}
        return status.result(), parse_graph(graph.result()), recorded
