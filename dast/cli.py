"""The command `dast`: what would run, what a round changed, presets, and a look at params before anything runs.

Guarantees: a user's fault, or one of the system (a folder that may not be written to), is one line and exit status 1; 2
is a wrong call, 0 everything else; `diff` alone says 1 for a difference, and 2 for any fault, a bug too. As with other
programs, 130 is an interrupt, and 141 a reader that has gone (`| head`), which no line tells of. Starts without torch
or DVC: what a command needs is imported when it is called.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from dast import grade_command, publishcommand, storecommand, tracecommand, trainingcommand
from dast.diff import command as diff
from dast.errors import CommandError, DastError, ParamsError
from dast.planning import command as planning

if TYPE_CHECKING:
    from dast.preflight.findings import Finding

_INTERRUPTED = 128 + 2
_READER_GONE = 128 + 13
"""Exit statuses as a shell gives them of programs that SIGINT or SIGPIPE ended."""

PARAMS = Path("params.yaml")
PRESETS = Path("presets")
DATA = Path("data")
RAW = Path("data/raw")
QUERIES = Path("data/queries")
MODELS = Path("models")

_EXAMPLES = """\
examples:
  dast preset gsm8k-recorded     write params.yaml from a preset
  dast preflight                 check everything before anything is spent
  dast plan                      what would run and why, its cost, what is reused
  dast diff r1 r2                what a round changed: params, data, metrics, plots
  dast grade pool.jsonl --answers test.jsonl --out verdicts.parquet
  dast trace sft:12              where a row comes from, and why it is in its set

exit status: 0 done, 1 a fault (one line says what to do), 2 a wrong call; diff: 0 the same, 1 different, 2 a fault
Run inside a clone of the project (`dast grade` runs anywhere); `dvc repro` runs the line.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; gives the exit status."""
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int | None] = arguments.command
    fault_status = int(arguments.fault_status)
    try:
        status = command(arguments) or 0
        sys.stdout.flush()  # what it raises is told here, not by the interpreter at its end
        return status
    except DastError as error:
        sys.stderr.write(f"dast: {error}\n")
        return fault_status
    except KeyboardInterrupt:
        sys.stderr.write("dast: interrupted\n")
        return _INTERRUPTED
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _reader_gone():
            return _READER_GONE
        where = f"{error.filename}: " if error.filename is not None else ""
        what = error.strerror or " ".join(str(error).split()) or type(error).__name__
        sys.stderr.write(f"dast: {where}{what}; mend that, and run again\n")
        _drop_unwritable()
        return fault_status
    except Exception:
        if fault_status == 1:  # the interpreter's own for it
            raise
        sys.excepthook(*sys.exc_info())
        return fault_status


def _reader_gone() -> bool:
    """Whether it is standard output that a broken pipe stands for: other pipes lead to processes of our own."""
    try:
        watch = select.poll()
        watch.register(sys.stdout.fileno(), 0)  # asks for nothing, and is told of errors all the same
        gone = any(told & (select.POLLERR | select.POLLHUP) for _, told in watch.poll(0))
    except (OSError, ValueError):  # no descriptor
        return False
    if gone:
        _drop_unwritable()
    return gone


def _drop_unwritable() -> None:
    """Output that cannot be written is dropped here; the interpreter would try again at its end, and say so."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dast",
        description="Datasets for difficulty-aware self-training, as a DVC pipeline.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(fault_status=1)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    planning.add_to(commands, _command, _root)
    diff.add_to(commands, _command, _root)
    grade_command.add_to(commands, _command)

    preset = _command(commands, "preset", _preset, "list presets, or write params.yaml from some", "dast preset dast-p")
    preset.add_argument("names", metavar="NAME", nargs="*", help="laid over the default in this order; none lists them")
    preset.add_argument("--force", action="store_true", help="overwrite an edited params.yaml")

    storecommand.add_to(commands, _root)
    trainingcommand.add_to(commands, _root)
    publishcommand.add_to(commands, _root)
    tracecommand.add_to(commands, _root)

    preflight = _command(
        commands, "preflight", _preflight, "check everything before anything is spent", "dast preflight"
    )
    preflight.add_argument(
        "--params", type=Path, nargs="?", const=Path(), metavar="FILE", help="the params alone; default: params.yaml"
    )
    preflight.add_argument("--json", action="store_true", help="every finding, for scripts")
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    command: Callable[[argparse.Namespace], int | None],
    what: str,
    example: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=what, description=f"{what.capitalize()}.", epilog=f"example: {example}")
    parser.set_defaults(command=command)
    return parser


def _preset(arguments: argparse.Namespace) -> None:
    from dast import presets

    folder = _root() / PRESETS
    if not arguments.names:
        names = presets.names_in(folder)
        for name in names:
            _out(f"{name:<{max(map(len, names))}}  {_first_sentence(folder / f'{name}.yaml')}")
        return
    written = presets.apply(arguments.names, folder, _root() / PARAMS, arguments.force)
    _out(f"{written.name} is now {' + '.join(['default', *arguments.names])}; `dast plan` shows what would run")


def _preflight(arguments: argparse.Namespace) -> None:
    from dast.preflight.findings import Finding

    try:
        if arguments.params is None:
            _preflight_all(arguments.json)
        else:
            _preflight_params(arguments.params, arguments.json)
    except ParamsError as error:  # which ends all checks
        if arguments.json:
            _out_findings([Finding("error", "params", str(error))])
        raise


def _preflight_params(named: Path, as_json: bool) -> None:
    from dast.params.project import load_project
    from dast.preflight.findings import Finding
    from dast.preflight.sources import source_faults

    path = _root() / PARAMS if named == Path() else named
    project = load_project(path)
    faults = source_faults(project, _root() / RAW)
    if faults:
        raise ParamsError(f"{path}: {len(faults)} fault{'s' * (len(faults) > 1)}\n  " + "\n  ".join(faults))
    rounds = f"rounds {', '.join(project.rounds)}"
    if as_json:
        _out_findings([Finding("ok", "params", f"valid; {rounds}")])
    else:
        _out(f"{path}: ok; {rounds}")


def _preflight_all(as_json: bool) -> None:
    from huggingface_hub import HfApi

    from dast.params.project import load_project
    from dast.policies.download import download_small
    from dast.preflight.checks import Preflight
    from dast.preflight.findings import Finding, counted, plural
    from dast.preflight.material import Places

    root = _root()
    places = Places(root, root / DATA, root / RAW, root / QUERIES, root / MODELS)
    checks, found = Preflight(load_project(root / PARAMS), places, HfApi(), download_small), []
    for one in checks.all():
        if not as_json:
            _out(one.told())
            sys.stdout.flush()  # a person waits for the pilot
        found += [one] if isinstance(one, Finding) else []
    counts = counted(found)
    if as_json:
        _out_findings(found)
    told = f"{plural(counts['error'], 'error')}, {plural(counts['warning'], 'warning')}"
    if counts["error"]:
        raise CommandError(f"preflight: {told}; mend what is in error, then run `dast preflight` again")
    if not as_json:
        _out(f"preflight: {told}; {checks.next_step}")


def _out_findings(found: Sequence[Finding]) -> None:
    from dast.preflight.findings import counted

    facts = {"findings": [asdict(one) for one in found], "counts": counted(found)}
    _out(json.dumps(facts, indent=2, ensure_ascii=False))


def _root() -> Path:
    """The project's folder, relative to here: the nearest one upwards that holds dvc.yaml."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").exists():
            return Path(os.path.relpath(folder))
    raise CommandError(f"{here}: no dvc.yaml here or above; run dast inside a clone of the project")


def _first_sentence(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{path}: not UTF-8 text ({error.reason}); convert it, or take it out of the folder"
        ) from error
    comment = " ".join(line.removeprefix("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines))
    return comment.partition(". ")[0].rstrip(".")


def _out(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
