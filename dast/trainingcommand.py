"""`dast training`: which training runs are kept, and what of them may go.

Guarantees: looking changes nothing; nothing is deleted without `--yes`, and no run that is being trained. Starts
without torch; what a command needs is imported when it is called.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dast.training.inventory import KeptRun

PARAMS = "params.yaml"
MODELS = PurePosixPath("models")
METRICS = PurePosixPath("data/metrics")

_HELP = "the training runs that are kept: list, gc"
_EXAMPLES = """\
examples:
  dast training                  what is kept, and of which model
  dast training gc               finished runs of no round's model; --yes deletes them
  dast training gc --unfinished  killed runs too, which could still go on

Runs lie beside the store of rollouts. A deleted one is trained again when a stage asks for it.
"""

_DAY_S = 86_400
_ELSEWHERE = "a branch's"
_KEY_DIGITS = 12


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser], root: Callable[[], Path]) -> None:
    """Adds the subcommand; `root` gives the project's folder."""
    parser = commands.add_parser(
        "training",
        help=_HELP,
        description=f"{_HELP.capitalize()}.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=_list, root=root, json=False)
    actions = parser.add_subparsers(metavar="ACTION")
    listing = actions.add_parser(
        "list", help="what is kept (also without an action)", epilog="example: dast training list --json"
    )
    listing.add_argument("--json", action="store_true", help="for scripts")
    listing.set_defaults(command=_list)
    collecting = actions.add_parser(
        "gc",
        help="delete finished runs of no model here or at a branch's tip",
        epilog="example: dast training gc --yes",
    )
    collecting.add_argument("--unfinished", action="store_true", help="killed runs too, which could still go on")
    collecting.add_argument("--yes", action="store_true", help="delete them; without, they are only listed")
    collecting.set_defaults(command=_gc)


def _list(arguments: argparse.Namespace) -> None:
    folder, owners = _owners(arguments.root())
    if arguments.json:
        import json

        kept = [{**asdict(run), "folder": str(run.folder), "model": owner} for run, owner in owners.items()]
        _out(json.dumps({"folder": str(folder), "kept": kept}, indent=2))
        return
    _out(f"{folder}: {_sum(list(owners))}")
    if owners:
        _out(_table(owners))


def _gc(arguments: argparse.Namespace) -> None:
    from dast.training.inventory import remove_run

    folder, owners = _owners(arguments.root())
    going = [run for run, owner in owners.items() if owner is None and (run.finished or arguments.unfinished)]
    if not going:
        _out(f"{folder}: every finished run made a model here or at a branch's tip ({_sum(list(owners))})")
        return
    _out(_table(dict.fromkeys(going)))
    if not arguments.yes:
        _out(f"{_sum(going)} are of no model here or at a branch's tip; with --yes they are deleted")
        return
    gone = [run for run in going if remove_run(run)]
    busy = f"; {len(going) - len(gone)} are being trained" if len(gone) < len(going) else ""
    _out(f"deleted {_sum(gone)}; {_sum([run for run in owners if run not in gone])} stay{busy}")


def _owners(root: Path) -> tuple[Path, Mapping[KeptRun, str | None]]:
    """The folder of runs, and for each the round whose model it made; None where no one names that model."""
    from dast.dvc import training_folder
    from dast.named import named_policies
    from dast.params.project import load_project
    from dast.training.inventory import kept_runs, made_of

    project, folder = load_project(root / PARAMS), training_folder(root)
    named = named_policies(root, project, MODELS, METRICS)
    rounds = {one: name for name, known in named.here.items() for one in known}
    found = {run: made_of(run, named.fingerprints) for run in kept_runs(folder)}
    return folder, {run: one and rounds.get(one, _ELSEWHERE) for run, one in found.items()}


def _table(owners: Mapping[KeptRun, str | None]) -> str:
    from dast.progress import lined_up

    now = time.time()
    rows = [["run", "state", "model", "steps", "MB", "days"]]
    for run, owner in owners.items():
        state = "finished" if run.finished else "unfinished"
        numbers = (f"{run.n_steps:,}", f"{run.n_bytes / 1e6:,.1f}", f"{(now - run.used_s) / _DAY_S:,.1f}")
        rows.append([run.folder.name[:_KEY_DIGITS], state, owner or "–", *numbers])
    return lined_up(rows, 3)


def _sum(runs: Sequence[KeptRun]) -> str:
    from dast.progress import size

    return f"{len(runs)} run{'s' * (len(runs) != 1)}, {size(sum(run.n_bytes for run in runs))}"


def _out(text: str) -> None:
    sys.stdout.write(f"{text}\n")
