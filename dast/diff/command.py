"""`dast diff`: its flags, and where the line keeps what it compares. What it needs is imported when it is called."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

METRICS = PurePosixPath("data/metrics")
REPORT = PurePosixPath("data/report")
DATA = PurePosixPath("data")
QUERIES = PurePosixPath("data/queries/train.parquet")
PLOTTED = {
    **{name: name for name in ("levels", "lengths", "transitions", "pass_rate", "allocation", "ladder", "ledger")},
    **{name: name for name in ("build", "accuracy", "comparisons")},
    "training": "train",
}
"""Tables that plots read, and the file of a round that each gathers."""
PAGE = Path("dvc_plots")

_SIDE = "a round (r1, base), a git revision or experiment (main, HEAD~1), or both (main:r1)"
_SHOWN = {
    "params": "every changed parameter",
    "metrics": "every changed metric",
    "data": "queries, training rows, examples",
    "plots": f"which plots differ, and DVC's page of them in {PAGE}/",
}
"""What each section shows; without any, all in a few lines."""
_STATUS = "exit status: 0 the same, 1 different, 2 a fault or a wrong call"


def add_to(commands: Any, add: Callable[..., argparse.ArgumentParser], root: Callable[[], Path]) -> None:
    """Adds the command by `add(commands, name, function, what, example)`; `root` gives the project's folder."""
    what = "what differs between two rounds or git revisions"
    diff = add(commands, "diff", _diff, what, f"dast diff main:r2 r2 --data --md; {_STATUS}")
    diff.add_argument("first", metavar="A", help=_SIDE)
    diff.add_argument("second", metavar="B", help="likewise")
    for section, shows in _SHOWN.items():
        diff.add_argument(f"--{section}", dest="sections", action="append_const", const=section, help=shows)
    style = diff.add_mutually_exclusive_group()
    style.add_argument("--md", dest="style", action="store_const", const="md", help="as Markdown")
    style.add_argument("--json", dest="style", action="store_const", const="json", help="for scripts")
    diff.add_argument("--examples", type=_count, default=5, metavar="N", help="of each kind of change; default: 5")
    diff.set_defaults(style="text", root=root, fault_status=2)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: a whole number of 0 or more is wanted")
    return int(text)


def _diff(arguments: argparse.Namespace) -> int:
    from dast.diff.comparing import SECTIONS, Places, Wish, answer_json, answer_text, compare
    from dast.rounds import Project

    asked = arguments.sections
    project = Project(arguments.root(), METRICS, {f"{REPORT}/{name}.csv": source for name, source in PLOTTED.items()})
    wish = Wish(
        first=arguments.first,
        second=arguments.second,
        sections=asked or SECTIONS,
        n_examples=arguments.examples if asked or arguments.style == "json" else 0,
        page=PAGE if asked and "plots" in asked else None,
    )
    answer = compare(project, Places(DATA, QUERIES), wish)
    json, brief = arguments.style == "json", not asked
    sys.stdout.write((answer_json(answer) if json else answer_text(answer, arguments.style, brief=brief)) + "\n")
    return 2 if answer.same is None else 0 if answer.same else 1
