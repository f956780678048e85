"""`dast publish` in a project of git and DVC, and its dataset loaded back by `datasets`, all through the double."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from dast.cli import main
from dast.errors import CommandError
from dast.publishcommand import ask
from dast.publishing.lock import read_lock
from dast.publishing.plan import Change, Plan, Target
from dast.smallfiles import read_json
from tests.hubdouble import Hub, serving
from tests.makers import ROOT
from tests.publishable import CARD, PIPELINE, call, commit, make_project

LOADING = """\
import json, sys
from datasets import get_dataset_config_names, load_dataset
folder, repository, cache = sys.argv[1:]
counts = {}
for name in get_dataset_config_names(repository, revision="v1"):
    # Of a folder the cache knows its name and the head of its card alone: this one is fresh.
    here = load_dataset(folder, name, cache_dir=cache)
    there = load_dataset(repository, name, revision="v1")
    assert here.keys() == there.keys(), name
    for split in here:
        assert here[split].features == there[split].features, name
        assert here[split].to_list() == there[split].to_list(), name
    counts[name] = sum(part.num_rows for part in there.values())
print(json.dumps(counts))
"""


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project; tests copy it."""
    folder = tmp_path_factory.mktemp("made") / "project"
    make_project(folder)
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, in which the test runs."""
    folder = tmp_path / "project"
    shutil.copytree(made, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", "token-of-ada")
    with serving() as served:
        monkeypatch.setattr(constants, "ENDPOINT", served.url)
        yield served


def environment(hub: Hub, home: Path) -> dict[str, str]:
    """Of a process of its own, as a user's: the client reads its endpoint when it is imported."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    endpoint = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "token-of-ada", "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(home)}
    quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    return {**kept, **endpoint, **quiet, "PYTHONPATH": str(ROOT)}


def test_publish_round_trip_every_config_loads_equal_and_publishing_again_sends_nothing(
    project: Path, hub: Hub, tmp_path: Path
) -> None:
    settings = environment(hub, tmp_path / "home")
    head = call(project, "git", "rev-parse", "HEAD").strip()
    command = [sys.executable, "-m", "dast.cli", *["publish", "r1", "--repo", "ada/sums", "--tag", "v1", "--yes"]]
    first = subprocess.run(command, cwd=project, env=settings, capture_output=True, text=True, check=True).stdout
    assert first.splitlines()[0] == "dataset ada/sums (to be made, public)"
    loading = [sys.executable, "-c", LOADING, str(project / "data/r1/hub"), "ada/sums", str(tmp_path / "cache")]
    loaded = subprocess.run(loading, cwd=tmp_path, env=settings, capture_output=True, text=True, check=False)
    assert loaded.returncode == 0, loaded.stderr
    assert json.loads(loaded.stdout) == {"sft": 5, "difficulty": 2}

    published = hub.repos["dataset", "ada/sums"]
    card = published.files["README.md"].content.decode()
    assert card.startswith(CARD)
    assert f"git checkout {head}" in card
    assert "| held | in | r1 | 8 | 75.0 " in card
    assert (project / "data/r1/hub/README.md").read_text() == CARD
    (entry,) = read_json(project / "published/datasets/ada/sums.json")["published"]
    assert (entry["revision"], entry["tag"], entry["commit"]) == (published.head, "v1", head)

    commit(project, "the receipt")
    hub.log.clear()
    again = subprocess.run(command, cwd=project, env=settings, capture_output=True, text=True, check=True).stdout
    assert "nothing to publish, it is there already" in again
    assert hub.sent() == []
    assert call(project, "git", "status", "--porcelain") == ""


def test_publish_model_goes_with_its_card_and_accuracy_and_a_dry_run_then_compares(
    project: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert main(["publish", "r1", "--model", "--repo", "ada/r1", "--private"]) == 0
    published = hub.repos["model", "ada/r1"]
    assert published.private
    assert published.files["model.safetensors"].content == b"weights"
    card = published.files["README.md"].content.decode()
    of_base = "base_model: ada/small\nbase_model_relation: finetune\nlicense: other\nlicense_name: sums\n"
    assert card.startswith(f"---\ntags: [dast]\n{of_base}---\n# r1\n")
    assert "`train@r1`" in card
    assert "| held | in | base | 8 | 25.0 " in card
    assert (project / "published/models/ada/r1.json").is_file()

    hub.log.clear()
    capsys.readouterr()
    assert main(["publish", "r1", "--model", "--repo", "ada/r1", "--tag", "v1", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "0 to add, 0 to change, 0 to remove, 3 as they are" in told
    assert "tag v1: new" in told
    assert hub.sent() == []


def test_publish_dry_run_needs_neither_token_nor_network(
    project: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(project / "none"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    (project / "source/hub/README.md").write_text("changed since\n")
    commit(project, "a change that `dvc repro` has not seen")
    assert main(["publish", "r1", "--repo", "ada/sums", "--tag", "v1", "--dry-run"]) == 0
    told = capsys.readouterr()
    assert "4 to add, 0 to change, 0 to remove, 0 as they are" in told.out
    assert "note: source/hub changed since package@r1 ran: what it made then is published" in told.err
    assert "note: not compared, so every file is told as one to add: ada/sums: looking at it: " in told.err
    assert hub.log == []
    assert not (project / "published").exists()


@pytest.mark.parametrize(
    ("stdin", "told"),
    [
        (io.StringIO("y\n"), "nobody to ask here; `--yes` publishes without asking"),
        (Terminal("n\n"), "not agreed to, so nothing was published"),
        (Terminal("\n"), "not agreed to, so nothing was published"),
    ],
)
def test_ask_anything_but_yes_is_no(monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO, told: str) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    change = Change("add", "README.md", 1, 0)
    with pytest.raises(CommandError, match=told):
        ask(Plan(Target("ada/sums", "dataset", False, None), None, [], [change]))


def test_ask_plan_that_changes_nothing_needs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    ask(Plan(Target("ada/sums", "dataset", False, None), None, [], []))


@pytest.mark.parametrize(
    ("path", "content", "told"),
    [
        ("source/new.txt", "x", "not committed: source/new.txt; commit or stash first"),
        ("dvc.yaml", PIPELINE + "# more\n", "not committed: dvc.yaml; commit or stash first"),
        ("data/r1/hub/more.txt", "x", "data/r1/hub: modified, so not what dvc.lock records"),
    ],
)
def test_publish_what_is_not_recorded_is_refused(
    project: Path, hub: Hub, capsys: pytest.CaptureFixture[str], path: str, content: str, told: str
) -> None:
    (project / path).unlink(missing_ok=True)  # it may be a link into DVC's cache
    (project / path).write_text(content)
    assert main(["publish", "r1", "--repo", "ada/sums", "--yes"]) == 1
    assert told in capsys.readouterr().err
    assert hub.log == []


def test_publish_secret_in_the_folder_is_refused(project: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "source" / "hub" / "notes.txt").write_text("token: hf_" + "aB3" * 12)
    call(project, sys.executable, "-m", "dvc", "repro", "-q")
    commit(project, "notes")
    assert main(["publish", "r1", "--repo", "ada/sums", "--yes"]) == 1
    assert "notes.txt" in capsys.readouterr().err
    assert hub.log == []


def test_publish_older_than_its_tables_is_refused(project: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    lock = project / "dvc.lock"
    rows = read_lock(lock).digests["data/r1/sft.parquet"]
    lock.write_text(lock.read_text().replace(rows, "0" * 32, 2))  # what build@r1, the first stage, read and made
    commit(project, "other rows")
    assert main(["publish", "r1", "--repo", "ada/sums", "--yes"]) == 1
    assert "data/r1/hub: made from an older data/r1/sft.parquet; run `dvc repro package@r1`" in capsys.readouterr().err
    assert hub.log == []


@pytest.mark.parametrize(
    ("round_name", "told"), [("r9", "dvc.lock records no data/r9/hub; run the stage that makes it, and commit")]
)
def test_publish_unknown_round_is_refused(
    project: Path, hub: Hub, capsys: pytest.CaptureFixture[str], round_name: str, told: str
) -> None:
    assert main(["publish", round_name, "--repo", "ada/sums"]) == 1
    assert told in capsys.readouterr().err


def test_publish_repository_without_owner_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["publish", "r1", "--repo", "sums"])
    assert ended.value.code == 2
    assert "'sums' is not USER/NAME" in capsys.readouterr().err
