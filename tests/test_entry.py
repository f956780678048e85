"""How a stage starts: flags from arguments, one line for a user's fault, a traceback for a bug."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from dast.entry import parser_of, run
from dast.errors import DataError


def stage(*, params: Path, n: int, names: list[str]) -> None:
    if n == 1:
        raise DataError("file.jsonl:3: no query; add one")
    if n == 2:
        raise KeyError("a bug")
    if n == 4:
        os.kill(os.getpid(), signal.SIGTERM)
    if n == 5:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "table.csv")


def arguments(n: int) -> list[str]:
    return ["--params", "p.yaml", "--n", str(n), "--names", "a", "b"]


def test_run_users_fault_is_one_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(stage, arguments(1))
    assert str(caught.value.code).endswith("file.jsonl:3: no query; add one")
    assert "\n" not in str(caught.value.code)


def test_run_bug_propagates() -> None:
    with pytest.raises(KeyError):
        run(stage, arguments(2))


@pytest.mark.parametrize(
    ("n", "told"), [(4, "interrupted; run again"), (5, "table.csv: No space left on device; free")]
)
def test_run_ended_from_outside_or_by_a_full_disk_is_one_line(n: int, told: str) -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit, match=told):
            run(stage, arguments(n))
    finally:
        signal.signal(signal.SIGTERM, before)


def test_parser_flags_are_required_and_typed() -> None:
    assert vars(parser_of(stage).parse_args(arguments(3))) == {"params": Path("p.yaml"), "n": 3, "names": ["a", "b"]}
    with pytest.raises(SystemExit):
        parser_of(stage).parse_args(["--params", "p.yaml"])
