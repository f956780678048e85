"""`dast store`: what is kept, whether it is sound, what may go, and sharing it.

Guarantees: looking changes nothing; nothing is deleted without `--yes`. Starts without torch; what a command needs is
imported when it is called.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from dast.errors import StoreError

if TYPE_CHECKING:
    from dast.store.database import Holding
    from dast.store.keeping import Store

PARAMS = "params.yaml"
MODELS = PurePosixPath("models")
METRICS = PurePosixPath("data/metrics")

_HELP = "the rollouts that are kept: list, verify, gc, export, import"
_EXAMPLES = """\
examples:
  dast store                     what is kept, by policy, round and stage
  dast store verify              hold every row against its digest
  dast store gc                  what belongs to no round; --yes deletes it
  dast store export shared/      everything, as Parquet files
  dast store import shared/      an export, or the tables of a round: data/r1

The store lies beside DVC's cache, or where DAST_STORE says. It is a cache: a DVC remote carries the tables.
"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser], root: Callable[[], Path]) -> None:
    """Adds the subcommand; `root` gives the project's folder."""
    parser = commands.add_parser(
        "store",
        help=_HELP,
        description=f"{_HELP.capitalize()}.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=_list, root=root, json=False)
    actions = parser.add_subparsers(metavar="ACTION")
    listing = actions.add_parser(
        "list", help="what is kept (also without an action)", epilog="example: dast store list --json"
    )
    listing.add_argument("--json", action="store_true", help="for scripts")
    listing.set_defaults(command=_list)
    verifying = actions.add_parser(
        "verify", help="hold every row against its digest", epilog="example: dast store verify --mend"
    )
    verifying.add_argument(
        "--mend", action="store_true", help="leave out what is broken; the broken file is kept aside"
    )
    verifying.set_defaults(command=_verify)
    collecting = actions.add_parser(
        "gc", help="delete what belongs to no round here or at a branch's tip", epilog="example: dast store gc --yes"
    )
    collecting.add_argument("--yes", action="store_true", help="delete it; without, it is only listed")
    collecting.set_defaults(command=_gc)
    exporting = actions.add_parser(
        "export", help="write everything to Parquet files", epilog="example: dast store export shared/"
    )
    exporting.add_argument("folder", type=Path)
    exporting.set_defaults(command=_export)
    importing = actions.add_parser(
        "import",
        help="take in an export, or a round's tables that were pulled",
        epilog="example: dast store import shared/ data/r1",
    )
    importing.add_argument("folders", type=Path, nargs="+", metavar="folder")
    importing.set_defaults(command=_import)


def _list(arguments: argparse.Namespace) -> None:
    from dast.progress import lined_up, size

    with _open(arguments) as store:
        kept = store.holdings()
        if arguments.json:
            import json
            from dataclasses import asdict

            _out(json.dumps({"folder": str(store.folder), "kept": [asdict(one) for one in kept]}, indent=2))
            return
        _out(f"{store.path}: {_sum(kept)}; {size(_bytes_on_disk(store))} on disk")
        if kept:
            _out(lined_up(_rows(kept), 4))


def _verify(arguments: argparse.Namespace) -> None:
    from dast.store.upkeep import verify

    with _open(arguments) as store:
        _require(store)
        try:
            found = verify(store)
        except StoreError:  # not even its list of batches can be read
            if not arguments.mend:
                raise
            found = None
        if found is not None and found.sound:
            _out(f"{store.path}: {found.n_rollouts:,} rollouts in {found.n_batches:,} batches, all as they were kept")
        elif arguments.mend:
            store.mend()
            _out(f"{store.path}: mended; {_sum(store.holdings())}")
        elif found is not None:
            raise StoreError(
                f"{store.path}: not what was kept: {found.n_broken_batches} of {found.n_batches} batches, and "
                f"{found.n_faulty_rollouts} rows of others; {found.n_rollouts:,} rollouts are sound, and "
                "`dast store verify --mend` keeps those"
            )


def _gc(arguments: argparse.Namespace) -> None:
    from dast.named import named_policies
    from dast.params.project import load_project
    from dast.progress import lined_up
    from dast.store.upkeep import collect_garbage, unnamed

    root = arguments.root()
    with _open(arguments) as store:
        named = named_policies(root, load_project(root / PARAMS), MODELS, METRICS)
        going = unnamed(store, named.fingerprints, named.names)
        if not going:
            _out(f"{store.path}: everything belongs to a round here or at a branch's tip ({_sum(store.holdings())})")
            return
        _out(lined_up(_rows(going), 4))
        if not arguments.yes:
            _out(f"{_sum(going)} belong to no round here or at a branch's tip; `dast store gc --yes` deletes them")
            return
        collect_garbage(store, {holding.policy for holding in going})
        _out(f"deleted {_sum(going)}; {_sum(store.holdings())} stay")


def _export(arguments: argparse.Namespace) -> None:
    from dast.store.sharing import export

    with _open(arguments) as store:
        _require(store)
        n_rollouts, n_files = export(store, arguments.folder)
        _out(f"{arguments.folder}: {n_rollouts:,} rollouts in {n_files} files")


def _import(arguments: argparse.Namespace) -> None:
    from dast.store.sharing import take_in

    with _open(arguments) as store:
        for folder in arguments.folders:
            counts = take_in(store, folder)
            told = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count or what == "taken")
            _out(f"{folder}: {told}")


def _open(arguments: argparse.Namespace) -> Store:
    from dast.dvc import store_folder
    from dast.store.keeping import Store

    return Store(store_folder(arguments.root()), mends=False)


def _require(store: Store) -> None:
    if not store.path.exists():
        raise StoreError(f"{store.path}: no store yet; the first stage that samples makes it")


def _rows(kept: Sequence[Holding]) -> list[list[str]]:
    head = ["policy", "fingerprint", "round", "stage", "rollouts", "tokens", "hours", "MB", "MB of text"]
    rows = [head]
    for (name, policy, round_name, stage), group in groupby(
        sorted(kept, key=_place), key=lambda one: (one.policy_name, one.policy, one.round, one.stage)
    ):
        parts = list(group)
        rows.append(
            [
                *(name, policy[:12], round_name, stage),
                f"{sum(one.n_rollouts for one in parts):,}",
                f"{sum(one.n_tokens for one in parts):,}",
                f"{sum(one.seconds for one in parts) / 3600:.2f}",
                f"{sum(one.n_bytes for one in parts) / 1e6:,.1f}",
                f"{sum(one.n_text_bytes for one in parts) / 1e6:,.1f}",
            ]
        )
    return rows


def _place(one: Holding) -> tuple[str, ...]:
    return one.policy_name, one.policy, one.round, one.stage


def _sum(kept: Sequence[Holding]) -> str:
    policies = len({one.policy for one in kept})
    return f"{sum(one.n_rollouts for one in kept):,} rollouts of {policies} policies"


def _bytes_on_disk(store: Store) -> int:
    return (
        sum(path.stat().st_size for path in store.folder.rglob("*") if path.is_file()) if store.folder.exists() else 0
    )


def _out(text: str) -> None:
    sys.stdout.write(f"{text}\n")
