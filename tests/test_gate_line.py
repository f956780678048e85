"""The gate under DVC: a regression stops the line, and accepting it in params lets `dvc repro` go on from there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from dast.frames import frame, write
from dast.params.project import load_yaml
from dast.params.writing import yaml_text
from dast.smallfiles import read_csv
from dast.tables import TEST_GRADED, TEST_LEVELS, TEST_QUERIES
from tests.makers import ROOT
from tests.test_comparison import TESTS, graded


def project(folder: Path) -> Path:
    """`resolve` and `gate` of the pipeline, a regressed r1, and a stage that waits for the gate as a round does."""
    for name in ("dast", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    stages = load_yaml(ROOT / "dvc.yaml")["stages"]
    after = {"cmd": "echo done > after.txt", "deps": ["data/metrics/r1/gate.json"], "outs": ["after.txt"]}
    kept = {"resolve": stages["resolve"], "gate": stages["gate"], "after": after}
    (folder / "dvc.yaml").write_text(yaml_text({"stages": kept}))
    raw = load_yaml(ROOT / "presets" / "default.yaml")
    write_params(folder, {**raw, "rounds": {"r1": raw["rounds"]["r1"]}})
    write(TEST_QUERIES, TESTS, folder / "data" / "queries" / "tests" / "t.parquet")
    write(TEST_LEVELS, frame(TEST_LEVELS, []), folder / "data" / "base" / "test_levels.parquet")
    for name, n_right in (("base", 40), ("r1", 10)):
        write(TEST_GRADED, graded(n_right), folder / "data" / name / "test_graded.parquet")
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], cwd=folder, check=True)
    return folder


def write_params(folder: Path, raw: dict[str, Any]) -> None:
    (folder / "params.yaml").write_text(yaml_text(raw))


def repro(folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "dvc", "repro"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_gate_stops_repro_and_accepting_the_round_lets_it_go_on(tmp_path: Path) -> None:
    folder = project(tmp_path)
    stopped = repro(folder)
    assert stopped.returncode != 0
    assert "gate@r1: pass@1 in domain fell by 0.500 against base" in stopped.stderr
    assert "add r1 to gate.accept" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert not (folder / "after.txt").exists()
    raw = load_yaml(folder / "params.yaml")
    raw["defaults"]["gate"]["accept"] = ["r1"]
    write_params(folder, raw)
    gone_on = repro(folder)
    assert gone_on.returncode == 0, gone_on.stderr
    assert (folder / "after.txt").exists()
    rows = read_csv(folder / "data" / "metrics" / "r1" / "comparisons.csv")
    assert [row["gate"] for row in rows] == ["", "accepted"]
