"""The file of results, and going on after a kill."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.experiments import rows
from benchmarks.experiments.design import Run
from benchmarks.experiments.queue import play_all, share_of, with_bases
from benchmarks.experiments.rows import Row, base_run, run_of
from dast.errors import DataError
from tests.makers import ROOT

DESIGN = "d" * 16
RUNS = [Run(arm, "K8", base, 1) for base in (1, 2) for arm in ("a", "b", "c")]


def made(run: Run, **more: str) -> Row:
    return {**run._asdict(), "design": DESIGN, "settings": "s", **more}


def plays(path: Path, runs: list[Run]) -> list[Run]:
    played: list[Run] = []

    def play(run: Run) -> Row:
        played.append(run)
        return made(run)

    play_all(runs, path, DESIGN, lambda run: "s", play)
    return played


def test_append_after_a_cut_off_line_drops_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows.append(path, made(RUNS[0]))
    with path.open("a") as handle:
        handle.write('{"arm":"b","budg')
    assert [run_of(row) for row in rows.read(path)] == [RUNS[0]]
    rows.append(path, made(RUNS[2]))
    assert [run_of(row) for row in rows.read(path)] == [RUNS[0], RUNS[2]]


def test_read_spoilt_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("[1]\n")
    with pytest.raises(DataError, match="line 1: not a row"):
        rows.read(path)


def test_usable_sets_other_design_and_settings_aside(caplog: pytest.LogCaptureFixture) -> None:
    found = [made(RUNS[0]), made(RUNS[1], design="other"), made(RUNS[2], settings="other")]
    with caplog.at_level(logging.WARNING):
        kept = rows.usable(found, DESIGN, lambda run: "s")
    assert list(kept) == [RUNS[0]]
    assert [record.message.split(" ")[:2] for record in caplog.records] == [["1", "rows"], ["1", "rows"]]
    assert "another design" in caplog.text
    assert "other settings" in caplog.text


def test_usable_keeps_the_last_row_of_a_run() -> None:
    kept = rows.usable([made(RUNS[0], settings="old"), made(RUNS[0])], DESIGN)
    assert kept[RUNS[0]]["settings"] == "s"


def test_play_all_plays_what_has_no_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    assert plays(path, RUNS[:2]) == RUNS[:2]
    assert plays(path, RUNS) == RUNS[2:]
    assert plays(path, RUNS) == []


def test_play_all_killed_loses_the_run_in_progress_alone(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    script = f"""
import os, signal
from pathlib import Path
from tests.test_experiments_rows import DESIGN, RUNS, made, play_all

def play(run):
    if run == RUNS[3]:
        os.kill(os.getpid(), signal.SIGKILL)
    return made(run)

play_all(RUNS, Path({str(path)!r}), DESIGN, lambda run: "s", play)
"""
    killed = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert killed.returncode == -9
    assert [run_of(row) for row in rows.read(path)] == RUNS[:3]
    assert plays(path, RUNS) == RUNS[3:]


def test_with_bases_puts_each_base_before_its_runs() -> None:
    assert with_bases(RUNS) == [base_run(1, 1), *RUNS[:3], base_run(2, 1), *RUNS[3:]]


def test_shares_are_whole_bases_and_add_up() -> None:
    shares = [share_of(RUNS, worker, 2) for worker in range(2)]
    assert shares == [RUNS[:3], RUNS[3:]]
