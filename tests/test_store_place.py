"""Where the store lies: beside DVC's cache, one for a project's worktrees and temporary workspaces."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dast.dvc import cache_folder, store_folder
from dast.errors import CommandError
from tests.makers import ROOT

STAGE = f"""\
stages:
  look:
    cmd: >-
      {sys.executable} -c "from dast.dvc import store_folder; from pathlib import Path; import sys;
      sys.stdout.write(str(store_folder(Path.cwd())))" > place
    params: [a]
    outs: [place: {{cache: false}}]
"""


def call(folder: Path, *command: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "DAST_STORE"} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a DVC project and one commit."""
    monkeypatch.delenv("DAST_STORE")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "dvc.yaml").write_text(STAGE)
    (folder / "params.yaml").write_text("a: 1\n")
    call(folder, "git", "init", "-q")
    call(folder, sys.executable, "-m", "dvc", "init", "-q")
    for name, value in (("user.name", "t"), ("user.email", "t@localhost")):
        call(folder, "git", "config", name, value)
    call(folder, "git", "add", "-A")
    call(folder, "git", "commit", "-qm", "first")
    return folder


def test_place_is_beside_the_cache(project: Path) -> None:
    assert store_folder(project) == project / ".dvc" / "rollouts"
    call(project, sys.executable, "-m", "dvc", "cache", "dir", "--local", "../shared/cache")
    assert store_folder(project) == project.parent / "shared" / "rollouts"


@pytest.mark.parametrize("level", ["--global", "--system", "--project", "--local"])
def test_place_is_the_cache_that_dvc_names(project: Path, monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    for name in ("GLOBAL", "SYSTEM"):
        (project.parent / name).mkdir()
        monkeypatch.setenv(f"DVC_{name}_CONFIG_DIR", str(project.parent / name))
    call(project, sys.executable, "-m", "dvc", "config", level, "cache.type", "hardlink")
    assert cache_folder(project) == Path(call(project, sys.executable, "-m", "dvc", "cache", "dir").strip())
    call(project, sys.executable, "-m", "dvc", "config", level, "cache.dir", str(project.parent / "far"))
    assert cache_folder(project) == project.parent / "far"


def test_place_of_a_worktree_is_the_main_ones(project: Path) -> None:
    call(project, "git", "worktree", "add", "-q", "../other")
    assert store_folder(project.parent / "other") == project / ".dvc" / "rollouts"


def test_place_is_overridden_by_the_variable(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAST_STORE", str(project / "elsewhere"))
    assert store_folder(project) == project / "elsewhere"


def test_place_outside_a_project_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAST_STORE")
    with pytest.raises(CommandError, match="no DVC project here"):
        store_folder(tmp_path)


def test_place_of_a_temporary_workspace_is_the_projects(project: Path) -> None:
    call(project, sys.executable, "-m", "dvc", "exp", "run", "--temp", "-q", "-S", "a=2", "-n", "looked")
    named = call(project, "git", "for-each-ref", "--format=%(objectname)", "refs/exps").split()
    places = [call(project, "git", "show", f"{commit}:place") for commit in named]
    assert str(project / ".dvc" / "rollouts") in places
