"""A store file that was cut off or overwritten: what can be read stays, one line says so, the run ends as it would."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dast.errors import StoreError
from dast.store.keeping import Store
from dast.store.spill import spill
from dast.store.upkeep import verify
from tests.stores import DECODING, BatchEngine, asked, recorder, sampled

ITEMS = asked(12, 8)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 24 batches that was closed, and its table."""
    folder = tmp_path_factory.mktemp("whole")
    sampled(folder, ITEMS, BatchEngine())
    return folder


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same store as a power cut leaves it: most of it in the write-ahead log."""
    folder, copy = tmp_path_factory.mktemp("open"), tmp_path_factory.mktemp("cut")
    with Store(folder) as store:
        recorder(store, BatchEngine()).collect(ITEMS, DECODING, "rollouts")
        for path in folder.iterdir():
            shutil.copy(path, copy / path.name)
    assert (copy / "rollouts.sqlite-wal").stat().st_size > 100_000
    return copy


def test_salvage_that_was_killed_between_its_moves_is_ended(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "store"))
    (folder / "rollouts.sqlite").rename(folder / "rollouts.sqlite.salvaged")
    table, n_generated = run_again(folder)
    assert table == (whole / "table.parquet").read_bytes()
    assert n_generated == 0


def run_again(folder: Path) -> tuple[bytes, int]:
    engine = BatchEngine()
    return sampled(folder, ITEMS, engine), sum(map(len, engine.batches))


@settings(max_examples=25)
@given(part=st.floats(0.0, 1.0))
def test_file_cut_anywhere_gives_the_same_table(whole: Path, part: float) -> None:
    with TemporaryDirectory() as name:
        folder = Path(shutil.copytree(whole, Path(name) / "store"))
        path = folder / "rollouts.sqlite"
        with path.open("r+b") as handle:
            handle.truncate(int(part * path.stat().st_size))
        table, n_generated = run_again(folder)
        assert table == (whole / "table.parquet").read_bytes()
        assert n_generated <= len(ITEMS)


@settings(max_examples=15)
@given(part=st.floats(0.0, 1.0))
def test_write_ahead_log_cut_anywhere_gives_the_same_table(whole: Path, cut_off: Path, part: float) -> None:
    with TemporaryDirectory() as name:
        folder = Path(shutil.copytree(cut_off, Path(name) / "store"))
        path = folder / "rollouts.sqlite-wal"
        with path.open("r+b") as handle:
            handle.truncate(int(part * path.stat().st_size))
        assert run_again(folder)[0] == (whole / "table.parquet").read_bytes()


@settings(max_examples=40)
@given(part=st.floats(0.0, 1.0), length=st.integers(1, 5000))
def test_file_overwritten_anywhere_gives_the_same_table(whole: Path, part: float, length: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(shutil.copytree(whole, Path(name) / "store"))
        path = folder / "rollouts.sqlite"
        with path.open("r+b") as handle:
            handle.seek(int(part * (path.stat().st_size - 1)))
            handle.write(b"\xa5" * length)
        assert run_again(folder)[0] == (whole / "table.parquet").read_bytes()


def test_file_cut_in_half_keeps_what_can_be_read_and_says_so(
    whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "store"))
    path = folder / "rollouts.sqlite"
    with path.open("r+b") as handle:
        handle.truncate(path.stat().st_size // 2)
    size = path.stat().st_size
    with caplog.at_level(logging.WARNING):
        _, n_generated = run_again(folder)
    assert 0 < n_generated < len(ITEMS)
    (line,) = [record.getMessage() for record in caplog.records]
    assert "broken (database disk image is malformed); moved to" in line
    assert f"; {len(ITEMS) - n_generated} rollouts in" in line
    (aside,) = folder.glob("broken-*/rollouts.sqlite")
    assert aside.stat().st_size >= size
    assert run_again(folder)[1] == 0


def test_log_that_was_cut_is_told_by_the_batches_that_are_gone(
    cut_off: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Path(shutil.copytree(cut_off, tmp_path / "store"))
    (folder / "rollouts.sqlite-wal").unlink()
    with caplog.at_level(logging.WARNING):
        run_again(folder)
    assert "24 batches that were committed are gone (cut off); they are made anew" in caplog.text


def test_payload_that_was_changed_is_never_given(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "store"))
    with sqlite3.connect(folder / "rollouts.sqlite") as connection:
        connection.execute(
            "UPDATE batches SET payload = (SELECT payload FROM batches WHERE batch_id = 2) WHERE batch_id = 1"
        )
    connection.close()
    table, n_generated = run_again(folder)
    assert table == (whole / "table.parquet").read_bytes()
    assert n_generated == 4


def test_verify_finds_changed_payload_keys_and_label(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "store"))
    with sqlite3.connect(folder / "rollouts.sqlite") as connection:
        connection.execute("UPDATE batches SET payload = zeroblob(length(payload)) WHERE batch_id = 1")
        connection.execute("UPDATE batches SET settings_digest = 'x' WHERE batch_id = 2")
    connection.close()
    with Store(folder) as store:
        found = verify(store)
        assert (found.n_batches, found.n_broken_batches, found.n_faulty_rollouts) == (24, 1, 4)
        assert found.n_rollouts == len(ITEMS) - 8
        store.mend()
        assert verify(store).sound
        assert verify(store).n_rollouts == len(ITEMS) - 4  # a label follows from its batch


def test_store_that_does_not_mend_refuses_a_broken_file_and_leaves_it(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "store"))
    (folder / "rollouts.sqlite").write_bytes(b"no database" * 1000)
    with Store(folder, mends=False) as store, pytest.raises(StoreError, match="dast store verify --mend"):
        store.holdings()
    assert (folder / "rollouts.sqlite").read_bytes() == b"no database" * 1000


def test_empty_file_is_an_empty_store_again(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "rollouts.sqlite").touch()
    with Store(tmp_path, mends=False) as store, pytest.raises(StoreError, match="an empty file"):
        store.holdings()
    assert run_again(tmp_path) == ((whole / "table.parquet").read_bytes(), len(ITEMS))


def test_batch_beside_a_broken_file_is_taken_in(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "store"))
    with sqlite3.connect(folder / "rollouts.sqlite") as connection:
        (payload,) = connection.execute("SELECT payload FROM batches WHERE batch_id = 5").fetchone()
        connection.execute("UPDATE batches SET payload = zeroblob(9) WHERE batch_id IN (5, 6)")
    connection.close()
    spill(folder, payload)
    assert run_again(folder) == ((whole / "table.parquet").read_bytes(), 4)


def test_store_of_a_later_version_is_refused(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "store"))
    with sqlite3.connect(folder / "rollouts.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="written by a later version"):
        run_again(folder)
