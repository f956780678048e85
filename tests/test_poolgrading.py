"""`dast grade`: any pool, in order, with nothing lost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dast.cli import main
from dast.poolgrading import COLUMNS

ANSWERS = [{"question": "Two and two?", "answer": "2+2=4\n#### 4"}, {"question": "Half?", "answer": "1/2"}]
POOL = [
    {"question": "Half?", "response": "It is \\boxed{0.5}", "model": "m"},
    {"question": "Two  and two?", "response": "A: 4"},
    {"question": "Two and two?", "response": "A: 5"},
    {"question": "Two and two?", "response": ""},
]


def lay(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_grade_writes_the_pool_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pool, answers = lay(tmp_path / "pool.jsonl", POOL), lay(tmp_path / "answers.jsonl", ANSWERS)
    assert main(["grade", str(pool), "--answers", str(answers), "--out", str(tmp_path / "v.parquet")]) == 0
    rows = pl.read_parquet(tmp_path / "v.parquet")
    assert rows.columns == list(COLUMNS)
    assert rows["verdict"].to_list() == ["correct", "correct", "incorrect", "no_answer"]
    assert rows["predicted"].to_list() == ["0.5", "4", "5", None]
    assert rows["response"].to_list() == [row["response"] for row in POOL]
    said = capsys.readouterr().out
    assert "query from question, response from response" in said
    assert "answer rule: auto: hash (1), whole (1)" in said


def test_grade_unknown_query_is_ungraded_written_and_ends_with_status_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pool = lay(tmp_path / "pool.jsonl", [*POOL, {"question": "Other?", "response": "A: 1"}])
    answers = lay(tmp_path / "answers.jsonl", ANSWERS)
    call = ["grade", str(pool), "--answers", str(answers), "--out", str(tmp_path / "v.jsonl")]
    assert main(call) == 1
    assert "1 of 5 rollouts are ungraded, more than --max-ungraded 0.01 allows (unknown_query: 1)" in (
        capsys.readouterr().err
    )
    last = json.loads((tmp_path / "v.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert last == {
        "query": "Other?",
        "response": "A: 1",
        "predicted": None,
        "verdict": "ungraded",
        "reason": "unknown_query",
    }
    assert main([*call, "--max-ungraded", "0.2"]) == 0


def test_grade_pool_with_its_own_answers_lists_and_nested_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"problem": "Two?", "runs": {"texts": ["A: 2", "A: 3"]}, "gold": {"value": 2}}]
    pool = tmp_path / "pool.parquet"
    pl.DataFrame(rows).write_parquet(pool)
    columns = ["--columns", "response=runs.texts", "answer=gold.value"]
    assert main(["grade", str(pool), *columns, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n_responses"] == 2
    assert found["verdicts"] == {"correct": {"plain": 1}, "incorrect": {"plain": 1}}
    assert found["columns"] == {"query": "problem", "response": "runs.texts", "answer": "gold.value"}


def test_grade_tolerance_and_boxes_are_as_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"response": "\\boxed{7} or \\boxed{0.334}", "answer": "0.333"}]
    pool = lay(tmp_path / "pool.jsonl", rows)
    for flags, verdict in (
        ([], "incorrect"),
        (["--tolerance", "0.01"], "correct"),
        (["--tolerance", "0.01", "--boxes-differ", "refuse"], "incorrect"),
    ):
        assert main(["grade", str(pool), "--json", *flags]) == 0
        assert list(json.loads(capsys.readouterr().out)["verdicts"]) == [verdict]


@pytest.mark.parametrize(
    ("rows", "flags", "message"),
    [
        ([{"text": "A: 4"}], [], "no column response, completion, responses, completions, output or generation"),
        ([{"response": "A: 4"}], [], "no column answer, reference, ground_truth or final_answer"),
        ([{"response": "A: 4"}], ["--columns", "answer=gold"], "no column gold (its columns: response)"),
        ([], [], "no rows"),
        ([{"response": "4", "answer": "4"}], ["--out", "v.csv"], "ends in neither .parquet nor .jsonl"),
        ([{"response": "4", "answer": "4"}], ["--timeout", "0"], "more than 0 seconds"),
    ],
)
def test_grade_bad_input_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    rows: list[dict[str, str]],
    flags: list[str],
    message: str,
) -> None:
    assert main(["grade", str(lay(tmp_path / "pool.jsonl", rows)), *flags]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


OWN = [{"response": "A: 4", "answer": "4"}]


@pytest.mark.parametrize("out", ["dir.jsonl", "dir.parquet", "pool.jsonl/v.jsonl", "loop.jsonl/v.parquet"])
def test_grade_output_that_cannot_be_written_is_refused_before_grading(
    tmp_path: Path, out: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pool = lay(tmp_path / "pool.jsonl", OWN)
    (tmp_path / "loop.jsonl").symlink_to(tmp_path / "loop.jsonl")
    for name in ("dir.jsonl", "dir.parquet"):
        (tmp_path / name).mkdir()
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr("dast.poolgrading.grade_pool", None)  # a call would end in a traceback
    assert main(["grade", str(pool), "--out", str(tmp_path / out)]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"dast: --out {tmp_path / out}: ")
    assert told.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_grade_output_never_overwrites_an_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pool, answers = lay(tmp_path / "pool.jsonl", POOL), lay(tmp_path / "answers.jsonl", ANSWERS)
    texts = pool.read_bytes(), answers.read_bytes()
    (tmp_path / "same.jsonl").symlink_to(pool)
    for out in (pool, answers, tmp_path / "." / "pool.jsonl", tmp_path / "same.jsonl"):
        assert main(["grade", str(pool), "--answers", str(answers), "--out", str(out)]) == 1
        assert "would overwrite" in capsys.readouterr().err
    assert (pool.read_bytes(), answers.read_bytes()) == texts


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_grade_output_that_fails_at_the_end_still_tells_the_counts(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dast.poolgrading.write_text", full)
    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    pool, out = lay(tmp_path / "pool.jsonl", OWN), tmp_path / "new" / f"v{suffix}"
    assert main(["grade", str(pool), "--out", str(out)]) == 1
    told = capsys.readouterr()
    assert "1 responses in" in told.out
    assert "written" not in told.out
    assert told.err == (
        f"dast: --out {out}: cannot be written (No space left on device); name another place, or mend this one\n"
    )
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("seconds", ["inf", "nan", "1e300", "86401", "-1"])
def test_grade_timeout_beyond_a_day_is_refused(
    tmp_path: Path, seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grade", str(lay(tmp_path / "pool.jsonl", OWN)), f"--timeout={seconds}"]) == 1
    assert "more than 0 seconds, and at most 86,400, are wanted; 5 is the default\n" in capsys.readouterr().err


def test_grade_broken_line_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pool = tmp_path / "pool.jsonl"
    pool.write_text('{"response": "4", "answer": "4"}\n{"response": \n', encoding="utf-8")
    assert main(["grade", str(pool)]) == 1
    assert "pool.jsonl:2: broken JSON" in capsys.readouterr().err


def test_grade_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grade", str(tmp_path / "none.jsonl")]) == 1
    assert capsys.readouterr().err == f"dast: {tmp_path / 'none.jsonl'}: no such file\n"


def test_grade_one_query_with_two_answers_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = lay(tmp_path / "answers.jsonl", [*ANSWERS, {"question": "Half?", "answer": "1/3"}])
    assert main(["grade", str(lay(tmp_path / "pool.jsonl", POOL)), "--answers", str(answers)]) == 1
    assert "answers.jsonl:3: a query that came before, with another answer" in capsys.readouterr().err


def test_grade_surrogates_and_nul_bytes_are_written(tmp_path: Path) -> None:
    pool = lay(tmp_path / "pool.jsonl", [{"response": "A: 4\ud800\x00", "answer": "4"}])
    assert main(["grade", str(pool), "--out", str(tmp_path / "v.parquet")]) == 0
    assert pl.read_parquet(tmp_path / "v.parquet")["verdict"].to_list() == ["incorrect"]
