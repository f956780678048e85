"""A small project of git and DVC with a dataset and a model to publish: its stages copy what lies in `source`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl

from dast.policies.folder import write_policy
from dast.smallfiles import write_csv, write_json

PIPELINE = """\
stages:
  build:
    foreach: [r1]
    do:
      cmd: cp source/sft.parquet data/r1/sft.parquet
      deps: [source/sft.parquet]
      outs: [data/r1/sft.parquet]
  package:
    foreach: [r1]
    do:
      cmd: cp -r source/hub data/r1/hub
      deps: [source/hub, data/r1/sft.parquet]
      outs: [data/r1/hub]
  train:
    foreach: [r1]
    do:
      cmd: cp -r source/model models/r1 && cp source/train.json data/metrics/r1/train.json
      deps: [data/r1/sft.parquet, source/model, source/train.json]
      outs: [models/r1, data/metrics/r1/train.json: {cache: false}]
  evaluate:
    foreach: [r1]
    do:
      cmd: cp source/r1.csv data/metrics/r1/accuracy.csv
      deps: [models/r1, source/r1.csv]
      outs: [data/metrics/r1/accuracy.csv: {cache: false}]
  evaluate_base:
    cmd: cp source/base.csv data/metrics/base/accuracy.csv
    deps: [source/base.csv]
    outs: [data/metrics/base/accuracy.csv: {cache: false}]
"""

CARD = """\
---
configs:
- config_name: sft
  default: true
  data_files: [{split: train, path: sft/train-*.parquet}]
- config_name: difficulty
  data_files: [{split: train, path: difficulty/train-*.parquet}]
---
# Sums
"""


def call(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def commit(folder: Path, message: str) -> str:
    call(folder, "git", "add", "-A")
    call(folder, "git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", message)
    return call(folder, "git", "rev-parse", "HEAD").strip()


def make_base(folder: Path) -> None:
    """What the model was trained from, as it was downloaded from the Hub."""
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "README.md").write_text("---\nlicense: other\nlicense_name: sums\ntags: [a]\n---\n# Small\n")
    write_policy(folder, name="base", kind="hub", source="ada/small", revision="c" * 40)


def write_source(source: Path) -> None:
    """What the stages copy: a dataset of two configs, one of them in two files, and a model."""
    messages = [[{"role": "user", "content": f"What is {index} + 1?"}] for index in range(5)]
    sft = pl.DataFrame({"query_id": [f"q{index}" for index in range(5)], "prompt": messages})
    difficulty = pl.DataFrame({"query_id": ["q0", "q1"], "pass_rate": [0.5, None], "level": ["easy", None]})
    parts = {"sft/train-0.parquet": sft[:3], "sft/train-1.parquet": sft[3:], "difficulty/train-0.parquet": difficulty}
    for name, rows in parts.items():
        path = source / "hub" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows.write_parquet(path)
    (source / "hub" / "README.md").write_text(CARD)
    sft.write_parquet(source / "sft.parquet")
    (source / "model").mkdir()
    (source / "model" / "README.md").write_text("---\ntags: [dast]\n---\n# r1\n")
    (source / "model" / "model.safetensors").write_bytes(b"weights")
    write_policy(source / "model", name="r1", kind="trained", parent="base", method="sft")
    row = {"test_set": "held", "domain": "in", "group": "all", "n_queries": 8, "measure": "greedy", "se": 0.0}
    for name, estimate in (("base", 0.25), ("r1", 0.75)):
        write_csv(source / f"{name}.csv", [{**row, "estimate": estimate, "low": 0.0, "high": 1.0}])
    run = {"method": "sft", "n_rows": 5, "steps": 2, "epochs": 1.0, "loss_first": 2.0, "loss_last": 1.0}
    write_json(source / "train.json", run)


def make_project(folder: Path) -> None:
    """Writes the project, runs `dvc repro`, and commits."""
    for name in ("data/r1", "data/metrics/r1", "data/metrics/base", "models"):
        (folder / name).mkdir(parents=True)
    write_source(folder / "source")
    make_base(folder / "models" / "base")
    (folder / "dvc.yaml").write_text(PIPELINE)
    call(folder, "git", "init", "-q")
    call(folder, sys.executable, "-m", "dvc", "init", "-q")
    call(folder, sys.executable, "-m", "dvc", "repro", "-q")
    commit(folder, "made")
