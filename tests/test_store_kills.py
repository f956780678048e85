"""SIGKILL at any moment: nothing that was committed is lost, and the table is that of a run nobody killed.

The longer form, with the real engine and with dvc, is benchmarks/kills.py.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dast.store.keeping import Store
from tests.makers import ROOT
from tests.stores import BatchEngine, asked, sampled

SHAPE = (30, 8)

CHILD = """
import os, signal, sys, time
from pathlib import Path
from dast.store import database
from tests.stores import BatchEngine, asked, sampled

class SlowEngine(BatchEngine):
    def generate(self, *asked):
        time.sleep(0.01)
        return super().generate(*asked)

insert, n_left = database.insert, int(sys.argv[2])

def killed(connection, row):
    global n_left
    n_left -= 1
    if n_left == 0:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(database._INSERT, row)
        os.kill(os.getpid(), signal.SIGKILL)
    insert(connection, row)

database.insert = killed
sys.stdout.write("ready\\n")
sys.stdout.flush()
sampled(Path(sys.argv[1]), asked(30, 8), SlowEngine())
"""


def started(folder: Path, kill_at: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(folder), str(kill_at)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def kept(folder: Path) -> set[bytes]:
    with Store(folder) as store:
        return {digest for batch in store.batches() for digest in batch.rows["digest"]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return sampled(tmp_path_factory.mktemp("whole"), asked(*SHAPE), BatchEngine())


def at_random(process: subprocess.Popen[str], rng: random.Random, folder: Path) -> None:
    time.sleep(rng.uniform(0.0, 0.15))


def in_a_commit(process: subprocess.Popen[str], rng: random.Random, folder: Path) -> None:
    until(process, lambda: size_of(folder / "rollouts.sqlite-wal") > 40_000)


def size_of(path: Path) -> int:
    """Bytes; 0 for a file that is not there, or is gone between two looks."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def until(process: subprocess.Popen[str], seen: Callable[[], bool]) -> None:
    while process.poll() is None and not seen():
        pass


def test_kills_lose_nothing_that_was_committed_and_end_in_the_same_bytes(whole: bytes, tmp_path: Path) -> None:
    rng, before = random.Random(3), set[bytes]()
    for moment in (at_random, in_a_commit, 2, at_random, 1, at_random):
        process = started(tmp_path, moment if isinstance(moment, int) else 0)
        if callable(moment):
            moment(process, rng, tmp_path)
            process.kill()
        process.communicate()
        now = kept(tmp_path)
        assert before <= now
        before = now
    assert 0 < len(before) < 240
    engine = BatchEngine()
    assert sampled(tmp_path, asked(*SHAPE), engine) == whole
    assert sum(map(len, engine.batches)) == 240 - len(before)


def test_kill_in_the_final_write_leaves_no_half_table(whole: bytes, tmp_path: Path) -> None:
    process = started(tmp_path)
    until(process, lambda: any(tmp_path.glob(".table*")))
    process.kill()
    process.communicate()
    assert not (tmp_path / "table.parquet").exists() or (tmp_path / "table.parquet").read_bytes() == whole
    assert len(kept(tmp_path)) == 240
    assert sampled(tmp_path, asked(*SHAPE), BatchEngine(stop_after=0)) == whole
