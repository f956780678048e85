"""What the pages say to type is typed: their `console` and `python` blocks, page by page, in a copy with its data.

The copy takes the data of the default line from DVC's cache, or from a remote; where neither has them the tests are
skipped until `make repro` was run. A page's `dvc exp run` takes minutes where code has changed since `dvc.lock` was
written.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.pages import PAGES, ROOT, blocks, printed, words

pytestmark = pytest.mark.full

ROUNDS = ("r1", "r2", "r3")
END = "== end of block =="


@dataclass(frozen=True)
class Copy:
    """The project as it stands here, committed, with the data that `dvc.lock` names."""

    folder: Path

    def run(self, *command: str, allowed: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run(command, cwd=self.folder, env=environment(self.folder), capture_output=True, text=True)
        told = f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert done.returncode in allowed, told
        return done.stdout

    def as_committed(self) -> None:
        self.run("git", "reset", "-q", "--hard", "main")
        self.run("dvc", "checkout", "-q", allowed=(0, 1))


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "DAST_STORE"}
    who = {f"GIT_{role}_{what}": "reader@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, **who, "PATH": path, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


def cache_here() -> str:
    return subprocess.run(
        [sys.executable, "-m", "dvc", "cache", "dir"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    folder = tmp_path_factory.mktemp("docs")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    copy = Copy(folder)
    copy.run("git", "init", "-q", "-b", "main")
    copy.run("git", "add", "-A")
    copy.run("git", "commit", "-q", "-m", "as it stands")
    copy.run("dvc", "remote", "add", "-q", "--local", "-d", "here", cache_here())
    pulled = subprocess.run(["dvc", "pull", "-q"], cwd=folder, env=environment(folder), capture_output=True)
    if pulled.returncode:
        pytest.skip("the data that dvc.lock names are not here: run `make repro` first")
    copy.run("dast", "store", "import", *(f"data/{name}" for name in ROUNDS))
    return copy


@pytest.fixture
def copy(made: Copy) -> Iterator[Copy]:
    yield made
    made.as_committed()


def typed(page: Path) -> list[str]:
    return [command for block in blocks(page) if block.kind == "console" for command in block.commands()]


@pytest.mark.parametrize("page", [page for page in PAGES if typed(page)], ids=lambda page: page.name)
def test_page_commands_run(copy: Copy, page: Path) -> None:
    for command in typed(page):
        ends_by_difference = words(command)[0][:2] == ["dast", "diff"]
        copy.run("bash", "-c", command, allowed=(0, 1) if ends_by_difference else (0,))


@pytest.mark.parametrize("page", [page for page in PAGES if printed(page)], ids=lambda page: page.name)
def test_page_python_prints_what_the_page_says(copy: Copy, page: Path) -> None:
    scripts, said = zip(*printed(page), strict=True)
    told = copy.run(sys.executable, "-c", "".join(f"{script.text}\nprint({END!r})\n" for script in scripts))
    for script, text, output in zip(scripts, said, told.split(f"{END}\n"), strict=False):
        if text is not None:
            assert output == text, f"{script.place} prints\n{output}"
