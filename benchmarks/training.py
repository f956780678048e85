"""What keeping a run costs: the stage `train`, with its checkpoints and curve, against a bare TRL script.

    python -m benchmarks.training [ROUND] [REPEATS]

trains round ROUND (r1) of the finished line anew, and the same rows with the same settings by benchmarks/bare_sft.py.
The two take turns, each as a process of its own with one thread, start and imports included. Writes
results/training.md.
"""

from __future__ import annotations

import inspect
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from trl import SFTConfig

from benchmarks.measured import Value, cells, save
from dast.frames import read
from dast.params.project import load_settings
from dast.smallfiles import read_json, write_text
from dast.tables import SFT
from dast.training.config import trl_config
from dast.training.sets import trained_rows

ROOT = Path(__file__).parent.parent
PROSE = {
    "step": "The default's 120 steps of 32 rows of its round r1. Steps: from the first one's start to the last one's "
    "end. Start and end: all else of the process, from its start and imports over loading model and rows to the saved "
    "folder. The ratio is ours to bare, the median of the pairs.",
}


class Spent(NamedTuple):
    """Seconds of one process."""

    step: float
    """One optimiser step."""
    rest: float
    """Everything before and after the steps."""
    cpu: float
    """Of CPU, in all."""


def main(round_name: str = "r1", repeats: int = 3) -> None:
    pairs = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare = _bare_command(round_name, folder)
        for number in range(repeats):
            ours = _spent(_our_command(round_name, folder / f"ours{number}"), folder / f"ours{number}")
            pairs.append((ours, _spent([*bare, str(folder / f"bare{number}")], folder / f"bare{number}")))
    save("training", "step", _values(pairs), PROSE, f"{len(pairs)} pairs of runs")


def _our_command(round_name: str, out: Path) -> list[str]:
    paths = {
        "params": ROOT / "data" / "metrics" / round_name / "params.yaml",
        "start": ROOT / "models" / "base",
        "rows": ROOT / "data" / round_name / "sft.parquet",
        "model": out / "model",
        "metrics": out / "train.json",
        "plot": out / "train.csv",
    }
    flags = [text for name, path in paths.items() for text in (f"--{name}", str(path))]
    start = ["-m", "stages.train", "--round-name", round_name, "--method", "sft", "--init", "base"]
    return [sys.executable, *start, *flags]


def _bare_command(round_name: str, folder: Path) -> list[str]:
    settings = load_settings(ROOT / "data" / "metrics" / round_name / "params.yaml").train
    rows = trained_rows(read(SFT, ROOT / "data" / round_name / "sft.parquet"), "sft", settings)
    config = trl_config("sft", settings, rows.height, folder, resumable=False)
    plain = {name: getattr(config, name) for name in inspect.signature(SFTConfig).parameters if name != "output_dir"}
    default = SFTConfig(output_dir=str(folder), use_cpu=True)
    said = {name: value for name, value in plain.items() if value != getattr(default, name) or name == "use_cpu"}
    write_text(folder / "config.json", json.dumps(said, default=str))
    write_text(folder / "rows.json", "".join(f"{json.dumps(row)}\n" for row in rows.to_dicts()))
    script = folder / "bare_sft.py"  # elsewhere than its siblings, whose names hide packages
    shutil.copy(ROOT / "benchmarks" / "bare_sft.py", script)
    return [
        sys.executable,
        str(script),
        *(str(ROOT / "models" / "base"), f"{folder}/rows.json", f"{folder}/config.json"),
    ]


def _spent(command: list[str], out: Path) -> Spent:
    out.mkdir(parents=True)
    place = {"DAST_STORE": str(out / "store"), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": ""}
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **place}, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - started, os.times()
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    report = out / "train.json"
    seconds = float(read_json(report)["seconds"]) if report.exists() else float(done.stdout.split()[-1])
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Spent(seconds / 120, wall - seconds, cpu)


def _values(pairs: list[tuple[Spent, Spent]]) -> Iterator[Value]:
    names = {"step": "seconds a step", "rest": "seconds, start and end", "cpu": "CPU seconds in all"}
    for field, told in names.items():
        ours, bare = ([getattr(pair[side], field) for pair in pairs] for side in (0, 1))
        ratio = _median([one / other for one, other in zip(ours, bare, strict=True)])
        yield from cells("a run", told, ours=_median(ours), bare=_median(bare), ratio=ratio)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    main(*sys.argv[1:2], *(int(text) for text in sys.argv[2:3]))
