"""`dast diff --data` at a size that real rounds reach, and what `dast plan` adds to DVC's own time.

    python -m benchmarks.diffing               two rounds of 1,000,000 rollouts and training rows each (about a minute)
    python -m benchmarks.diffing 100000        fewer
    python -m benchmarks.diffing plan          the project here, whose stages must be up to date (a few minutes)

writes benchmarks/results/diff.md, each part its own section. Sides share half of their training rows; a text has about
300 characters. Each measurement runs in a process of its own, so that its memory and its imports are its own.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from benchmarks.machine import measured_on, table
from dast.smallfiles import read_json, write_json, write_text
from dast.tables import DIFFICULTY, DPO, GRADED, QUERIES, SFT, Level, Table

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
K = 8
RIGHT = 5
"""Of a query's K rollouts; every right one is a training row, and four queries in five have some."""
WORDS = "Then we add seven to the twelve that she had before, which gives nineteen apples in the basket. " * 3
DATA, TRAIN = PurePosixPath("data"), PurePosixPath("data/queries/train.parquet")
REPEATS = 3


def main(arguments: Sequence[str]) -> None:
    if arguments == ["plan"]:
        kept("plan", {"command": " ".join(["python -m benchmarks.diffing", *arguments]), "rows": plan_times()})
    else:
        n = int(arguments[0]) if arguments else 1_000_000
        kept("data", {"command": " ".join(["python -m benchmarks.diffing", *arguments]), "n": n, **diffed(n)})
    write_text(RESULTS / "diff.md", page())


def kept(part: str, found: dict[str, Any]) -> None:
    """Puts one part's figures beside the other's."""
    path = RESULTS / "diff.json"
    known = read_json(path) if path.exists() else {}
    write_json(path, {**known, part: {**found, "on": measured_on(found["command"], ["dvc", "polars"]), "load": load()}})


def load() -> str:
    """What else the machine did."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores at the end"


# ── two tables of a million rows ──


def diffed(n: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="diff-") as folder:
        root = Path(folder)
        subprocess.run([sys.executable, "-m", "benchmarks.diffing", "make", str(n), folder], cwd=ROOT, check=True)
        command = [sys.executable, "-m", "benchmarks.diffing", "compare", folder]
        runs = [json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)]
        runs += [json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)]
        n_bytes = sum(path.stat().st_size for path in root.rglob("*.parquet"))
        return {**min(runs, key=lambda run: run["seconds"]), "mb": n_bytes / 1e6}


def make(n: int, root: Path) -> None:
    n_queries = n // RIGHT * 5 // 4
    numbers = pl.DataFrame({"number": range(n_queries)}, schema={"number": pl.Int64})
    ids = numbers.with_columns(query_id=(pl.col("number") * 0x9E3779B1).hash(1).cast(pl.String).str.pad_start(20, "0"))
    ids = ids.sort("query_id")
    put(
        root / TRAIN,
        QUERIES,
        ids.with_columns(query=pl.lit(WORDS[:90]), answer=pl.lit("19"), source=pl.lit("s"), licence=pl.lit("MIT")),
    )
    for place, name in enumerate(("r1", "r2")):
        write_side(root / DATA / name, ids, place)


def write_side(folder: Path, ids: pl.DataFrame, place: int) -> None:
    """One round: the first half of each query's right responses are the other round's too."""
    solved = (pl.col("number") + 7 * place) % 5 > 0
    draws = ids.join(pl.DataFrame({"draw": range(K)}, schema={"draw": pl.Int64}), how="cross")
    shared = pl.col("draw") <= RIGHT // 2
    text = pl.format(
        "{} {} {} #### 19", pl.lit(WORDS), pl.col("number"), pl.col("draw") + 100 * place * (~shared).cast(pl.Int64)
    )
    right = solved & (pl.col("draw") < RIGHT)
    rollouts = draws.with_columns(
        rollout_id=pl.format("{}-{}-{}", pl.lit(place), pl.col("number"), pl.col("draw")),
        response=text,
        verdict=pl.when(right).then(pl.lit("correct")).otherwise(pl.lit("incorrect")),
        step=pl.lit("sample"),
        n_tokens=pl.lit(80),
    )
    put(folder / "graded.parquet", GRADED, rollouts)
    put(folder / "augmented.parquet", GRADED, rollouts.clear())
    levels = pl.when(~solved).then(pl.lit("unsolved")).otherwise(pl.lit("easy")).cast(Level)
    put(folder / "difficulty.parquet", DIFFICULTY, ids.with_columns(level=levels, pass_rate=pl.lit(0.5)))
    rows = rollouts.filter(right).with_columns(level=pl.lit("easy"), origin=pl.lit("self"), completion=said("response"))
    put(folder / "sft.parquet", SFT, rows)
    put(folder / "dpo.parquet", DPO, rows.with_columns(chosen=said("response"), rejected=said("query_id")))


def said(column: str) -> pl.Expr:
    return pl.concat_list(pl.struct(role=pl.lit("assistant"), content=pl.col(column)))


def put(path: Path, contract: Table, rows: pl.DataFrame) -> None:
    """The rows in the contract's columns, those that are not there empty; not held against the contract."""
    lacking = {name: pl.lit(None, kind) for name, kind in contract.schema.items() if name not in rows.columns}
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = rows.with_columns(**lacking).select(contract.schema.keys()).cast(dict(contract.schema))
    whole.write_parquet(path, compression="zstd", statistics=False)


def compare(root: Path) -> dict[str, Any]:
    from dast.diff.data import compare_data
    from dast.diff.files import Tree
    from dast.diff.material import material

    start = time.monotonic()
    sides = [material(Tree(root, None), DATA, TRAIN, name) for name in ("r1", "r2")]
    found = compare_data(("r1", "r2"), sides[0], sides[1], ({}, {}), 5)
    seconds = time.monotonic() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    counts = {name: found.sft[name] for name in ("n_a", "n_b", "n_kept", "n_added", "n_dropped")}
    return {"seconds": seconds, "peak_mb": peak, "threads": pl.thread_pool_size(), **counts}


# ── what dast plan adds to DVC ──


OWN = "import os, sys; from dast.cli import main; main(sys.argv[1:]); print(os.times().user + os.times().system)"
"""Runs a command and says last what CPU seconds it took itself, less those of the DVC that it started."""


def plan_times() -> list[dict[str, Any]]:
    """Seconds and CPU seconds of each command, turn by turn, so that all meet the same load; the least of each."""
    runs: dict[str, list[dict[str, float]]] = {}
    for _ in range(REPEATS):
        for name, command in commands():
            runs.setdefault(name, []).append(timed(command))
    return [
        {"command": name, **{key: min(run[key] for run in found) for key in found[0]}} for name, found in runs.items()
    ]


def commands() -> Iterator[tuple[str, list[str]]]:
    for name in ("status", "repro --dry", "repro"):
        yield f"dvc {name}", [sys.executable, "-m", "dvc", *name.split()]
    for name in ("plan", "preset", "preflight --params", "store", "diff r1 r2 --data"):
        yield f"dast {name}", [sys.executable, "-c", OWN, *name.split()]


def timed(command: Sequence[str]) -> dict[str, float]:
    start, before = time.monotonic(), os.times()
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    own = {"own": float(done.stdout.split()[-1])} if command[1] == "-c" else {}
    return {"seconds": time.monotonic() - start, "cpu": cpu, **own}


# ── the page ──


def page() -> str:
    found = read_json(RESULTS / "diff.json")
    parts: dict[str, Callable[[dict[str, Any]], list[str]]] = {"data": data_page, "plan": plan_page}
    blocks = [block for part, write in parts.items() if part in found for block in write(found[part])]
    return "\n\n".join(["# Plan and diff", *blocks]) + "\n"


def data_page(found: dict[str, Any]) -> list[str]:
    names = ("n_a", "n_b", "n_kept", "n_added", "n_dropped")
    return [
        "## `dast diff --data`",
        f"{found['on']} · {found['load']}",
        f"Two rounds of {found['n'] // RIGHT * 5 // 4 * K:,} rollouts each, with a training row and a pair for every "
        f"right one; {found['mb']:,.0f} MB of Parquet. Asked for: two tables of 1,000,000 rows in 30 s. Every part of "
        "the answer, examples included; DVC is not asked for anything.",
        table(
            ["threads", "seconds", "peak memory, MB", "rows before", "after", "kept", "added", "dropped"],
            [
                [
                    str(found["threads"]),
                    f"{found['seconds']:.1f}",
                    f"{found['peak_mb']:,.0f}",
                    *(f"{found[name]:,}" for name in names),
                ]
            ],
        ),
    ]


def plan_page(found: dict[str, Any]) -> list[str]:
    lines = [
        [
            f"`{row['command']}`",
            f"{row['seconds']:.2f}",
            f"{row['cpu']:.2f}",
            f"{row['own']:.2f}" if "own" in row else "–",
        ]
        for row in found["rows"]
    ]
    return [
        "## `dast plan`, and the start of light commands",
        f"{found['on']} · {found['load']}",
        f"The default project with three rounds (34 stages), everything up to date. The least of {REPEATS} turns, the "
        "commands one after another in each. Asked for: what is ours beyond DVC's own under 0.5 s, and light commands "
        "under 0.5 s. `dast plan` runs `dvc status`; ours is the last column.",
        table(["command", "seconds", "CPU seconds", "of these not DVC's"], lines),
    ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"]:
        make(int(sys.argv[2]), Path(sys.argv[3]))
    elif sys.argv[1:2] == ["compare"]:
        sys.stdout.write(json.dumps(compare(Path(sys.argv[2]))))
    else:
        main(sys.argv[1:])
