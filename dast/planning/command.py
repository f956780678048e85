"""`dast plan`: its flags, and where the line keeps what it looks at. What it needs is imported when it is called."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dast.params.project import Project
    from dast.planning.asking import Plan
    from dast.planning.telling import Spending

PARAMS = "params.yaml"
DATA = PurePosixPath("data")
QUERIES = PurePosixPath("data/queries")
MODELS = PurePosixPath("models")
METRICS = PurePosixPath("data/metrics")


def add_to(commands: Any, add: Callable[..., argparse.ArgumentParser], root: Callable[[], Path]) -> None:
    """Adds the command by `add(commands, name, function, what, example)`; `root` gives the project's folder."""
    what = "what `dvc repro` would run and why, its cost, and what is reused"
    parser = add(commands, "plan", _plan, what, "dast plan")
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.set_defaults(root=root)


def _plan(arguments: argparse.Namespace) -> None:
    from dast.params.project import load_project
    from dast.planning.asking import plan
    from dast.planning.telling import plan_json, plan_text

    root: Path = arguments.root()
    project = load_project(root / PARAMS)  # its faults, rather than those of the stage that would meet them
    found = plan(root, project, METRICS)
    spending = _spending(root, project, found, found.store) if found.store else []
    if arguments.json:
        import json

        sys.stdout.write(json.dumps(plan_json(found, spending), indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(plan_text(found, spending) + "\n")


def _spending(root: Path, project: Project, plan: Plan, folder: Path) -> list[Spending]:
    from dast.dvc import training_beside
    from dast.planning.costs import expected
    from dast.planning.kept import Kept, Places
    from dast.planning.telling import Spending, is_costly
    from dast.report.metrics import read_rounds
    from dast.store.keeping import Store

    rounds = read_rounds(root / METRICS)
    running = {item.stage for item in plan.pending}
    places = Places(root / DATA, root / QUERIES, root / MODELS, training_beside(folder))
    with Store(folder, mends=False) as store:
        kept = Kept(project, places, store, running)
        found = []
        for stage in (item.stage for item in plan.pending if is_costly(item.stage)):
            trains = stage.startswith("train@")
            n_kept = kept.is_trained(stage) if trains else kept.n_rollouts(stage)
            found.append(Spending(stage, expected(stage, project, rounds), n_kept))
        return found
