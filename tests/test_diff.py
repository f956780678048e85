"""`dast diff`: what A and B may be, its sections, and its exit status, in a repository with DVC."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from dast.cli import main
from dast.diff.changes_page import changes_block, changes_summary
from dast.diff.files import Tree
from dast.diff.page import rendered
from dast.diff.sides import pairs, two_sides
from dast.errors import CommandError
from dast.frames import write
from dast.params.writing import yaml_text
from dast.smallfiles import write_json, write_text
from dast.tables import SFT
from tests.makers import ROOT
from tests.roundfiles import write_line
from tests.test_diff_data import DATA, sft

METRICS = PurePosixPath("data/metrics")
LEVELS_PLOT = {
    "Levels": {
        "x": {"data/report/levels.csv": "round"},
        "y": {"data/report/levels.csv": "n_queries"},
        "template": "dast_levels",
    }
}


def git(folder: Path, *arguments: str) -> str:
    signed = {f"GIT_{who}_{key}": "a" for who in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, env={**os.environ, **signed}
    )
    return done.stdout.strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with the small files of a base and three rounds, committed on `main`."""
    git(tmp_path, "init", "-q", "-b", "main")
    write_line(tmp_path / METRICS)
    write_text(tmp_path / "dvc.yaml", json.dumps({"plots": [LEVELS_PLOT]}))
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "start")
    return tmp_path


def start_dvc(root: Path) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=root, check=True)


def test_sides_are_rounds_revisions_or_both(root: Path) -> None:
    write_json(root / METRICS / "r2" / "train.json", {"steps": 7})
    with two_sides(root, METRICS, "main:r2", "r2") as (first, second):
        assert first.rounds[0].numbers()["train"]["steps"] == 120
        assert second.rounds[0].numbers()["train"]["steps"] == 7
        (pair,) = pairs(first, second)
        assert (pair.labels, pair.commits) == (("main:r2", "r2"), (git(root, "rev-parse", "main"), None))
        assert first.suffix == f"@{git(root, 'rev-parse', 'main')[:12]}"
    with two_sides(root, METRICS, "main", "HEAD") as (first, second):
        assert [pair.labels[0] for pair in pairs(first, second)] == ["main:r1", "main:r2", "main:r3"]


def test_sides_round_of_a_branch_of_the_same_name_is_the_round(root: Path) -> None:
    git(root, "branch", "r1")
    with two_sides(root, METRICS, "r1", "r2") as (first, _):
        assert first.commit is None


def test_sides_name_of_an_experiment_is_its_commit(root: Path) -> None:
    commit = git(root, "rev-parse", "HEAD")
    git(root, "update-ref", f"refs/exps/{commit[:2]}/{commit[2:]}/warm-seed", commit)
    with two_sides(root, METRICS, "warm-seed:r1", "r1") as (first, _):
        assert first.commit == commit


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("r1", "r9", r"r9: no round with small files in data/metrics, and no git revision; rounds: base, r1, r2, r3"),
        ("main:r9", "r1", "main:r9: no small files of r9 there; rounds: base, r1, r2, r3"),
        ("nowhere:r1", "r1", "nowhere: no round"),
        ("main", "r2", "main is a revision and r2 a round; name its round too: main:r2"),
        ("--all", "r2", "--all: no round"),
        (":r1", "r2", ":r1: no round"),
    ],
)
def test_sides_that_are_not_there_are_told(root: Path, first: str, second: str, told: str) -> None:
    with pytest.raises(CommandError, match=told), two_sides(root, METRICS, first, second):
        pass


def test_table_of_a_revision_is_read_from_dvcs_cache_by_its_hash(root: Path) -> None:
    start_dvc(root)
    path, rows = DATA / "r1" / "sft.parquet", sft([("q000", "kept", "self")])
    write(SFT, rows, root / path)
    md5 = hashlib.md5((root / path).read_bytes()).hexdigest()
    write_text(root / "dvc.lock", yaml_text({"stages": {"build@r1": {"outs": [{"path": str(path), "md5": md5}]}}}))
    git(root, "add", "dvc.lock")
    git(root, "commit", "-q", "-m", "lock")
    commit = git(root, "rev-parse", "HEAD")
    kept = root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    with pytest.raises(CommandError, match=f"{commit[:12]}, md5 {md5}.* try `dvc fetch --all-commits {path}`"):
        Tree(root, commit).scan(SFT, path, ["query_id"])
    kept.parent.mkdir(parents=True)
    shutil.move(root / path, kept)
    found = Tree(root, commit).scan(SFT, path, ["query_id"])
    assert found is not None
    assert found.collect()["query_id"].to_list() == ["q000"]
    here = Tree(root, None).scan(SFT, path, ["query_id"])  # absent from the working tree, yet in the cache
    assert here is not None
    assert Tree(root, commit).scan(SFT, DATA / "r2" / "sft.parquet", ["query_id"]) is None


def test_diff_default_is_a_screen_of_everything_and_one_where_it_differs(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start_dvc(root)
    monkeypatch.chdir(root)
    write(SFT, sft([("q000", "before", "self")]), root / DATA / "r1" / "sft.parquet")
    write(SFT, sft([("q000", "after", "self")]), root / DATA / "r2" / "sft.parquet")
    assert main(["diff", "r1", "r2"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 30
    text = "\n".join(lines)
    assert "sample.seed 11 → 12" in text
    assert "in_domain.pass@1 0.5 0.65 +0.15" in " ".join(text.split())
    assert "training rows 1 → 1: 0 kept, 1 added, 1 dropped" in text
    assert "Plots that differ: accuracy, allocation, build, comparisons" in text
    assert git(root, "rev-parse", "--verify", "dast/r3")  # for DVC's commands by hand
    before = git(root, "status", "--porcelain")
    assert main(["diff", "r1", "r1"]) == 0
    assert git(root, "status", "--porcelain") == before


def test_diff_json_holds_dvcs_own_numbers_and_page(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start_dvc(root)
    shutil.copytree(ROOT / ".dvc" / "plots", root / ".dvc" / "plots")
    monkeypatch.chdir(root)
    assert main(["diff", "r1", "r2", "--params", "--metrics", "--plots", "--json"]) == 1
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["params"]["sample.seed"] == {"old": 11, "new": 12}
    accuracy = found["metrics"]["evaluate.in_domain.pass@1"]
    assert (accuracy["old"], accuracy["new"]) == (0.5, 0.65)
    assert "data" not in found
    assert "data/report/levels.csv" in found["plots"]["tables"]
    assert "Levels" in (root / found["plots"]["page"]).read_text(encoding="utf-8")


def test_diff_data_alone_asks_dvc_for_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)  # no `dvc init`: any of its commands would fail
    rows = sft([("q000", "the same", "self")])
    for name in ("r1", "r2"):
        write(SFT, rows, root / DATA / name / "sft.parquet")
    assert main(["diff", "r1", "r2", "--data", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["data"]
    assert found["sft"]["n_kept"] == 1
    assert main(["diff", "r1", "r1", "--data", "--md"]) == 0
    assert capsys.readouterr().out.startswith("# r1 → r1\n\n## Data, r1 to r1\n")


def test_diff_fault_exits_with_two(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    assert main(["diff", "r1", "r9"]) == 2
    assert capsys.readouterr().err.startswith("dast: r9: no round")


def test_diff_without_any_commit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    git(tmp_path, "init", "-q")
    write_line(tmp_path / METRICS)
    write_text(tmp_path / "dvc.yaml", "stages: {}\n")
    monkeypatch.chdir(tmp_path)
    assert main(["diff", "r1", "r2"]) == 2
    assert "no commit yet" in capsys.readouterr().err


def test_diff_of_the_base_says_that_it_has_no_settings(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    assert main(["diff", "base", "r1", "--params"]) == 2  # neither the same nor different
    assert "Params: base has no settings of its own" in capsys.readouterr().out
    assert main(["diff", "base", "base", "--params", "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["same"] is None
    assert found["not_compared"] == {"params": "base and base have no settings of their own"}
    assert main(["diff", "base", "r1", "--params", "--data", "--json"]) in (0, 1)  # data were compared
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found["same"], bool)
    assert list(found["not_compared"]) == ["params"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"schema: '2.0'\nstages:\n<<<<<<< HEAD\n  a: {}\n", "not valid YAML"),
        (b"moved\n", "not a mapping of names to values"),
        (b"stages: [1, 2]\n", "not as DVC writes it"),
        (b"stages: {a: {outs: [{md5: x}]}}\n", "not as DVC writes it"),
        (b"stages: {a: caf\xe9}\n", "not as DVC writes it"),
    ],
)
def test_diff_lock_that_cannot_be_read_is_one_line_and_two(
    root: Path, content: bytes, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    (root / "dvc.lock").write_bytes(content)
    assert main(["diff", "r1", "r2", "--data"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("dast: dvc.lock (the working tree): ")
    assert said in told
    assert told.count("\n") == 1


def test_diff_bug_is_two_with_its_traceback(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setattr("dast.diff.comparing.compare", None)
    assert main(["diff", "r1", "r2"]) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("count", ["-1", "x", "1.5"])
def test_diff_examples_are_counted_from_zero(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["diff", "r1", "r2", f"--examples={count}"])
    assert ended.value.code == 2
    assert "a whole number of 0 or more is wanted" in capsys.readouterr().err


def test_changes_summary_keeps_to_a_screen_and_the_block_has_all() -> None:
    changes = {f"train.sft.field_{number}": {"old": 1, "new": 2.5} for number in range(40)}
    assert len(rendered("", [changes_summary("params", changes)], "text").splitlines()) < 9
    assert "and 32 more" in rendered("", [changes_summary("params", changes)], "text")
    assert "| train.sft.field_39 | 1 | 2.5 |" in rendered("", [changes_block("params", changes)], "md")
