"""A round's dataset read without the Hub: DVC's own `get` and `import`, from a repository and its remote."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.publishable import CARD, call, commit, make_project

DVC = (sys.executable, "-m", "dvc")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository whose outputs lie in a folder remote, and nowhere else."""
    folder = tmp_path_factory.mktemp("origin")
    made = folder / "made"
    make_project(made)
    call(made, *DVC, "remote", "add", "-q", "-d", "shared", str(folder / "remote"))
    commit(made, "a remote")
    call(made, *DVC, "push", "-q")
    call(folder, "git", "clone", "-q", "--bare", str(made), "origin.git")
    return folder / "origin.git"


@pytest.mark.full
def test_reading_by_dvc_get_gives_the_folder_at_a_revision(origin: Path, tmp_path: Path) -> None:
    first = call(origin, "git", "rev-parse", "HEAD").strip()
    call(tmp_path, *DVC, "get", "-q", "--rev", first, "--out", "sums", str(origin), "data/r1/hub")
    assert (tmp_path / "sums" / "README.md").read_text() == CARD
    assert len(list((tmp_path / "sums" / "sft").iterdir())) == 2


@pytest.mark.full
def test_reading_by_dvc_import_keeps_where_it_came_from_and_updates(origin: Path, tmp_path: Path) -> None:
    call(tmp_path, "git", "init", "-q")
    call(tmp_path, *DVC, "init", "-q")
    call(tmp_path, *DVC, "import", "-q", "--out", "sums", str(origin), "data/r1/hub")
    assert (tmp_path / "sums" / "README.md").read_text() == CARD
    assert call(origin, "git", "rev-parse", "HEAD").strip() in (tmp_path / "sums.dvc").read_text()

    work = tmp_path.parent / "work"
    call(tmp_path, "git", "clone", "-q", str(origin), str(work))
    (work / "source/hub/README.md").write_text(f"{CARD}more\n")
    call(work, *DVC, "repro", "-q", "--pull", "--allow-missing", "package@r1")
    commit(work, "another card")
    call(work, *DVC, "push", "-q")
    call(work, "git", "push", "-q")
    call(tmp_path, *DVC, "update", "-q", "sums.dvc")
    assert (tmp_path / "sums" / "README.md").read_text() == f"{CARD}more\n"
