"""Work in progress shared through a DVC remote: a folder, and clones that run only what changed.

The pipeline is the project's own, on a few queries, up to a package of one round.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packages import card_of
from tests.publishable import commit
from tests.test_line import Line, copied, small

pytestmark = pytest.mark.full  # minutes: every stage starts Python

WEIGHTS = Path("models/base/model.safetensors")
HUB = Path("data/r1/hub")
ROLLOUTS = [f"data/r1/{name}.parquet" for name in ("rollouts", "prompts", "settings")]
FURTHER = [f"data/r1/{name}.parquet" for name in ("augmented", "augmented_prompts", "augmented_settings")]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Line:
    """A clone that ran the line and pushed what it made."""
    folder = tmp_path_factory.mktemp("shared")
    line = copied(folder / "first")
    raw = small(line.params())
    raw["defaults"]["generation"]["engine"] = "transformers"  # `auto` asks torch where vllm is installed
    line.write_params({**raw, "rounds": {"r1": raw["rounds"]["r1"]}})
    line.dvc("remote", "add", "--default", "shared", str(folder / "remote"))
    line.repro("package@r1")
    commit(line.folder, "r1")
    line.dvc("push", "package@r1", "--with-deps")
    return line


def clone(first: Line, name: str) -> Line:
    """A fresh clone, with a store and a cache of its own."""
    first.call("git", "clone", "--quiet", str(first.folder), str(first.folder.parent / name))
    return Line(first.folder.parent / name)


def change(line: Line, section: str, key: str, value: object) -> None:
    """Changes one number of the defaults: a field, or the field of one."""
    raw = line.params()
    *parents, last = key.split(".")
    place = raw["defaults"][section]
    for parent in parents:
        place = place[parent]
    assert place[last] != value
    place[last] = value
    line.write_params(raw)


def without_torch(line: Line) -> None:
    """Makes torch, and with it every model and GPU, out of reach of the stages."""
    stub = line.folder.parent / "no_torch" / "torch.py"
    stub.parent.mkdir(exist_ok=True)
    stub.write_text("raise ImportError('a stage reached for a model')\n")
    line.environment["PYTHONPATH"] = f"{stub.parent}:{line.folder}"


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file below a folder, by its path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def cached(line: Line) -> dict[str, Path]:
    """Files of the clone's cache, by their MD5."""
    files = (line.folder / ".dvc" / "cache" / "files" / "md5").rglob("*")
    return {path.parent.name + path.name.removesuffix(".dir"): path for path in files if path.is_file()}


@pytest.fixture(scope="module")
def second(first: Line) -> Line:
    """A clone that pulled everything."""
    line = clone(first, "second")
    line.dvc("pull", "package@r1", "--with-deps")
    return line


def test_sharing_pulled_clone_has_the_same_files_and_runs_nothing(first: Line, second: Line) -> None:
    for folder in (HUB, WEIGHTS.parent, Path("data/queries")):
        assert digests(second.folder / folder) == digests(first.folder / folder) != {}
    assert second.repro("package@r1") == set()


@pytest.mark.parametrize("which", ["made", "made again", "pulled"])
def test_sharing_large_outputs_are_one_with_the_cache(first: Line, second: Line, which: str) -> None:
    line = second if which == "pulled" else first
    if which == "made again":  # the same bytes, which the cache has already
        line.dvc("repro", "--quiet", "--force", "--single-item", "prepare")
        line.dvc("repro", "--quiet", "--force", "--single-item", "bootstrap")
    kept = cached(line)
    for path in (WEIGHTS, Path(ROLLOUTS[0]), next(iter(sorted((line.folder / "data/queries/tests").iterdir())))):
        made = line.folder / path
        inside = kept[hashlib.md5(made.read_bytes()).hexdigest()]
        assert made.samefile(inside), f"{path} lies on the disk twice"


def test_sharing_changed_number_runs_only_what_it_touches_and_goes_back(first: Line, second: Line) -> None:
    change(second, "build", "keep.easy", 2)
    ran = second.repro("--pull", "--allow-missing", "package@r1")
    assert ran == {"resolve@r1", "build@r1", "package@r1"}
    commit(second.folder, "more of the easy ones")
    second.dvc("push", "package@r1", "--with-deps")
    first.call("git", "pull", "--quiet", str(second.folder), "HEAD")
    assert digests(first.folder / HUB) != digests(second.folder / HUB)
    first.dvc("pull", str(HUB))
    assert digests(first.folder / HUB) == digests(second.folder / HUB)


def test_sharing_dataset_is_rebuilt_in_a_clone_that_has_no_model(first: Line) -> None:
    line = clone(first, "tables")
    without_torch(line)
    change(line, "build", "keep.hard", 1)
    assert line.repro("--pull", "--allow-missing", "package@r1") == {"resolve@r1", "build@r1", "package@r1"}
    assert not (line.folder / "models").exists()
    assert "# " in card_of(line.folder / HUB)
    assert WEIGHTS.name not in [path.name for path in line.folder.rglob("*")]


def test_sharing_allocation_is_played_again_from_imported_rollouts(first: Line) -> None:
    line = clone(first, "replay")
    line.environment["DAST_REPLAY"] = "1"
    without_torch(line)
    change(line, "augment", "budget.per_query", 5.0)
    repro = [sys.executable, "-m", "dvc", "repro", "--pull", "--allow-missing", "package@r1"]
    lacking = subprocess.run(repro, cwd=line.folder, env=line.environment, capture_output=True, text=True, check=False)
    assert lacking.returncode != 0
    assert "DAST_REPLAY" in lacking.stderr
    line.dvc("pull", *ROLLOUTS, *FURTHER)
    line.call(sys.executable, "-m", "dast.cli", "store", "import", "data/r1")
    assert line.repro("--pull", "--allow-missing", "package@r1") == {"augment@r1", "build@r1", "package@r1"}


@pytest.fixture(scope="module", autouse=True)
def _nothing_wrote_into_a_cache(first: Line) -> Iterator[None]:
    """What lies in a cache, and may be linked to from a working tree, is still what its name says."""
    yield
    stores = [path for path in first.folder.parent.rglob("files/md5") if path.is_dir()]
    assert len(stores) > 1  # those of clones, and the remote
    for store in stores:
        for path in store.rglob("*"):
            if path.is_file():
                said = path.parent.name + path.name.removesuffix(".dir")
                assert hashlib.md5(path.read_bytes()).hexdigest() == said, path
