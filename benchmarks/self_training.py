"""Does self-training help in the embedded world? The line with its controls, on bases that no choice has seen.

    python -m benchmarks.self_training 101 102 103

runs the preset `tiny-controls` once for each seed (base, train queries and test queries drawn anew), in a temporary
copy of the project, by `dvc repro`, and writes benchmarks/results/self_training.md and .csv. A seed that stands in the
.csv is not run again. Settings were chosen on other seeds (21 and 22).
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from ruamel.yaml import YAML

from dast.frames import read
from dast.presets import compose
from dast.smallfiles import read_csv, write_csv, write_text
from dast.tables import TEST_GRADED

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
ROWS = RESULTS / "self_training.csv"
STATES = ("base", "r1", "r2", "r3", "references", "unfiltered1", "unfiltered2", "unfiltered3")
COLUMNS = ("seed", "state", "test_set", "group", "value", "measure", "n_queries", "estimate", "se")


def main(arguments: Sequence[str]) -> None:
    seeds = [int(argument) for argument in arguments]
    known: list[dict[str, Any]] = list(read_csv(ROWS)) if ROWS.exists() else []
    for seed in seeds:
        if not any(row["seed"] == str(seed) for row in known):
            known += run(seed)
            write_csv(ROWS, known, COLUMNS)
    write_text(RESULTS / "self_training.md", report(read_csv(ROWS), seeds))


def run(seed: int) -> list[dict[str, Any]]:
    """One line: every accuracy, the paired differences from the base by query, the shares right by luck, and times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(["git", "clone", "-q", str(ROOT), name], check=True)
        with (folder / "params.yaml").open("w") as handle:
            YAML().dump(settings(seed), handle)
        environment = {**os.environ, "PYTHONPATH": name, "PYTHONDONTWRITEBYTECODE": "1"}
        start = time.monotonic()
        subprocess.run([sys.executable, "-m", "dvc", "repro", "-q", "gate"], cwd=name, env=environment, check=True)
        minutes = (time.monotonic() - start) / 60
        return [{"seed": seed, **row} for row in measured(folder, minutes)]


def settings(seed: int) -> dict[str, Any]:
    """The preset with everything that is drawn drawn from `seed`."""
    raw: dict[str, Any] = dict(compose(["tiny-controls"], ROOT / "presets"))
    prepare = raw["defaults"]["prepare"]
    raw["defaults"]["bootstrap"]["tiny"]["seed"] = seed
    prepare["train"][0]["seed"] = seed
    for index, test in enumerate(prepare["tests"]):
        test["source"]["seed"] = 10 * seed + index
    return raw


def measured(folder: Path, minutes: float) -> Iterator[dict[str, Any]]:
    blank = {"group": "all", "value": "all", "n_queries": None, "se": None}
    yield {**blank, "state": "line", "test_set": "", "measure": "minutes", "estimate": minutes}
    base = rates(folder, "base")
    for state in STATES:
        metrics = folder / "data" / "metrics" / state
        for row in read_csv(metrics / "accuracy.csv"):
            yield {"state": state, **{key: row[key] for key in COLUMNS if key in row}}
        for row in read_csv(metrics / "build.csv") if state != "base" else []:
            luck = {"group": "kept", "value": row["level"], "measure": "lucky_rate", "estimate": row["lucky_rate"]}
            yield {**luck, "state": state, "test_set": "train", "n_queries": row["n_self"], "se": None}
        pairs = base.join(rates(folder, state), on=["test_set", "query_id", "kind"], suffix="_after")
        gained = pl.col("rate_after") - pl.col("rate")
        found = pairs.group_by("test_set", "kind").agg(n=pl.len(), mean=gained.mean(), sd=gained.std())
        for row in found.sort("test_set", "kind").iter_rows(named=True):
            about = {"state": state, "test_set": row["test_set"], "group": "all", "value": "all", "n_queries": row["n"]}
            yield {
                **about,
                "measure": f"change {row['kind']}",
                "estimate": row["mean"],
                "se": row["sd"] / row["n"] ** 0.5,
            }


def rates(folder: Path, state: str) -> pl.DataFrame:
    graded = read(TEST_GRADED, folder / "data" / state / "test_graded.parquet")
    counted = graded.filter(pl.col("verdict") != "ungraded").with_columns(kind=pl.col("decoding").cast(pl.String))
    return counted.group_by("test_set", "query_id", "kind").agg(rate=(pl.col("verdict") == "correct").mean())


def report(rows: Iterable[Mapping[str, str]], seeds: Sequence[int]) -> str:
    """The tables as Markdown: percent, mean over seeds ± its standard error over seeds."""
    rows = [row for row in rows if row["estimate"] and int(row["seed"]) in seeds]
    sets = list(dict.fromkeys(row["test_set"] for row in rows if row["group"] == "all" and row["state"] == "base"))
    minutes = [float(row["estimate"]) for row in rows if row["measure"] == "minutes"]
    parts = [
        "# Self-training in the embedded world",
        f"Command: `python -m benchmarks.self_training {' '.join(map(str, seeds))}` · {platform.machine()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()} · {time.strftime('%Y-%m-%d')} · "
        f"{', '.join(f'{one:.0f}' for one in minutes)} minutes a seed.",
        "Percent, mean over the seeds (base, train and test queries drawn anew for each) ± its standard error over "
        "seeds. pass@1 is over 4 samples at temperature 0.7; `guess` always gives the commonest answer of each level. "
        "`references` trains on reference solutions alone, `unfiltered1` to `3` on responses whatever their verdict, "
        "with as many optimiser steps as r1 to r3 together (270).",
        "## By test set",
        matrix(rows, [("all", "all", name) for name in sets]),
        "## Change from the base, paired over queries",
        changes(rows, sets),
        "## By level",
    ]
    for name in sets:
        levels = [row["value"] for row in rows if row["group"] == "source_level" and row["test_set"] == name]
        values = dict.fromkeys(levels)
        parts += [f"### {name}", matrix(rows, [("source_level", value, name) for value in values])]
    parts += ["## Share of kept responses that are right by luck (answer right, a step wrong)", luck(rows)]
    return "\n\n".join(parts) + "\n"


def matrix(rows: Sequence[Mapping[str, str]], columns: Sequence[tuple[str, str, str]]) -> str:
    """A row a state and measure, a column a (group, value, test set)."""
    by_value = len({column[1] for column in columns}) > 1
    heads = ["state", "measure", *(value if by_value else name for _, value, name in columns)]
    lines = []
    for measure in ("guess", "pass@1", "greedy", "pass@4"):
        for state in ("base",) if measure == "guess" else STATES:
            cells = [cell(rows, state, measure, *column) for column in columns]
            lines.append(["any" if measure == "guess" else state, measure, *cells])
    return table(heads, lines)


def cell(rows: Sequence[Mapping[str, str]], state: str, measure: str, group: str, value: str, name: str) -> str:
    wanted = {"state": state, "measure": measure, "group": group, "value": value, "test_set": name}
    found = [float(row["estimate"]) * 100 for row in rows if all(row[key] == text for key, text in wanted.items())]
    return spread(found)


def spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    mean = statistics.fmean(values)
    if len(values) == 1:
        return f"{mean:.1f}"
    return f"{mean:.1f} ± {statistics.stdev(values) / len(values) ** 0.5:.1f}"


def changes(rows: Sequence[Mapping[str, str]], sets: Sequence[str]) -> str:
    """Mean difference in points, with a 95 % interval from the paired differences over queries within seeds."""
    lines = []
    for state in STATES[1:]:
        for kind, measure in (("sample", "pass@1"), ("greedy", "greedy")):
            cells = [interval(rows, state, f"change {kind}", name) for name in sets]
            lines.append([state, measure, *cells])
    return table(["state", "measure", *sets], lines)


def interval(rows: Sequence[Mapping[str, str]], state: str, measure: str, name: str) -> str:
    found = [row for row in rows if (row["state"], row["measure"], row["test_set"]) == (state, measure, name)]
    if not found:
        return ""
    mean = statistics.fmean(float(row["estimate"]) for row in found) * 100
    half = 1.96 * sum(float(row["se"]) ** 2 for row in found) ** 0.5 / len(found) * 100
    return f"{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}]"


def luck(rows: Sequence[Mapping[str, str]]) -> str:
    levels = ("easy", "medium", "hard", "unsolved")
    lines = []
    for state in ("r1", "r2", "r3"):
        cells = [cell(rows, state, "lucky_rate", "kept", level, "train") for level in levels]
        lines.append([state, *cells])
    return table(["round", *levels], lines)


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, ["---"] * len(heads), *lines])


if __name__ == "__main__":
    main(sys.argv[1:])
