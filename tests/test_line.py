"""The whole line on a few queries, by DVC in a temporary copy of the project, and what a change re-runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from dast.frames import read
from dast.tables import SFT, TABLES, TEST_GRADED

ROOT = Path(__file__).parent.parent
YAML_SAFE = YAML(typ="safe", pure=True)

CHAIN = ["resolve", "sample", "score", "augment", "build", "train", "evaluate", "gate", "observe", "package"]


def small(raw: dict[str, Any]) -> dict[str, Any]:
    """The default preset with a base that knows short problems only, few queries, and two rounds."""
    defaults = raw["defaults"]
    prepare = defaults["prepare"]
    prepare["train"][0].update(counts={"L1": 12, "L2": 12}, answer_cap=0.5)
    for test in prepare["tests"]:
        levels = list(test["source"]["counts"])[:2]
        test["source"].update(counts=dict.fromkeys(levels, 3), answer_cap=0.5)
    defaults["bootstrap"]["tiny"].update(steps_short=SHORT_STEPS, steps_long=1)
    defaults["augment"].update(wave=2)
    defaults["augment"]["budget"]["per_query"] = 6.0
    for method in ("sft", "dpo"):
        defaults["train"][method].update(steps=4, batch_size=8)
    defaults["evaluate"].update(n_samples=2, k=[1, 2], n_level_rollouts=1)
    defaults["gate"]["max_drop"] = 1.0
    raw["rounds"] = {"r1": raw["rounds"]["r1"], "r2": {**raw["rounds"]["r2"], "method": "dpo"}}
    return raw


SHORT_STEPS = 120


class Line:
    """A copy of the project in which DVC runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if name != "DAST_STORE"}
        self.environment = {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def call(self, *command: str) -> str:
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def dvc(self, *arguments: str) -> str:
        return self.call(sys.executable, "-m", "dvc", *arguments)

    def repro(self, *arguments: str) -> set[str]:
        """Stages that `dvc repro` ran."""
        return set(re.findall(r"Running stage '([^']+)'", self.dvc("repro", *arguments)))

    def plan(self) -> set[str]:
        """Stages that `dast plan` says would run (it runs `resolve` itself)."""
        told = self.call(sys.executable, "-m", "dast.cli", "plan", "--json")
        return {entry["stage"] for entry in json.loads(told[told.index("{") :])["pending"]}

    def change_first_round(self) -> None:
        raw = self.params()
        raw["rounds"]["r1"]["override"] = {"train": {"sft": {"steps": 5}}}
        self.write_params(raw)

    def add_round(self) -> None:
        raw = self.params()
        raw["rounds"]["r3"] = {"policy": "base", "init": "base", "levels": "r1", "method": "sft", "override": {}}
        self.write_params(raw)

    def params(self) -> dict[str, Any]:
        return dict(YAML_SAFE.load((self.folder / "params.yaml").read_text()))

    def write_params(self, raw: dict[str, Any]) -> None:
        with (self.folder / "params.yaml").open("w") as handle:
            YAML().dump(raw, handle)


def copied(folder: Path) -> Line:
    """The project's files in a repository of their own: without what was made, and without a commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\n")
    for name in filter(None, listed):
        if (ROOT / name).is_file() and not name.startswith(("data/metrics", "data/report", "dvc.lock", "tests/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    made = Line(folder)
    made.call("git", "init", "-q")
    return made


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    made = copied(tmp_path_factory.mktemp("line"))
    made.write_params(small(made.params()))
    return made


def stages_of(*rounds: str) -> set[str]:
    return {f"{stage}@{name}" for stage in CHAIN for name in rounds}


def test_line_runs_whole_and_a_second_repro_runs_nothing(line: Line) -> None:
    assert line.repro() == {"prepare", "bootstrap", "evaluate_base", "report", *stages_of("r1", "r2")}
    assert line.repro() == set()
    for name in ("r1", "r2"):
        data = line.folder / "data" / name
        for table in (
            "rollouts",
            "graded",
            "difficulty",
            "allocation",
            "allocation_steps",
            "sft",
            "dpo",
            "contamination",
        ):
            read(TABLES[table], data / f"{table}.parquet")
        assert read(TEST_GRADED, data / "test_graded.parquet").height
        assert (data / "hub" / "README.md").is_file()
    assert read(SFT, line.folder / "data" / "r1" / "sft.parquet").height
    assert (line.folder / "data" / "report" / "summary.md").is_file()
    assert "From r1 to r2" in (line.folder / "data" / "report.html").read_text()


def test_line_sampling_again_gives_the_same_files_from_the_store_alone(line: Line) -> None:
    assert line.call(sys.executable, "-m", "dast.cli", "store").startswith(str(line.folder / ".dvc" / "rollouts"))
    line.environment["DAST_REPLAY"] = "1"
    for stage in ("evaluate_base", "sample@r1", "augment@r1", "evaluate@r1"):
        line.call(sys.executable, "-m", "dvc", "repro", "-q", "--force", "--single-item", stage)
    del line.environment["DAST_REPLAY"]
    assert line.repro() == set()


@pytest.mark.full
def test_line_changed_training_of_the_last_round_re_runs_no_sampling(line: Line) -> None:
    line.repro()  # all of it where the tests above did not run
    raw = line.params()
    raw["rounds"]["r2"]["override"] = {"train": {"dpo": {"steps": 5}}}
    line.write_params(raw)
    assert line.repro() == {"resolve@r2", "train@r2", "evaluate@r2", "gate@r2", "report"}


@pytest.mark.full
def test_line_changed_evaluation_re_runs_neither_sampling_nor_training(line: Line) -> None:
    raw = line.params()
    raw["defaults"]["evaluate"]["n_samples"] = 3
    line.write_params(raw)
    ran = line.repro()
    assert {"evaluate_base", "evaluate@r1", "evaluate@r2"} <= ran
    assert ran <= {
        *("evaluate_base", "report"),
        *(f"{stage}@{name}" for stage in ("resolve", "evaluate", "gate") for name in ("r1", "r2")),
    }


def test_line_changed_training_of_the_first_round_plans_what_depends_on_its_model(line: Line) -> None:
    line.change_first_round()
    assert line.plan() == depends_on_first_model()


def test_line_new_round_plans_only_itself_and_the_report(line: Line) -> None:
    line.add_round()
    assert line.plan() == depends_on_first_model() | stages_of("r3") - {"resolve@r3"}


@pytest.mark.full
def test_line_runs_what_was_planned(line: Line) -> None:
    line.repro()  # what the tests above left undone; all of it where they did not run
    raw = line.params()
    raw["rounds"]["r1"]["override"] = {"train": {"sft": {"steps": 6}}}
    line.write_params(raw)
    planned = line.plan()
    assert planned >= depends_on_first_model()
    assert line.repro() == planned
    assert line.plan() == set()


def depends_on_first_model() -> set[str]:
    own = {f"{stage}@r1" for stage in ("train", "evaluate", "gate")}
    return own | (stages_of("r2") - {"resolve@r2"}) | {"report"}
