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

from dast.dvc import read_dvc, run_dvc, store_folder
from dast.params.project import Project, load_yaml
from dast.params.writing import yaml_text
from dast.planning.graph import parse_graph
from dast.planning.pending import Pending, pending

RESOLVE = "resolve"
PARAMS_FILE = "params.yaml"


@dataclass(frozen=True)
class Plan:
    """Every stage, and those that would run; both in pipeline order. Nothing of either where all is up to date."""

    stages: tuple[str, ...] = ()
    pending: tuple[Pending, ...] = ()
    store: Path | None = None
    """Where rollouts are kept; None where all is up to date."""

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
    status = read_dvc(["status"], root)
    if any(name.partition("@")[0] == RESOLVE for name in status):  # its code changed, say
        _resolve(root)
        status = read_dvc(["status"], root)
    return _explained(root, status) if status else Plan()


def _explained(root: Path, status: Mapping[str, Any]) -> Plan:
    # DVC takes a second or more to start: what else is to be known is asked for at once.
    with ThreadPoolExecutor() as pool:
        drawn = pool.submit(run_dvc, ["dag", "--dot"], root)
        store = pool.submit(store_folder, root)
        lock = root / "dvc.lock"
        recorded = load_yaml(lock).get("stages", {}) if lock.exists() else {}
        graph = parse_graph(drawn.result())
        return Plan(graph.order, tuple(pending(status, graph, recorded, root)), store.result())


def _is_resolved(project: Project, metrics: Path) -> bool:
    """Whether every round's settings stand as `resolve` would write them."""
    return all(
        path.exists() and path.read_text(encoding="utf-8") == yaml_text(project.settings_of(name))
        for name in project.rounds
        for path in (metrics / name / PARAMS_FILE,)
    )


def _resolve(root: Path) -> None:
    run_dvc(["repro", "--single-item", RESOLVE], root)  # -s runs nothing but it
