"""A full disk: foreseen where it can be, one line where not, and nothing that was sampled is lost."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dast.errors import StoreError
from dast.store.keeping import Store
from tests.makers import ROOT
from tests.stores import DECODING, BatchEngine, asked, recorder, sampled

ITEMS = asked(40, 8)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return sampled(tmp_path_factory.mktemp("whole"), ITEMS, BatchEngine())


def test_full_by_page_count_is_one_line_and_the_rerun_ends_as_the_whole_one(whole: bytes, tmp_path: Path) -> None:
    engine = BatchEngine()
    with Store(tmp_path) as store:
        store.start_writing()
        store.connection().execute("PRAGMA max_page_count = 12")
        with pytest.raises(
            StoreError, match=r"cannot be written \(database or disk is full\); \d+ rollouts are kept"
        ) as told:
            recorder(store, engine).collect(ITEMS, DECODING, "rollouts")
    assert "the batch in flight lies in spilled-" in str(told.value)
    assert "\n" not in str(told.value)
    again = BatchEngine()
    assert sampled(tmp_path, ITEMS, again) == whole
    assert sum(map(len, engine.batches)) + sum(map(len, again.batches)) == len(ITEMS)
    assert not list(tmp_path.glob("spilled-*"))


LIMITED = """
import sys
from pathlib import Path
from dast.entry import run
from tests.stores import BatchEngine, asked, sampled

def main(*, folder: Path) -> None:
    sampled(folder, asked(40, 8), BatchEngine())

run(main)
"""


def limited(code: str, folder: Path, n_bytes: int) -> subprocess.CompletedProcess[str]:
    """A stage whose files may not grow beyond so many bytes."""
    return subprocess.run(
        [sys.executable, "-c", code, "--folder", str(folder)],
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes)),
        capture_output=True,
        text=True,
        check=False,
    )


def test_file_size_limit_is_one_line_and_the_rerun_ends_as_the_whole_one(whole: bytes, tmp_path: Path) -> None:
    done = limited(LIMITED, tmp_path, 600_000)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "cannot be written (" in done.stderr.splitlines()[-1]
    again = BatchEngine()
    assert sampled(tmp_path, ITEMS, again) == whole
    assert sum(map(len, again.batches)) < len(ITEMS) - 40


TABLE = """
import sys
from pathlib import Path
from dast.entry import run
from tests.stores import BatchEngine, asked, sampled

def main(*, folder: Path) -> None:
    sampled(folder, asked(200, 8), BatchEngine(stop_after=0))

run(main)
"""


def test_table_that_does_not_fit_is_one_line_and_leaves_no_half(tmp_path: Path) -> None:
    table = sampled(tmp_path, asked(200, 8), BatchEngine(), size=400)
    (tmp_path / "table.parquet").unlink()
    done = limited(TABLE, tmp_path, len(table) // 2)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "table.parquet: cannot be written: " in done.stderr.splitlines()[-1]
    assert not list(tmp_path.glob("*table*"))
    assert sampled(tmp_path, asked(200, 8), BatchEngine(stop_after=0)) == table


def test_spilled_batch_that_is_not_whole_is_said_and_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "spilled-1.batch").write_bytes(b"half")
    sampled(tmp_path, ITEMS[:2], BatchEngine())
    assert "not a whole batch" in caplog.text
    assert (tmp_path / "spilled-1.batch").exists()


def test_disk_without_room_is_refused_before_anything_is_generated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10_000))
    engine = BatchEngine()
    with pytest.raises(StoreError, match=r"320 rollouts will take about .* and the disk has 10 kB left; free space"):
        sampled(tmp_path, ITEMS, engine)
    assert not engine.batches


def test_disk_without_room_for_the_rest_is_refused_after_the_first_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled(tmp_path / "a", asked(1, 1), BatchEngine())
    frees = iter([10**9, 10_000])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(next(frees)))
    engine = BatchEngine()
    with pytest.raises(StoreError, match="316 more rollouts will take about"):
        sampled(tmp_path, ITEMS, engine)
    assert len(engine.batches) == 1
    monkeypatch.undo()
    again = BatchEngine()
    sampled(tmp_path, ITEMS, again)
    assert sum(map(len, again.batches)) == len(ITEMS) - 4


class Usage:
    def __init__(self, free: int) -> None:
        self.free = free
