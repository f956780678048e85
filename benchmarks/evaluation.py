"""What an evaluation takes beyond generating its responses.

    python -m benchmarks.evaluation            1,000 queries x 16 and one greedy response each (about 3 minutes)
    python -m benchmarks.evaluation --short    100 queries, and a base that is hardly trained

writes benchmarks/results/evaluation.md. The stage `evaluate` runs as its own process, start and imports included, on
the tiny world's base; then once more, when the store holds every rollout, which is all of it but the generation. The
seconds of generation are the stage's own ledger's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import measured_on, table
from dast.frames import frame, read, write
from dast.grading import Grader
from dast.params.project import parse_project
from dast.params.writing import yaml_text
from dast.policies.bases import make_base
from dast.presets import compose
from dast.smallfiles import read_json, write_text
from dast.sources.queries import query_tables
from dast.tables import TEST_GRADED, TEST_LEVELS, TEST_QUERIES

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "evaluation.md"
LEVELS = tuple(f"L{level}" for level in range(1, 9))
N_SAMPLES = 16
ALLOWED = 0.05
"""Share of the whole that may go beyond generation."""


def main(arguments: Sequence[str]) -> None:
    short = "--short" in arguments
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, short)
        first, kept = (measured(folder) for _ in range(2))
        graded = read(TEST_GRADED, folder / "graded.parquet")
    rows = {"in all": first["wall"], "generating": first["generation"], "all of it again, from the store": kept["wall"]}
    write_text(RESULT, report(rows, graded.height, graded["query_id"].n_unique(), arguments))


def prepare(folder: Path, short: bool) -> None:
    """A base, its test queries, and a round's settings, as the stage reads them."""
    content: dict[str, Any] = dict(compose([], ROOT / "presets"))
    defaults = content["defaults"]
    count = 13 if short else 125
    test = defaults["prepare"]["tests"][0]
    test["source"].update(counts=dict.fromkeys(LEVELS, count), answer_cap=0.3)
    defaults["prepare"]["tests"] = [test]
    defaults["evaluate"].update(n_samples=N_SAMPLES, k=[1, 2, 4, 8, 16])
    if short:
        defaults["bootstrap"]["tiny"].update(steps_short=120, steps_long=1)
    settings = parse_project(content, "the benchmark's params").defaults
    write_text(folder / "params.yaml", yaml_text(defaults))
    make_base(settings.bootstrap, settings.prompt.chat_template, folder / "model")
    with Grader(settings.grading) as grader:
        queries = query_tables(settings.prepare, folder, grader)
    for name, rows in queries.tests.items():
        write(TEST_QUERIES, rows, folder / "tests" / f"{name}.parquet")
    write(TEST_LEVELS, frame(TEST_LEVELS, []), folder / "levels.parquet")


def measured(folder: Path) -> dict[str, float]:
    """Seconds of one run of the stage: `wall`, and `generation` when its rollouts were generated."""
    paths = {
        "params": "params.yaml",
        "model": "model",
        "tests": "tests",
        "levels": "levels.parquet",
        "graded": "graded.parquet",
        "metrics": "metrics.json",
        "plot": "accuracy.csv",
        "shown": "shown.json",
        "responses": "responses.csv",
        "review": "review.csv",
    }
    flags = [text for name, path in paths.items() for text in (f"--{name}", str(folder / path))]
    environment = {**os.environ, "DAST_STORE": str(folder / "store"), "PYTHONDONTWRITEBYTECODE": "1"}
    start = time.perf_counter()
    command = [sys.executable, "-m", "stages.evaluate", "--round-name", "r1", *flags]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    wall = time.perf_counter() - start
    costs = read_json(folder / "metrics.json")["ledger"].values()
    return {"wall": wall, "generation": sum(cost["seconds"] for cost in costs)}


def report(rows: dict[str, float], n_rollouts: int, n_queries: int, arguments: Sequence[str]) -> str:
    """The page; `rows` in seconds."""
    beyond = rows["in all"] - rows["generating"]
    again = rows["all of it again, from the store"]
    least = beyond * (1 - ALLOWED) / ALLOWED
    whole = {**rows, "beyond generating": beyond, "of that, what the store spares: the engine's start": beyond - again}
    lines = [[what, f"{seconds:.1f}", f"{100 * seconds / rows['in all']:.1f}"] for what, seconds in whole.items()]
    about = measured_on(" ".join(["python -m benchmarks.evaluation", *arguments]), ("polars", "torch", "transformers"))
    parts = [
        "# Evaluation: what it takes beyond generating",
        f"{about} · load {os.getloadavg()[0]:.1f} at the end",
        f"{n_queries:,} test queries, {N_SAMPLES} sampled and one greedy response each: {n_rollouts:,} rollouts, "
        "pass@k and maj@k for k up to 16, intervals, the audit, and every table. Seconds of the whole process, start "
        "and imports included.",
        table(["what", "seconds", "percent of all"], lines),
        f"Grading, statistics and tables take {1000 * again / n_rollouts:.2f} ms a rollout, start included. All beyond "
        f"generating is {100 * ALLOWED:g} % of the whole or less where generating takes {least:.0f} s or more: "
        f"{n_rollouts / least:,.0f} rollouts a second; this base of half a million parameters gave "
        f"{n_rollouts / rows['generating']:,.0f}.",
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main(sys.argv[1:])
