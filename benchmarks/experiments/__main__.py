"""The experiments from the command line.

    python -m benchmarks.experiments plan                              what is to be played, what is done, and hours
    python -m benchmarks.experiments run --workers 2                   everything on the test seeds, then the report
    python -m benchmarks.experiments validate --arms vanilla DAST-P    the named arms on the validation seeds
    python -m benchmarks.experiments report                            the pages of both, from the rows

`--study gpu` before the command takes a larger model, harder levels and one GPU that all workers share; `--study why` a
few more arms on bases of the first study, thought of when its rows had been seen. `run` goes on where it stopped, in a
fresh clone too: a run whose row stands in the study's rows.jsonl is not played again. It waits until the design is
committed unchanged.
"""

from __future__ import annotations

import argparse
import io
import logging
import math
import os
import subprocess
import sys
import time
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.experiments import rows
from benchmarks.experiments.afterwards import load_afterwards
from benchmarks.experiments.design import (
    FIXED,
    Design,
    Run,
    Seeds,
    load_design,
    planned,
    require_committed,
    runs_of,
    varied,
)
from benchmarks.experiments.queue import play_all, share_of, with_bases
from benchmarks.experiments.settings import digest_now
from benchmarks.experiments.sharing import Work, play_shared
from benchmarks.experiments.studies import ROOT, STUDIES, Study
from benchmarks.experiments.telling import told as told_rows
from benchmarks.machine import processor
from dast.errors import CommandError, DastError


def main(arguments: list[str]) -> None:
    chosen = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("benchmarks").setLevel(logging.INFO)
    study: Study = STUDIES[chosen.study]
    design = load_design(study.design)
    if chosen.command in ("run", "work", "validate"):
        study = study.at(chosen.out, chosen.scratch)
    match chosen.command:
        case "plan":
            sys.stdout.write(told(study, design) + "\n")
        case "run" | "work":
            if chosen.commit is None:
                require_committed((study.design, FIXED))
            lent = {rows.run_of(row) for row in _lent(study, design)}
            runs = [run for run in with_bases(planned(design, "test")) if run not in lent]
            if chosen.command == "work":
                _play(study, design, share_of(runs, chosen.worker, chosen.workers), chosen)
            elif study.shares_gpu:
                play_shared(runs, _work(study, design, chosen), chosen.workers or study.n_workers)
            else:
                _run(study, chosen.workers or study.n_workers, arguments)
            if chosen.command == "run" and chosen.out is None:
                _report(study, design)
            elif chosen.command == "run":
                sys.stdout.write(told_rows(rows.usable(rows.read(study.rows("test")), design.digest)) + "\n")
        case "validate":
            _validate(study, varied(design, _yaml(chosen.set)), chosen)
        case "report":
            _report(study, design)


def told(study: Study, design: Design) -> str:
    """The plan as text: each tier, its runs, and the hours that it takes by the runs that are known."""
    tested = _rows(study, design)
    done = rows.usable(tested, design.digest)
    known = [row for row in [*tested, *rows.read(study.rows("validation"))] if row["arm"] != rows.BASE]
    each = sum(row["seconds"]["cpu"] for row in known) / max(len(known), 1)
    lines, seen = [f"design {design.digest}, {each:.0f} CPU seconds a run"], set[Run]()
    for tier in design.schedule:
        chosen = Seeds(bases=design.seeds["test"].bases[: tier.bases], data=design.seeds["test"].data[: tier.data])
        runs = set(runs_of(tier.arms, tier.budgets, chosen)) - seen
        seen |= runs
        hours = len(runs) * each / 3600
        lines.append(f"{tier.name}: {len(runs)} runs, {len(runs & done.keys())} done, {hours:.1f} core-hours")
    whole = (len(seen) * each + len({run.base for run in seen}) * study.base_s) / study.n_workers / 3600
    at_once = "two cores" if study.n_workers == 2 else f"{study.n_workers} cores"
    return "\n".join([*lines, f"in all {len(seen)} runs, {whole:.1f} hours on {at_once}, bases included"])


def about(commit: str | None = None) -> dict[str, Any]:
    """What stands in every row besides its own figures; `commit` where there is no repository to ask."""
    if commit is None:
        asked = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        commit = asked.stdout.strip()
    packages = {name: version(name) for name in ("torch", "transformers", "trl", "polars")}
    return {"commit": commit[:12], "machine": processor(), "versions": packages}


def _run(study: Study, n_workers: int, arguments: list[str]) -> None:
    """Starts the workers, a process each with one thread, and waits for them.

    Raises:
        CommandError: a worker ended in an error; the others have gone on to their end.
    """
    place = arguments.index("run")
    words = [*arguments[:place], "work", *arguments[place + 1 :], "--workers", str(n_workers), "--worker"]
    command = [sys.executable, "-m", "benchmarks.experiments", *words]
    environment = {**os.environ, **study.environment}
    started = [subprocess.Popen([*command, str(number)], cwd=ROOT, env=environment) for number in range(n_workers)]
    try:
        failed = sum(worker.wait() != 0 for worker in started)
    except BaseException:
        for worker in started:
            worker.terminate()
        raise
    if failed:
        raise CommandError(f"{failed} of {n_workers} workers ended in an error; run again to go on from there")


def _validate(study: Study, design: Design, chosen: argparse.Namespace) -> None:
    seeds = Seeds(bases=chosen.bases or design.seeds["validation"].bases, data=chosen.data or [1])
    _refuse_test_seeds(design, seeds)
    wanted = runs_of(chosen.arms, chosen.budgets, seeds)
    blocks = [rows.base_run(base, data) for base in seeds.bases for data in seeds.data]
    runs = with_bases([*blocks, *wanted])
    if study.shares_gpu:
        play_shared(runs, _work(study, design, chosen), chosen.workers or study.n_workers)
    else:
        _play(study, design, runs, chosen)
    found = rows.usable(rows.read(study.rows("validation")), design.digest)
    sys.stdout.write(f"design {design.digest} {chosen.set}\n{told_rows({r: found[r] for r in runs if r in found})}\n")


def _play(study: Study, design: Design, runs: list[Run], chosen: argparse.Namespace) -> None:
    os.environ.update(study.environment)
    # torch and trl: seconds to import, and neither `plan` nor `report` needs them.
    import torch

    from benchmarks.experiments.bench import Bench

    torch.set_num_threads(1)
    kind = "validation" if chosen.command == "validate" else "test"
    bench = Bench(design, study.scratch, about(chosen.commit))
    play_all(runs, study.rows(kind), design.digest, bench.settings, bench.play)


def _work(study: Study, design: Design, chosen: argparse.Namespace) -> Work:
    until = time.time() + 60 * chosen.minutes if chosen.minutes else math.inf
    kind = "validation" if chosen.command == "validate" else "test"
    return Work(study, design, study.rows(kind), about(chosen.commit), until)


def _report(study: Study, design: Design) -> None:
    from benchmarks.experiments.report import write_report, write_validation

    if design.seeds["validation"].bases:
        write_validation(design, rows.read(study.rows("validation")), study.results)
    afterwards = load_afterwards(study.afterwards)
    write_report(design, afterwards, _rows(study, design), study.results, study.played)


def _rows(study: Study, design: Design) -> list[rows.Row]:
    """Own rows of the test, behind those of another study for runs that are the same there."""
    return [*_lent(study, design), *rows.read(study.rows("test"))]


def _lent(study: Study, design: Design) -> list[rows.Row]:
    if study.borrows is None:
        return []
    wanted = set(with_bases(planned(design, "test")))
    others = [row for row in rows.read(study.borrows) if rows.run_of(row) in wanted]
    return rows.lent(others, design.digest, cache(lambda run: digest_now(design, run)))


def _refuse_test_seeds(design: Design, seeds: Seeds) -> None:
    if kept := set(seeds.bases) & set(design.seeds["test"].bases):
        raise CommandError(f"bases {sorted(kept)} are for the test; validate on {design.seeds['validation'].bases}")


def _yaml(text: str) -> dict[str, Any]:
    return dict(YAML(typ="safe", pure=True).load(io.StringIO(text)) or {})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", choices=STUDIES, default="cpu")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("plan")
    commands.add_parser("report")
    run, work, validate = (commands.add_parser(name) for name in ("run", "work", "validate"))
    work.add_argument("--worker", type=int, required=True)
    validate.add_argument("--arms", nargs="*", required=True, help="none: the bases alone")
    validate.add_argument("--budgets", nargs="+", default=["K8"])
    validate.add_argument("--bases", nargs="+", type=int)
    validate.add_argument("--data", nargs="+", type=int)
    validate.add_argument("--set", default="", help="YAML laid over the design's settings: another design")
    for one in (run, work, validate):
        one.add_argument("--workers", type=int)
        one.add_argument("--minutes", type=float, help="end by then; of a study whose workers share a GPU")
        one.add_argument("--out", type=Path, help="folder of the rows; no report is written")
        one.add_argument("--scratch", type=Path)
        one.add_argument("--commit", help="commit of a copy without git, which then cannot be asked for it")
    return parser


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except DastError as error:
        sys.exit(f"experiments: {error}")
