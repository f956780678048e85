"""Grading held against published labels, the golden cases, Math-Verify, and hostile rows.

    python -m benchmarks.grading agreement golden throughput hostile

Each measurement runs in a process of its own and replaces its part of benchmarks/results/grading.md and .csv (without a
name all run, about ten minutes on two cores). `agreement` and `golden` also list every disagreement, in
grading_disagreements.csv and grading_golden.csv. The data are those of benchmarks/recorded.py and tests/cases.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from math_verify import parse, verify

from benchmarks.hostile import HOSTILE, ORDINARY, hostile
from benchmarks.measured import RESULTS, Value, cells, save, timed
from benchmarks.recorded import SAMPLES, SEED, Row, attempts_of, distinct, drawn, frames, recorded
from dast.grading import STANDARD, Grader, grade_rollouts
from dast.smallfiles import write_csv

ROOT = Path(__file__).parent.parent
POOL, PART, REPEATS = 200_000, 10_000, 3
CASES = [ROOT / "tests" / "cases" / name for name in ("grading.jsonl", "grading_more.jsonl")]
LISTED = ("grader", "verdict", "label", "answer", "predicted", "reason", "query", "response")


def main(names: Sequence[str]) -> None:
    if len(names) == 1:
        (name,) = names
        save("grading", name, list(MEASUREMENTS[name]()), PROSE, f"Command: `python -m benchmarks.grading {name}`")
        return
    for name in names or MEASUREMENTS:
        subprocess.run([sys.executable, "-m", "benchmarks.grading", name], check=True, cwd=ROOT)


def math_verify(rows: Sequence[Row]) -> list[bool]:
    """Its documented use: `parse` both texts, then `verify`, with its own time limits."""
    return [bool(verify(parse(row.answer), parse(row.response))) for row in rows]


def golden() -> Iterator[Value]:
    """Pairs with a verdict; `ungraded` ones, which Math-Verify has no word for, stand apart."""
    lines = [line for path in CASES for line in path.read_text(encoding="utf-8").splitlines()]
    cases = [case for case in map(json.loads, lines) if case["verdict"] != "ungraded"]
    with Grader(STANDARD) as grader:
        grades = grader.compare([(case["answer"], case["predicted"]) for case in cases])
    ours = [grade.verdict == "correct" for grade in grades]
    theirs = [bool(verify(*(parse(f"${case[side]}$") for side in ("answer", "predicted")))) for case in cases]
    listed = []
    for name, verdicts in (("dast", ours), ("Math-Verify", theirs)):
        judged = Counter((case["verdict"], said) for case, said in zip(cases, verdicts, strict=True))
        refused, equal = (judged[wanted, True] + judged[wanted, False] for wanted in ("incorrect", "correct"))
        yield from cells("pairs", name, to_be_refused=refused, of_those_accepted=judged["incorrect", True])
        yield from cells("pairs", name, equal=equal, of_those_refused=judged["correct", False])
        for case, said in zip(cases, verdicts, strict=True):
            if said != (case["verdict"] == "correct"):
                listed.append({"grader": name, "accepted": said, **{key: printable(case[key]) for key in case}})
    write_csv(RESULTS / "grading_golden.csv", listed, ("grader", "accepted", "answer", "predicted", "verdict", "why"))


def agreement() -> Iterator[Value]:
    rows = recorded()
    with Grader(STANDARD) as grader:
        grades = grader.grade(attempts_of(rows))
    ours = [(grade.verdict == "correct", grade.predicted, grade.reason) for grade in grades]
    theirs = [(accepted, None, None) for accepted in math_verify(rows)]
    listed: list[dict[str, Any]] = []
    for name, verdicts in (("dast", ours), ("Math-Verify", theirs)):
        wrong = [(row, said) for row, said in zip(rows, verdicts, strict=True) if said[0] != row.label]
        for row, said in wrong:
            values = (name, said[0], row.label, row.answer, *said[1:], row.query, row.response)
            listed.append(dict(zip(LISTED, values, strict=True)))
        accepted = sum(said[0] for _, said in wrong)
        counts = {"accepted_against_label": accepted, "refused_against_label": len(wrong) - accepted}
        yield from cells("labels", name, responses=len(rows), agree=len(rows) - len(wrong), **counts)
    write_csv(RESULTS / "grading_disagreements.csv", listed, LISTED)


def printable(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def throughput() -> Iterator[Value]:
    rows = recorded()
    pool = drawn(rows, POOL)
    for name, one in (("recorded", rows), ("drawn", pool), ("drawn, texts distinct", distinct(pool))):
        lines = list(of_pool(one))
        base = lines[0][1]["rows_a_second"]
        for label, values in lines:
            yield from cells(name, label, **values, times_math_verify=values["rows_a_second"] / base)


def of_pool(rows: Sequence[Row]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each way to grade the rows, Math-Verify first, with its times and its share of agreement with the labels."""
    part = random.Random(SEED).sample(rows, PART) if len(rows) > PART else rows
    rate, verdicts = timed(lambda: math_verify(part), len(part), REPEATS)
    yield "Math-Verify, one process", {"rows": len(part), **rate, "agreement": share(part, verdicts)}
    rollouts, queries = frames(rows)
    for label, workers in (("grade_rollouts", None), ("grade_rollouts, one worker", "1")):
        set_workers(workers)
        rate, graded = timed(lambda: graded_anew(rollouts, queries), len(rows), REPEATS)
        yield label, {"rows": len(rows), **rate, "agreement": share(rows, accepted(graded))}
    set_workers(None)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "pool.parquet"), Path(folder, "verdicts.parquet")
        pl.DataFrame(rows, schema=["query", "answer", "response", "label"], orient="row").write_parquet(source)
        command = [sys.executable, "-m", "dast.cli", "grade", str(source), "--out", str(target)]
        run = partial(subprocess.run, command, check=True, cwd=ROOT, capture_output=True)
        rate, _ = timed(run, len(rows), REPEATS)
        found = share(rows, accepted(pl.read_parquet(target)))
        yield "dast grade, the whole command", {"rows": len(rows), **rate, "agreement": found}
        rate, _ = timed(lambda: pl.read_parquet(source).write_parquet(target), len(rows), REPEATS)
        yield "reading and writing the table", {"rows": len(rows), **rate}


def graded_anew(rollouts: pl.DataFrame, queries: pl.DataFrame) -> pl.DataFrame:
    with Grader(STANDARD) as grader:
        return grade_rollouts(rollouts, queries, grader)


def accepted(graded: pl.DataFrame) -> list[bool]:
    return [verdict == "correct" for verdict in graded["verdict"]]


def share(rows: Sequence[Row], verdicts: Sequence[bool]) -> str:
    return f"{sum(row.label == verdict for row, verdict in zip(rows, verdicts, strict=True)) / len(rows):.2%}"


def set_workers(count: str | None) -> None:
    os.environ.pop("DAST_WORKERS", None)
    if count:
        os.environ["DAST_WORKERS"] = count


MEASUREMENTS = {"agreement": agreement, "golden": golden, "throughput": throughput, "hostile": hostile}
PROSE = {
    "agreement": "The 5,276 recorded responses (four models, 1,319 questions) against the publisher's `is_correct`. "
    "Every disagreement of either grader stands in [grading_disagreements.csv](grading_disagreements.csv).",
    "golden": "Pairs of our own making (tests/cases/grading.jsonl, grading_more.jsonl), judged by this project's "
    "conventions: a reference is exact, units on both sides must agree, order and brackets count. Math-Verify is "
    "`verify(parse(answer), parse(predicted))`, each in dollar signs. Every pair that either grader judges otherwise "
    "stands in [grading_golden.csv](grading_golden.csv).",
    "throughput": f"`Recorded` is the 5,276 responses. `Drawn` is {POOL:,} rows: {SAMPLES} responses of a random query "
    f"of those, with replacement, and so on (seed {SEED}), so that texts repeat; in `texts distinct` each has a line "
    "of its own in front, so that only answers repeat. Math-Verify is `verify(parse(answer), parse(response))`, with "
    f"its own time limits, on {PART:,} random rows of the drawn pools. Times of ours contain the start of the workers, "
    "and those of the command Python's. CPU seconds are of all processes. `Agreement` is with the publisher's label. "
    f"Each line is the median of {REPEATS} runs.",
    "hostile": f"{HOSTILE:,} hostile rows (benchmarks/hostile.py) shuffled into {ORDINARY:,} ordinary ones (`drawn`, "
    f"texts distinct). A row that hits the limit costs {STANDARD.timeout_s:g} s of CPU. Peaks are resident memory, of "
    "the grading process and of its largest worker. `Slowest alone` is a row of the kind by itself, in a worker that "
    "runs.",
}

if __name__ == "__main__":
    main(sys.argv[1:])
