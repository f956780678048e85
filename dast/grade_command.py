"""`dast grade`: its flags, and what it prints."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dast.errors import CommandError

if TYPE_CHECKING:
    import polars as pl

_EXAMPLE = "dast grade pool.jsonl --answers test.jsonl --out verdicts.parquet"
_NAMES = ("query", "response", "answer")
_MOST_SECONDS = 86_400.0
"""As `grading.timeout_s` of the params."""


def add_to(commands: Any, add: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds the command by `add(commands, name, function, what, example)`."""
    grade = add(commands, "grade", _grade, "grade a file of responses, outside the pipeline", _EXAMPLE)
    grade.add_argument("pool", type=Path, metavar="POOL", help="responses: JSON lines or Parquet")
    grade.add_argument("--answers", type=Path, metavar="FILE", help="queries with their answers; none if POOL has them")
    grade.add_argument("--out", type=Path, metavar="FILE", help="verdicts, .parquet or .jsonl; none: only counts")
    grade.add_argument(
        "--columns",
        type=_named_column,
        nargs="+",
        default=[],
        metavar="NAME=COLUMN",
        help="columns of query, response and answer, where the usual names do not find them; a.b reaches into objects",
    )
    grade.add_argument(
        "--answer-rule", choices=("auto", "hash", "boxed", "whole"), default="auto", help="default: auto"
    )
    grade.add_argument("--boxes-differ", choices=("last", "refuse"), default="last", help="two different boxed answers")
    grade.add_argument("--tolerance", type=_share, metavar="RATE", help="relative; default: answers are exact")
    grade.add_argument("--timeout", type=float, default=5.0, metavar="S", help="CPU seconds a comparison; default: 5")
    grade.add_argument(
        "--max-ungraded", type=_share, default=0.01, metavar="RATE", help="exit status 1 above; default: 0.01"
    )
    grade.add_argument("--json", action="store_true", help="counts for scripts")


def _named_column(text: str) -> tuple[str, str]:
    name, sign, column = text.partition("=")
    if name not in _NAMES or not sign or not column:
        raise argparse.ArgumentTypeError(f"{text}: give query=COLUMN, response=COLUMN or answer=COLUMN")
    return name, column


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text}: a share between 0 and 1 is wanted")
    return value


def _grade(arguments: argparse.Namespace) -> None:
    from dast.grading import STANDARD, Grader, refuse_ungraded
    from dast.params.sections import BoxesDiffer
    from dast.poolgrading import check_output, counts, grade_pool, read_pool

    if not 0 < arguments.timeout <= _MOST_SECONDS:  # NaN neither
        raise CommandError(
            f"--timeout {arguments.timeout}: more than 0 seconds, and at most {_MOST_SECONDS:,.0f}, are wanted; "
            "5 is the default"
        )
    if arguments.out:
        check_output(arguments.out, [arguments.pool, *([arguments.answers] if arguments.answers else [])])
    pool = read_pool(arguments.pool, arguments.answers, dict(arguments.columns), arguments.answer_rule)
    boxes = BoxesDiffer(training=arguments.boxes_differ, evaluation=arguments.boxes_differ)
    settings = STANDARD.model_copy(update={"boxes_differ": boxes, "timeout_s": arguments.timeout})
    start = time.monotonic()
    with Grader(settings) as grader:
        verdicts = grade_pool(pool, grader, arguments.tolerance)
    fault = _written(verdicts, arguments.out) if arguments.out else None
    found = counts(verdicts)
    facts = {
        "n_responses": verdicts.height,
        "seconds": round(time.monotonic() - start, 3),
        "columns": pool.columns,
        "answer_rules": dict(pool.rules),
        "verdicts": found,
    }
    written = arguments.out if fault is None else None
    sys.stdout.write(json.dumps(facts, indent=2) + "\n" if arguments.json else _told(facts, arguments, written))
    if fault is not None:
        raise fault
    refuse_ungraded(verdicts, arguments.max_ungraded, "--max-ungraded", "--timeout")


def _written(verdicts: pl.DataFrame, path: Path) -> CommandError | None:
    """Writes the verdicts; gives the fault, which waits until their counts are told: they are all that is left then."""
    from dast.poolgrading import write_verdicts

    try:
        write_verdicts(verdicts, path)
    except CommandError as error:
        return error
    return None


def _told(facts: dict[str, Any], arguments: argparse.Namespace, written: Path | None) -> str:
    columns = ", ".join(f"{what} from {column}" for what, column in facts["columns"].items() if column)
    rules = ", ".join(f"{rule} ({count:,})" for rule, count in facts["answer_rules"].items())
    lines = [
        f"columns: {columns}",
        f"answer rule: {arguments.answer_rule}{': ' + rules if arguments.answer_rule == 'auto' and rules else ''}",
        f"{facts['n_responses']:,} responses in {facts['seconds']:.1f} s",
    ]
    for verdict in ("correct", "incorrect", "no_answer", "ungraded"):
        reasons = facts["verdicts"].get(verdict, {})
        named = ", ".join(f"{reason} {count:,}" for reason, count in reasons.items() if reason != "plain")
        lines.append(f"  {verdict:<10}{sum(reasons.values()):>10,}{'   ' + named if named else ''}")
    return "\n".join([*lines, *([f"written: {written}"] if written else [])]) + "\n"
