"""A package at a size that real rounds reach, against bare `datasets` writing the same Parquet, side by side.

    python -m benchmarks.packaging             1,000,000 rollouts and what belongs to them (some minutes)
    python -m benchmarks.packaging 50000       fewer

writes benchmarks/results/packaging.md. A made-up round (16 rollouts of about 500 characters a query) is written as the
line's own tables. Then, each in a process of its own and by turns: the stage `package`, whole, with its gates, the
search for secrets, the card and its pictures; and `datasets`, which reads the same tables, casts them to the same
features and writes each config by `Dataset.to_parquet`, with the same chunking, and does nothing else.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.machine import measured_on, table
from dast import frames, tables
from dast.packaging.configs import FULL, features_of
from dast.params.project import load_project
from dast.params.writing import yaml_text
from dast.smallfiles import write_csv, write_json, write_text

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "packaging.md"
K = 16
N_WORDS = 90
N_TEXTS = 20_000
REPEATS = 3
TARGET = 1.2
PARTS = {
    "sft": (tables.SFT, "sft"),
    "dpo": (tables.DPO, "dpo"),
    "queries": (tables.QUERIES, "queries"),
    "rollouts": (tables.GRADED, "graded", "augmented"),
    "prompts": (tables.PROMPTS, "prompts", "augmented_prompts"),
    "settings": (tables.SETTINGS, "settings", "augmented_settings"),
    "difficulty": (tables.DIFFICULTY, "difficulty"),
    "allocation": (tables.ALLOCATION, "allocation"),
    "unsolved": (tables.UNSOLVED, "unsolved"),
    "suspects": (tables.SUSPECTS, "suspects"),
}
"""Table of each config, and the line's files that it is read from."""


def main(arguments: Sequence[str]) -> None:
    n = int(arguments[0]) if arguments else 1_000_000
    folder = Path(tempfile.mkdtemp(prefix="packaging-", dir=ROOT / ".dvc"))
    try:
        make_round(folder, n)
        runs = [{name: measured(name, folder) for name in ("datasets", "package")} for _ in range(REPEATS)]
        sizes = {name: size_of(folder / name) for name in ("datasets", "package")}
        counts = {name: pl.scan_parquet(folder / "package" / name / "*.parquet").select(pl.len()) for name in FULL}
        rows = {name: int(count.collect().item()) for name, count in counts.items()}
        command = " ".join(["python -m benchmarks.packaging", *arguments])
        write_text(RESULT, report(runs, sizes, rows, command))
    finally:
        shutil.rmtree(folder)


def measured(name: str, folder: Path) -> dict[str, float]:
    """Seconds on the clock and of CPU, and peak memory in MB, of a fresh process."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.packaging", "part", name, str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def part(name: str, folder: Path) -> None:
    work = {"datasets": bare, "package": whole}[name]
    start, before = time.perf_counter(), sum(os.times()[:4])
    work(folder)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    told = {"seconds": time.perf_counter() - start, "cpu_seconds": sum(os.times()[:4]) - before}
    sys.stdout.write(json.dumps({**told, "mb": usage.ru_maxrss / 1024}) + "\n")


def bare(folder: Path) -> None:
    """What anyone would write who has the tables and `datasets`."""
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    for config, (shape, *names) in PARTS.items():
        rows = pl.concat([pl.read_parquet(folder / f"{name}.parquet") for name in names]).unique(maintain_order=True)
        features = features_of(shape)
        loose = rows.with_columns(pl.col(pl.Enum).cast(pl.String)).to_arrow().cast(features.arrow_schema)
        (folder / "datasets" / config).mkdir(parents=True, exist_ok=True)
        out = folder / "datasets" / config / "train-00000-of-00001.parquet"
        Dataset(loose).cast(features).to_parquet(str(out))


def whole(folder: Path) -> None:
    from stages import package

    files = {name for _, *names in PARTS.values() for name in names}
    small = {"score_metrics", "augment_metrics", "build_metrics"}
    package.main(
        round_name="r1",
        policy="base",
        levels="r1",
        earlier=folder / "none",
        tests=folder / "tests",
        params=folder / "params.yaml",
        **{name: folder / f"{name}.parquet" for name in (*files, "pool", "contamination", "query_contamination")},
        **dict.fromkeys(small, folder / "metrics.json"),
        build_plot=folder / "build.csv",
        hub=folder / "package",
        metrics=folder / "package.json",
    )


def make_round(folder: Path, n: int) -> None:
    """The line's tables of a round with `n` rollouts of n / K queries: half of them right, a quarter kept."""
    rng, n_queries = random.Random(1), n // K
    words = [f"w{number}" for number in range(3000)] + ["=", "+", "12/4", "$x^2$", "so"]
    texts = pl.Series([" ".join(rng.choices(words, k=N_WORDS)) for _ in range(N_TEXTS)])
    ids = pl.Series("query_id", [f"{number:016x}" for number in range(n_queries)])
    levels = pl.Series("level", tables.LEVELS, dtype=tables.Level)
    queries = pl.DataFrame({"query_id": ids, "number": pl.int_range(n_queries, eager=True)}).with_columns(
        query=pl.format("What is {} and one? {}", "number", pl.lit(texts[0][:150])),
        answer=(pl.col("number") + 1).cast(pl.String),
        level=levels.gather(pl.int_range(n_queries, eager=True) % len(levels)),
    )
    graded = made_rollouts(queries, texts, n)
    role = {"sft": "completion", "dpo": "chosen"}
    right = graded.filter(pl.col("sample_index") % 4 == 0).join(queries, on="query_id")
    rows = {
        "queries": queries.with_columns(source=pl.lit("tiny"), licence=pl.lit("Apache-2.0")),
        "graded": graded.filter(pl.col("sample_index") < K // 2),
        "augmented": graded.filter(pl.col("sample_index") >= K // 2).with_columns(step=pl.lit("more")),
        "sft": right.with_columns(turns("query", "user", "prompt"), turns("response", "assistant", role["sft"])),
        "dpo": right.filter(pl.col("sample_index") % 8 == 0).with_columns(
            turns("query", "user", "prompt"),
            turns("response", "assistant", "chosen"),
            turns("response", "assistant", "rejected"),
            chosen_id=pl.col("rollout_id"),
            rejected_id=pl.col("rollout_id") + "x",
        ),
        "difficulty": queries.with_columns(n_graded=pl.lit(K), n_correct=pl.lit(K // 2), pass_rate=pl.lit(0.5)),
        "allocation": queries.with_columns(
            **{name: pl.lit(K) for name in ("spent", "spent_tokens", "got", "wanted")}, outcome=pl.lit("quota_met")
        ),
        "prompts": queries.with_columns(turns("query", "user", "messages"), prompt_digest=pl.col("query_id")),
        "settings": pl.DataFrame({"settings_digest": ["s"], "settings": ['{"temperature": 0.7}']}),
    }
    for shape, *names in (*PARTS.values(), (tables.POOL, "pool"), *evidence()):
        for name in names:
            frames.write(shape, fitted(shape, rows.get(name), rows), folder / f"{name}.parquet")
    (folder / "tests").mkdir()
    resolved = load_project(ROOT / "presets" / "default.yaml").settings_of("r1")
    write_text(folder / "params.yaml", yaml_text(resolved))
    write_json(folder / "metrics.json", {})
    write_csv(folder / "build.csv", [{"level": "easy", "n_self": 1, "asked_rate": None, "lucky_rate": None}])


def made_rollouts(queries: pl.DataFrame, texts: pl.Series, n: int) -> pl.DataFrame:
    index = pl.int_range(n, eager=True)
    about = {"settings_digest": "s", "policy": "base", "finish_reason": "stop", "step": "sample"}
    return pl.DataFrame(
        {
            "query_id": queries["query_id"].gather(index // K),
            "sample_index": (index % K).cast(pl.Int32),
            "response": texts.gather((index * 7919) % N_TEXTS) + " #### " + (index // K).cast(pl.String),
        }
    ).with_columns(
        pl.format("{}{}", pl.col("query_id").str.slice(4), pl.col("sample_index")).alias("rollout_id"),
        *(pl.lit(value).alias(name) for name, value in about.items()),
        prompt_digest=pl.col("query_id"),
        predicted=pl.col("response").str.split(" ").list.last(),
        verdict=pl.when(pl.col("sample_index") % 2 == 0).then(pl.lit("correct")).otherwise(pl.lit("incorrect")),
        **{name: pl.lit(150) for name in ("n_prompt_tokens", "n_tokens")},
        n_hint_tokens=pl.lit(0),
    )


def turns(column: str, role: str, name: str) -> pl.Expr:
    return pl.concat_list(pl.struct(role=pl.lit(role), content=pl.col(column))).alias(name)


def evidence() -> tuple[tuple[Any, str, str]]:
    return ((tables.CONTAMINATION, "contamination", "query_contamination"),)


def fitted(shape: tables.Table, rows: pl.DataFrame | None, made: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Rows in a table's columns and types, with ordinary values where they say nothing; none is an empty table."""
    if rows is None:
        return frames.frame(shape, [])
    usual = {"round": "r1", "origin": "self", "n_alike": 1}
    missing = [name for name in shape.schema if name not in rows.columns]
    filled = rows.with_columns(pl.lit(usual.get(name)).alias(name) for name in missing)
    return filled.select(pl.col(name).cast(kind) for name, kind in shape.schema.items())


def size_of(folder: Path) -> tuple[int, int]:
    """Parquet files and their bytes."""
    sizes = [path.stat().st_size for path in folder.rglob("*.parquet")]
    return len(sizes), sum(sizes)


def report(
    runs: list[dict[str, dict[str, float]]],
    sizes: Mapping[str, tuple[int, int]],
    rows: Mapping[str, int],
    command: str,
) -> str:
    lines = []
    for what, unit, form in (("seconds", "s", ".1f"), ("cpu_seconds", "s of CPU", ".1f"), ("mb", "MB at most", ",.0f")):
        values = {name: sorted(run[name][what] for run in runs)[len(runs) // 2] for name in runs[0]}
        ratios = sorted(run["package"][what] / run["datasets"][what] for run in runs)
        ratio = f"{ratios[len(ratios) // 2]:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        lines.append([unit, *(f"{values[name]:{form}}" for name in ("datasets", "package")), ratio])
    files = [f"{count} files, {size / 1e6:,.0f} MB" for count, size in (sizes["datasets"], sizes["package"])]
    counted = ", ".join(f"{name} {count:,}" for name, count in rows.items() if count)
    head = ["", "bare `datasets`", "stage `package`", "ratio (lowest to highest)"]
    packages = ("polars", "pyarrow", "datasets", "vl-convert-python")
    return (
        "\n\n".join(
            [
                "# Packaging",
                f"{sum(rows.values()):,} rows: {counted}. Target: at most {TARGET:g} times the time and memory of bare "
                "`datasets`, which reads the same tables and writes the same rows, columns and types with the same "
                "chunking (but by snappy, which it lets nobody change; the stage compresses by zstd), and does nothing "
                "else, while the stage also holds every row against the gates, searches every text for secrets, and "
                "makes the card with its pictures.",
                table(head, [*lines, ["written", *files, f"{sizes['package'][1] / sizes['datasets'][1]:.2f}"]]),
                f"Medians of {len(runs)} runs, by turns; each ratio is of two runs one after the other. Load of the "
                f"machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.",
                measured_on(command, packages),
            ]
        )
        + "\n"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["part"]:
        part(sys.argv[2], Path(sys.argv[3]))
    else:
        main(sys.argv[1:])
