"""`dast trace`: the life of one row, from its source to the commit that holds it.

Guarantees: only reads. Starts without torch or polars; what the command needs is imported when it is called.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

_HELP = "where a row comes from, and why it is in its set"
_EXAMPLES = """\
examples:
  dast trace sft:12                       row 12 of the newest round's SFT set
  dast trace sft:51cdcbee198480cd         by a rollout's or query's id, in the newest round that has it
  dast trace dpo:0 --round r1             a pair of another round
  dast trace sft:12 --in downloaded/      in a package, as the Hub serves it

Tables: sft, dpo, rollouts, queries. Rows count from 0, as in `load_dataset(...)[12]`.
"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser], root: Callable[[], Path]) -> None:
    """Adds the subcommand; `root` gives the project's folder."""
    parser = commands.add_parser(
        "trace",
        help=_HELP,
        description=f"{_HELP.capitalize()}.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("row", metavar="TABLE:ROW")
    parser.add_argument("--round", metavar="ROUND", help="the round to look in; default: the newest that has the row")
    parser.add_argument("--in", dest="folder", type=Path, metavar="FOLDER", help="a package's folder; default: here")
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.set_defaults(command=_trace, root=root)


def _trace(arguments: argparse.Namespace) -> None:
    from dast.tracing.address import parse_address
    from dast.tracing.clone import Clone
    from dast.tracing.folder import Folder
    from dast.tracing.life import life

    address = parse_address(arguments.row)
    place = Clone(arguments.root()) if arguments.folder is None else Folder(arguments.folder)
    story = life(place, address, arguments.round)
    if arguments.json:
        import json

        _out(json.dumps(story, indent=2, ensure_ascii=False))
    else:
        from dast.tracing.telling import told

        _out(told(story))


def _out(text: str) -> None:
    sys.stdout.write(f"{text}\n")
