"""Rounds as private refs: the same files give the same commit, and nothing else of the repository moves."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from dast.diff.command import PLOTTED
from dast.report.metrics import read_rounds
from dast.report.writing import TABLES as REPORT_TABLES
from dast.rounds import LEDGER, Project, files_of, write_refs
from dast.smallfiles import write_text
from tests.makers import ROOT
from tests.roundfiles import write_line, write_round

TABLES = {"report/levels.csv": "levels", "report/training.csv": "train"}
LEVELS_PLOT = {
    "Levels": {"x": {"report/levels.csv": "round"}, "y": {"report/levels.csv": "n_queries"}, "template": "dast_levels"}
}
LOSS_PLOT = {"Loss": {"x": {"report/training.csv": "step"}, "y": {"report/training.csv": "loss"}}}


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def project(tmp_path: Path) -> Project:
    git(tmp_path, "init", "-q")
    write_line(tmp_path / "metrics")
    return Project(tmp_path, PurePosixPath("metrics"), TABLES)


def test_refs_equal_files_give_equal_commits_elsewhere(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("clone")
    git(other, "init", "-q")
    git(other, "config", "user.name", "Somebody")
    shutil.copytree(project.root / "metrics", other / "metrics")
    ids = write_refs(project, read_rounds(project.root / "metrics"))
    assert ids == write_refs(Project(other, project.metrics, TABLES), read_rounds(other / "metrics"))
    assert list(ids) == ["base", "r1", "r2", "r3"]


def test_refs_changed_number_gives_another_commit(project: Project) -> None:
    before = write_refs(project, read_rounds(project.root / "metrics"))
    write_text(project.root / "metrics" / "r2" / "train.json", '{"steps": 7}\n')
    after = write_refs(project, read_rounds(project.root / "metrics"))
    assert [name for name in before if before[name] != after[name]] == ["r2"]


def test_refs_touch_neither_index_nor_branch(project: Project) -> None:
    write_refs(project, read_rounds(project.root / "metrics"))
    assert git(project.root, "ls-files") == ""
    assert git(project.root, "status", "--porcelain") == "?? metrics/\n"
    assert {
        line.split("\t")[1]
        for line in git(project.root, "for-each-ref", "--format=%(objecttype)\t%(refname)").splitlines()
    } == {f"refs/dast/{name}" for name in ("base", "r1", "r2", "r3")}


def test_refs_hold_the_round_as_params_metrics_and_tables(project: Project) -> None:
    write_refs(project, read_rounds(project.root / "metrics"))
    assert git(project.root, "ls-tree", "-r", "--name-only", "dast/r1").split() == [
        *("dvc.yaml", "metrics.json", "params.yaml", "report/levels.csv", "report/training.csv")
    ]
    assert json.loads(git(project.root, "show", "dast/r1:metrics.json"))["train"]["steps"] == 120
    assert git(project.root, "show", "dast/r1:report/levels.csv").startswith("round,level,n_queries")


def test_files_round_without_training_has_no_plot_of_it(tmp_path: Path) -> None:
    write_round(tmp_path, "r1", "base", evaluated=False)
    files = files_of(read_rounds(tmp_path)[0], [LEVELS_PLOT, LOSS_PLOT], TABLES)
    assert "report/training.csv" not in files
    assert "Levels" in files["dvc.yaml"]
    assert "Loss" not in files["dvc.yaml"]


def test_refs_of_a_revision_stand_beside_those_of_the_working_tree(project: Project) -> None:
    rounds = read_rounds(project.root / "metrics")
    here = write_refs(project, rounds)
    assert write_refs(project, rounds[:2], "@0123456789ab") == {name: here[name] for name in ("base", "r1")}
    listed = git(project.root, "for-each-ref", "--format=%(refname)").split()
    assert "refs/dast/r1@0123456789ab" in listed
    assert "refs/dast/r1" in listed


def test_refs_hold_every_table_that_a_plot_of_the_pipeline_reads() -> None:
    read = set(re.findall(r"data/report/(\w+)\.csv", (ROOT / "dvc.yaml").read_text(encoding="utf-8")))
    assert read <= set(PLOTTED)
    assert set(PLOTTED.values()) - {LEDGER} <= {source for source, _ in REPORT_TABLES.values()}


def test_files_hold_the_ledger_of_a_round_that_sampled(tmp_path: Path) -> None:
    write_round(tmp_path, "r1", "base")
    files = files_of(read_rounds(tmp_path)[0], [], {"report/ledger.csv": LEDGER})
    assert files["report/ledger.csv"].splitlines()[0].startswith("round,stage,level,n_rollouts")
    assert "r1,sample," in files["report/ledger.csv"]


def test_refs_text_that_is_no_ascii_keeps_its_bytes(project: Project) -> None:
    write_text(project.root / "metrics" / "r1" / "train.json", '{"loss": "½ … data 3"}\n')
    write_refs(project, read_rounds(project.root / "metrics"))
    assert json.loads(git(project.root, "show", "dast/r1:metrics.json"))["train"]["loss"] == "½ … data 3"
