"""`dast publish`: a round's dataset, or its model, to the Hugging Face Hub.

Guarantees: nothing is sent before the plan was shown and agreed to; nothing that git and DVC do not record is sent.
Starts without torch or the Hub's client; what the command needs is imported when it is called.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dast.errors import CommandError, PublishError

if TYPE_CHECKING:
    from dast.publishing.files import LocalFile
    from dast.publishing.hub import Repository
    from dast.publishing.plan import Plan, Target
    from dast.publishing.provenance import Provenance

LOCK = "dvc.lock"
RECEIPTS = "published"

_HELP = "a round's dataset, or its model, to the Hugging Face Hub"
_EXAMPLES = """\
examples:
  dast publish r2 --repo user/name --dry-run     what would change; needs no token
  dast publish r2 --repo user/name --tag v1      shows the plan, and asks
  dast publish r2 --model --repo user/name-model --private --yes

The folder goes as `dvc repro` left it; the card is told its commit, DVC's digests and what training gave.
Commit the receipt that is written below published/.
"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser], root: Callable[[], Path]) -> None:
    """Adds the subcommand; `root` gives the project's folder."""
    parser = commands.add_parser(
        "publish",
        help=_HELP,
        description=f"{_HELP.capitalize()}.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("round", metavar="ROUND")
    parser.add_argument("--repo", required=True, type=_repository, metavar="USER/NAME")
    parser.add_argument("--model", action="store_true", help="the round's model; default: its dataset")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument("--tag", help="mark the content; a tag that marks other content is never moved")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="show the plan, and stop")
    parser.set_defaults(command=_publish, root=root)


def _repository(text: str) -> str:
    if re.fullmatch(r"[\w.-]+/[\w.-]+", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not USER/NAME")
    return text


def _publish(arguments: argparse.Namespace) -> None:
    from huggingface_hub import HfApi

    from dast.publishing.hub import Repository
    from dast.publishing.plan import Target, make_plan

    target = Target(arguments.repo, "model" if arguments.model else "dataset", arguments.private, arguments.tag)
    root: Path = arguments.root()
    origin, files = _material(root, arguments.round, target)
    repository = Repository(HfApi(), target)
    if arguments.dry_run:
        _out(_rehearsal(repository, files).told())
        return
    repository.refuse_strangers()
    plan = make_plan(target, files, repository.look())
    _out(plan.told())
    if not arguments.yes:
        ask(plan)
    revision = repository.carry_out(plan, f"{arguments.round}: {origin.path} of {origin.commit[:12]}")
    _close(root, plan, origin, revision)


def _material(root: Path, round_name: str, target: Target) -> tuple[Provenance, list[LocalFile]]:
    """Where the folder comes from, and its files with the card completed."""
    from dast.publishing.ancestry import Ancestry, ancestry_of
    from dast.publishing.card import CARD, completed, with_metadata
    from dast.publishing.files import collect
    from dast.publishing.lock import read_lock
    from dast.publishing.provenance import trace
    from dast.publishing.results import Places, read_results

    model, metrics = f"models/{round_name}", f"data/metrics/{round_name}"
    accuracy = {"base": "data/metrics/base/accuracy.csv", round_name: f"{metrics}/accuracy.csv"}
    lock = read_lock(root / LOCK)
    origin = trace(root, lock, model if target.kind == "model" else f"data/{round_name}/hub", RECEIPTS)
    results = read_results(root, lock, Places(model, f"{metrics}/train.json", accuracy))
    _notes(
        origin,
        None if results else f"{round_name} is not trained and evaluated on these tables: no results in the card",
    )
    folder = root / origin.path
    packaged = folder / CARD
    if not packaged.is_file():
        raise PublishError(f"{packaged}: no card; run `dvc repro {origin.stage}`")
    ancestry = ancestry_of(folder) if target.kind == "model" else Ancestry({}, {})
    card = with_metadata(packaged.read_text(encoding="utf-8"), ancestry.stated)
    text = completed(card, round_name, target.name, origin, results)
    _refuse_secrets(folder, text)
    return origin, collect(folder, {**ancestry.instead, CARD: text})


def _refuse_secrets(folder: Path, card: str) -> None:
    """Holds what is about to leave the machine against packaging's secrets check."""
    from dast.packaging.secrets import refuse_secrets
    from dast.publishing.card import CARD

    with tempfile.TemporaryDirectory() as completed:
        (Path(completed) / CARD).write_text(card, encoding="utf-8")
        for one in (Path(completed), folder):
            refuse_secrets(one)


def _notes(origin: Provenance, missing: str | None) -> None:
    newer = f"{', '.join(origin.newer)} changed since {origin.stage} ran: what it made then is published"
    for note in (newer if origin.newer else None, missing):
        if note:
            sys.stderr.write(f"note: {note}\n")


def _rehearsal(repository: Repository, files: list[LocalFile]) -> Plan:
    from dast.publishing.plan import make_plan

    try:
        remote = repository.look()
    except PublishError as error:
        sys.stderr.write(f"note: not compared, so every file is told as one to add: {error}\n")
        remote = None
    return make_plan(repository.target, files, remote)


def ask(plan: Plan) -> None:
    """Asks on the terminal whether to carry out a plan that was shown; of one that changes nothing it asks nothing.

    Raises:
        CommandError: nobody to ask, or any answer but yes.
    """
    if not (plan.changes or plan.makes_tag):
        return
    if not sys.stdin.isatty():
        raise CommandError("nobody to ask here; `--yes` publishes without asking, `--dry-run` only shows the plan")
    sys.stdout.write("Publish this? [y/N] ")
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("not agreed to, so nothing was published")


def _close(root: Path, plan: Plan, origin: Provenance, revision: str) -> None:
    from dast.publishing.receipt import add_receipt, receipt_path

    target, path = plan.target, receipt_path(root / RECEIPTS, plan.target)
    done = "published" if plan.changes else "tagged" if plan.makes_tag else "nothing to publish, it is there already"
    _out(f"{done}: {target.kind} {target.name} at {revision}{f', tag {target.tag}' if target.tag else ''}")
    if add_receipt(path, target, origin, plan.files, revision):
        _out(f"receipt: {path}; commit it: git add {path} && git commit -m 'Published {target.name}'")


def _out(text: str) -> None:
    sys.stdout.write(f"{text}\n")
