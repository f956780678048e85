"""One writer at a time: the second one is told who the first is, whatever became of the first one's parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dast.errors import StoreError
from dast.store.keeping import Store
from tests.makers import ROOT
from tests.stores import BatchEngine, asked, sampled

HOLDER = """
import os, sys, time
from pathlib import Path
from dast.store.keeping import Store
store = Store(Path(sys.argv[1]))
store.start_writing()
if sys.argv[2] == "fork" and os.fork() == 0:
    time.sleep(60)
print(os.getpid(), flush=True)
time.sleep(60)
"""

PARENT = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', *sys.argv[1:]]); time.sleep(60)"


def started(code: str, *arguments: str) -> tuple[subprocess.Popen[str], int]:
    """A process, and the number of the one that says it holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


@pytest.fixture
def ended() -> Iterator[list[int]]:
    """Sessions of processes to end after the test."""
    sessions: list[int] = []
    yield sessions
    for session in sessions:
        os.killpg(session, signal.SIGKILL)


def test_second_writer_is_told_process_command_and_time(tmp_path: Path, ended: list[int]) -> None:
    _, holder = started(HOLDER, str(tmp_path), "alone")
    ended.append(holder)
    with pytest.raises(
        StoreError, match=rf"process {holder} \(python.* -c .*\), since 20.*, is writing to this store"
    ) as caught:
        sampled(tmp_path, asked(1, 1), BatchEngine())
    assert "\n" not in str(caught.value)


def test_orphan_of_a_killed_parent_still_holds_it(tmp_path: Path, ended: list[int]) -> None:
    parent, holder = started(PARENT, HOLDER, str(tmp_path), "alone")
    ended.append(parent.pid)
    parent.kill()
    parent.wait()
    with pytest.raises(StoreError, match=f"process {holder} "):
        sampled(tmp_path, asked(1, 1), BatchEngine())


def test_lock_ends_with_its_process_and_not_with_what_it_forked(tmp_path: Path, ended: list[int]) -> None:
    process, holder = started(HOLDER, str(tmp_path), "fork")
    ended.append(holder)
    process.kill()
    process.wait()
    sampled(tmp_path, asked(1, 1), BatchEngine())


def test_reading_needs_no_lock(tmp_path: Path, ended: list[int]) -> None:
    sampled(tmp_path, asked(2, 2), BatchEngine())
    ended.append(started(HOLDER, str(tmp_path), "alone")[1])
    assert sampled(tmp_path, asked(2, 2), BatchEngine(stop_after=0))


def test_waiting_goes_on_when_the_writer_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    process, holder = started(HOLDER, str(tmp_path), "alone")
    monkeypatch.setenv("DAST_STORE_WAIT", "60")

    def end(seconds: float) -> None:
        process.kill()
        process.wait()

    monkeypatch.setattr(time, "sleep", end)
    with caplog.at_level("INFO"):
        sampled(tmp_path, asked(1, 1), BatchEngine())
    assert f"waiting for the store: process {holder} " in caplog.text


def test_second_store_of_one_process_is_refused(tmp_path: Path) -> None:
    with Store(tmp_path) as first, Store(tmp_path) as second:
        first.start_writing()
        with pytest.raises(StoreError, match="this process is writing"):
            second.start_writing()
    with Store(tmp_path) as third:
        assert third.start_writing()


def test_wait_that_is_no_number_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAST_STORE_WAIT", "soon")
    with pytest.raises(StoreError, match="DAST_STORE_WAIT=soon: not a number"):
        sampled(tmp_path, asked(1, 1), BatchEngine())
