"""Rounds as private refs: the same files give the same commit, nothing else of the repository moves, DVC reads them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from dast.errors import CommandError
from dast.report.metrics import read_rounds
from dast.rounds import Project, compare, compare_plots, files_of, write_refs
from dast.smallfiles import write_text
from tests.makers import ROOT
from tests.roundfiles import write_base, write_line, write_round

TABLES = {"report/levels.csv": "levels", "report/training.csv": "train"}
LEVELS_PLOT = {
    "Levels": {"x": {"report/levels.csv": "round"}, "y": {"report/levels.csv": "n_queries"}, "template": "dast_levels"}
}
LOSS_PLOT = {"Loss": {"x": {"report/training.csv": "step"}, "y": {"report/training.csv": "loss"}}}


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def start_dvc(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=folder, check=True)
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "start")


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


def test_compare_unknown_round_lists_those_that_have_files(project: Project) -> None:
    with pytest.raises(CommandError, match=r"no small files of r9 in metrics; .*: base, r1, r2, r3$"):
        compare(project, "r1", "r9", "text")


def test_compare_by_dvc_names_params_metrics_and_draws_plots(project: Project) -> None:
    start_dvc(project.root)
    shutil.copytree(ROOT / ".dvc" / "plots", project.root / ".dvc" / "plots")
    write_text(project.root / "dvc.yaml", json.dumps({"plots": [LEVELS_PLOT]}))
    found = json.loads(compare(project, "r1", "r2", "json"))
    assert found["params"]["params.yaml"]["sample.seed"] == {"old": 11, "new": 12, "diff": 1}
    accuracy = found["metrics"]["metrics.json"]["evaluate.in_domain.pass@1"]
    assert (accuracy["old"], accuracy["new"]) == (0.5, 0.65)
    page = compare_plots(project, "r1", "r2", Path("page"))
    assert "Levels" in (project.root / page).read_text(encoding="utf-8")


def test_compare_base_says_that_it_has_no_settings(project: Project) -> None:
    start_dvc(project.root)
    text = compare(project, "base", "r1", "md")
    assert "## Params, base to r1\n\nbase: no settings of its own." in text
    assert "| evaluate.in_domain.pass@1 | 0.1 | 0.5 | 0.4 |" in " ".join(text.split())


def test_compare_without_any_commit_is_refused(project: Project) -> None:
    with pytest.raises(CommandError, match="no commit yet"):
        compare(project, "r1", "r2", "text")


def test_base_alone_is_listed(tmp_path: Path) -> None:
    write_base(tmp_path)
    with pytest.raises(CommandError, match="rounds that have some: base"):
        compare(Project(tmp_path, PurePosixPath("."), {}), "base", "r1", "text")
