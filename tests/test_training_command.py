"""`dast training`: which runs it lists, of which model, and what it deletes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dast.cli import main
from dast.policies.folder import fingerprint, write_policy
from dast.smallfiles import write_json, write_text
from dast.training.inventory import kept_runs, made_of
from dast.training.kept import MARK
from dast.training.trained import Trained, write_trained
from tests.makers import ROOT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose r1 a kept run made; another finished run, and a killed one."""
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    shutil.copy(ROOT / "presets" / "default.yaml", tmp_path / "params.yaml")
    monkeypatch.setenv("DAST_STORE", str(tmp_path / "kept" / "rollouts"))
    monkeypatch.chdir(tmp_path)
    for name in ("r1", "old"):
        finished(tmp_path, name)
    shutil.copytree(runs(tmp_path) / "r1" / "model", tmp_path / "models" / "r1")
    write_text(tmp_path / "models" / "r1" / "README.md", "a card")
    write_policy(tmp_path / "models" / "r1", name="r1", kind="trained", parent="base", method="sft")
    for step in (50, 100):
        write_text(runs(tmp_path) / "killed" / "work" / f"checkpoint-{step}" / "state", "x")
    write_text(runs(tmp_path) / "killed" / "work" / "checkpoint-50" / MARK, "")
    return tmp_path


def runs(project: Path) -> Path:
    return project / "kept" / "training"


def finished(project: Path, name: str) -> None:
    write_text(runs(project) / name / "model" / "model.safetensors", f"weights of {name}")
    write_trained(runs(project) / name / "trained.json", Trained(9, 120, 1.0, 2.0, 30, []))


def names(project: Path) -> list[str]:
    return sorted(path.name for path in runs(project).iterdir())


def test_list_tells_state_model_and_steps(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["training"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{runs(project)}: 3 runs, ")
    told = {line.split()[0]: line.split()[1:4] for line in lines[2:]}
    assert told == {
        "r1": ["finished", "r1", "120"],
        "old": ["finished", "–", "120"],
        "killed": ["unfinished", "–", "50"],
    }
    assert main(["training", "list"]) == 0
    capsys.readouterr()
    assert main(["training", "list", "--json"]) == 0
    kept = {Path(run["folder"]).name: run for run in json.loads(capsys.readouterr().out)["kept"]}
    assert {name: (run["finished"], run["model"], run["n_steps"]) for name, run in kept.items()} == {
        "r1": (True, "r1", 120),
        "old": (True, None, 120),
        "killed": (False, None, 50),
    }


def test_list_without_runs_says_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(runs(project))
    assert main(["training"]) == 0
    assert capsys.readouterr().out.startswith(f"{runs(project)}: 0 runs")


def test_gc_lists_then_deletes_finished_runs_of_no_model(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["training", "gc"]) == 0
    assert "1 run, 0 kB are of no model here" in capsys.readouterr().out
    assert names(project) == ["killed", "old", "r1"]
    assert main(["training", "gc", "--yes"]) == 0
    assert "deleted 1 run" in capsys.readouterr().out
    assert names(project) == ["killed", "r1"]
    assert main(["training", "gc", "--yes"]) == 0
    assert "every finished run made a model" in capsys.readouterr().out
    assert main(["training", "gc", "--unfinished", "--yes"]) == 0
    assert names(project) == ["r1"]


def test_gc_keeps_the_run_of_a_model_that_only_small_files_name(project: Path) -> None:
    name = fingerprint(project / "models" / "r1")
    shutil.rmtree(project / "models" / "r1")
    write_json(project / "data" / "metrics" / "r1" / "train.json", {"fingerprint": name})
    assert main(["training", "gc", "--yes"]) == 0
    assert names(project) == ["killed", "r1"]


def test_gc_leaves_a_run_that_is_being_trained(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(1, flush=True); "
    lock = runs(project) / "killed" / "run.lock"
    holder = subprocess.Popen([sys.executable, "-c", code + "time.sleep(60)", str(lock)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert main(["training", "gc", "--unfinished", "--yes"]) == 0
    finally:
        holder.kill()
        holder.wait()
    assert names(project) == ["killed", "r1"]
    assert "1 are being trained" in capsys.readouterr().out


def test_made_of_an_adapter_names_it_over_its_base(project: Path) -> None:
    base = write_policy(project / "models" / "base", name="base", kind="tiny").digest
    adapter = project / "models" / "r2"
    write_text(adapter / "adapter_config.json", '{"base_model_name_or_path": "models/base"}')
    write_text(adapter / "adapter_model.safetensors", "change")
    shutil.copytree(adapter, runs(project) / "lora" / "model")
    write_trained(runs(project) / "lora" / "trained.json", Trained(9, 120, 1.0, 2.0, 30, []))
    write_policy(adapter, name="r2", kind="trained", parent="base", method="sft")
    (run,) = (run for run in kept_runs(runs(project)) if run.folder.name == "lora")
    assert made_of(run, {base, fingerprint(adapter)}) == fingerprint(adapter)
    assert made_of(run, {base}) is None
