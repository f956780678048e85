"""`dast trace` as it is called: text or JSON, in a clone or on a folder, one line for a fault, and light."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dast.cli import main
from tests.makers import ROOT
from tests.traced import make_clone, make_package


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clone")
    make_clone(root)
    return root


def test_trace_command_prints_every_chapter(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clone)
    assert main(["trace", "sft:q1-8"]) == 0
    text = capsys.readouterr().out
    chapters = [line for line in text.splitlines() if line and not line.startswith(" ")]
    assert chapters[1:] == ["source", "completion q1-8", "level", "further rollouts", "kept", "recorded by"]
    assert "What is 2 + 1?" in text  # the exemplar in front, word for word
    assert "matched, number 5 of 6 further ones, wave 2; before it 8 rollouts with 1 correct" in text
    assert "hard, by the plain rollouts of r1" in text


def test_trace_command_json_is_for_scripts(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clone)
    assert main(["trace", "dpo:0", "--round", "r1", "--json"]) == 0
    story = json.loads(capsys.readouterr().out)
    assert story["row"]["set"] == "r1"
    assert [part["role"] for part in story["rollouts"]] == ["chosen", "rejected"]


def test_trace_command_unknown_row_is_one_line(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clone)
    assert main(["trace", "sft:nobody"]) == 1
    assert capsys.readouterr().err == (
        "dast: sft:nobody: no such row in r1; give its place, from 0, or its query_id or rollout_id\n"
    )


def test_trace_command_on_a_folder_needs_no_clone_and_nothing_heavy(tmp_path: Path) -> None:
    hub = make_package(tmp_path)
    code = (
        "import sys; from dast.cli import main; status = main(['trace', 'sft:0', '--in', sys.argv[1]]); "
        "sys.exit(status or bool({'torch', 'transformers', 'datasets'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(hub)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("sft:0 of r1\n")
