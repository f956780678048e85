"""The experiments from the command line.

    python -m benchmarks.experiments plan                              what is to be played, what is done, and hours
    python -m benchmarks.experiments run --workers 2                   everything on the test seeds, then the report
    python -m benchmarks.experiments validate --arms vanilla DAST-P    the named arms on the validation seeds
    python -m benchmarks.experiments report                            the pages of both, from the rows

`run` goes on where it stopped, in a fresh clone too: a run whose row stands in results/experiments/rows.jsonl is not
played again. It waits until design.yaml is committed unchanged.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.experiments import rows
from benchmarks.experiments.design import Design, Kind, Run, Seeds, load_design, planned, require_committed, runs_of
from benchmarks.experiments.queue import play_all, share_of, with_bases
from benchmarks.machine import processor
from dast.errors import CommandError, DastError

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "experiments"
SCRATCH = ROOT / "models" / "experiments"
ROWS: dict[Kind, Path] = {"test": RESULTS / "rows.jsonl", "validation": RESULTS / "validation.jsonl"}
BASE_S = 180.0
"""CPU seconds that a base takes, about: 174 measured."""
COMMAND = "python -m benchmarks.experiments run --workers 2"
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "TOKENIZERS_PARALLELISM": "false",
    "CUDA_VISIBLE_DEVICES": "",
}
"""A worker's environment: on two cores two processes of one thread each are faster than one of two, and give the same
numbers again."""


def main(arguments: list[str]) -> None:
    chosen = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("benchmarks").setLevel(logging.INFO)
    design = load_design()
    match chosen.command:
        case "plan":
            sys.stdout.write(told(design, ROWS["test"]) + "\n")
        case "run":
            require_committed()
            _run(chosen.workers)
            _report(design)
        case "work":
            require_committed()
            runs = share_of(with_bases(planned(design, "test")), chosen.worker, chosen.workers)
            _play(design, runs, ROWS["test"], chosen.scratch)
        case "validate":
            seeds = Seeds(bases=chosen.bases or design.seeds["validation"].bases, data=chosen.data or [1])
            _refuse_test_seeds(design, seeds)
            runs = with_bases(runs_of(chosen.arms, chosen.budgets, seeds))
            _play(design, runs, ROWS["validation"], chosen.scratch)
        case "report":
            _report(design)


def told(design: Design, path: Path) -> str:
    """The plan as text: each tier, its runs, and the hours that it takes by the runs that are known."""
    done = rows.usable(rows.read(path), design.digest)
    known = [row for kind in ROWS for row in rows.read(ROWS[kind]) if row["arm"] != rows.BASE]
    each = sum(row["seconds"]["cpu"] for row in known) / max(len(known), 1)
    lines, seen = [f"design {design.digest}, {each:.0f} CPU seconds a run"], set[Run]()
    for tier in design.schedule:
        chosen = Seeds(bases=design.seeds["test"].bases[: tier.bases], data=design.seeds["test"].data[: tier.data])
        runs = set(runs_of(tier.arms, tier.budgets, chosen)) - seen
        seen |= runs
        hours = len(runs) * each / 3600
        lines.append(f"{tier.name}: {len(runs)} runs, {len(runs & done.keys())} done, {hours:.1f} core-hours")
    whole = (len(seen) * each + len({run.base for run in seen}) * BASE_S) / 7200
    return "\n".join([*lines, f"in all {len(seen)} runs, {whole:.1f} hours on two cores, bases included"])


def about() -> dict[str, Any]:
    """What stands in every row besides its own figures."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    packages = {name: version(name) for name in ("torch", "transformers", "trl", "polars")}
    return {"commit": commit.stdout.strip(), "machine": processor(), "versions": packages}


def _run(n_workers: int) -> None:
    """Starts the workers, a process each with one thread, and waits for them.

    Raises:
        CommandError: a worker ended in an error; the others have gone on to their end.
    """
    command = [sys.executable, "-m", "benchmarks.experiments", "work", "--workers", str(n_workers), "--worker"]
    started = [
        subprocess.Popen([*command, str(number)], cwd=ROOT, env={**os.environ, **ONE_THREAD})
        for number in range(n_workers)
    ]
    try:
        failed = sum(worker.wait() != 0 for worker in started)
    except BaseException:
        for worker in started:
            worker.terminate()
        raise
    if failed:
        raise CommandError(f"{failed} of {n_workers} workers ended in an error; run again to go on from there")


def _play(design: Design, runs: list[Run], path: Path, scratch: Path) -> None:
    os.environ.update(ONE_THREAD)
    # torch and trl: seconds to import, and neither `plan` nor `report` needs them.
    import torch

    from benchmarks.experiments.bench import Bench

    torch.set_num_threads(1)
    bench = Bench(design, scratch, about())
    play_all(runs, path, design.digest, bench.settings, bench.play)


def _report(design: Design) -> None:
    from benchmarks.experiments.report import write_report, write_validation

    write_validation(design, rows.read(ROWS["validation"]), RESULTS)
    write_report(design, rows.read(ROWS["test"]), RESULTS, COMMAND)


def _refuse_test_seeds(design: Design, seeds: Seeds) -> None:
    if kept := set(seeds.bases) & set(design.seeds["test"].bases):
        raise CommandError(f"bases {sorted(kept)} are for the test; validate on {design.seeds['validation'].bases}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("plan")
    commands.add_parser("report")
    run, work, validate = (commands.add_parser(name) for name in ("run", "work", "validate"))
    for one in (run, work):
        one.add_argument("--workers", type=int, default=2)
    work.add_argument("--worker", type=int, required=True)
    validate.add_argument("--arms", nargs="+", required=True)
    validate.add_argument("--budgets", nargs="+", default=["K8"])
    validate.add_argument("--bases", nargs="+", type=int)
    validate.add_argument("--data", nargs="+", type=int)
    for one in (work, validate):
        one.add_argument("--scratch", type=Path, default=SCRATCH)
    return parser


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except DastError as error:
        sys.exit(f"experiments: {error}")
