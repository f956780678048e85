"""Which commit a card names: the first that recorded the output, whatever was committed later."""

from __future__ import annotations

from pathlib import Path

import pytest

from dast.errors import PublishError
from dast.publishing.provenance import first_commit_with, refuse_dirty
from tests.publishable import call, commit

DIGEST = "0123456789abcdef0123456789abcdef.dir"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """With a dvc.lock that records nothing yet."""
    call(tmp_path, "git", "init", "-q", "-b", "main")
    (tmp_path / "dvc.lock").write_text("one\ntwo\nthree\n")
    commit(tmp_path, "first")
    return tmp_path


def record(folder: Path, text: str) -> str:
    (folder / "dvc.lock").write_text(text)
    return commit(folder, "recorded")


def test_commit_is_the_first_with_the_output_whatever_comes_later(repository: Path) -> None:
    record(repository, "one\ntwo\nother\n")
    made = record(repository, f"one\ntwo\nout {DIGEST}\n")
    assert first_commit_with(repository, DIGEST) == made
    record(repository, f"one\nin {DIGEST}\nout {DIGEST}\n")
    (repository / "notes").write_text("x")
    commit(repository, "something else")
    assert first_commit_with(repository, DIGEST) == made


def test_commit_of_a_merge_that_was_settled_by_hand_is_the_merge(repository: Path) -> None:
    call(repository, "git", "checkout", "-q", "-b", "side")
    record(repository, "one\nside\nthree\n")
    call(repository, "git", "checkout", "-q", "main")
    record(repository, "one\nmain\nthree\n")
    call(repository, "git", "merge", "-q", "--no-commit", "-s", "ours", "side")
    merge = record(repository, f"one\n{DIGEST}\nthree\n")
    assert first_commit_with(repository, DIGEST) == merge


def test_commit_of_an_output_in_no_commit_is_refused(repository: Path) -> None:
    with pytest.raises(PublishError, match=r"dvc\.lock with this output is in no commit"):
        first_commit_with(repository, DIGEST)


def test_dirty_tree_is_told_by_its_first_files_and_receipts_do_not_count(repository: Path) -> None:
    (repository / "published" / "datasets").mkdir(parents=True)
    (repository / "published" / "datasets" / "a.json").write_text("{}")
    refuse_dirty(repository, "published")
    for name in "abcde":
        (repository / name).write_text("x")
    with pytest.raises(PublishError, match=r"^not committed: a, b, c and 2 more; commit or stash first"):
        refuse_dirty(repository, "published")
