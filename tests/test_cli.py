"""The command line: each command's outcome, its exit status, and that it starts light."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dast.cli import _parser, main
from dast.smallfiles import write_text
from tests.makers import ROOT

PIPELINE = """\
stages:
  resolve:
    foreach: ${rounds}
    do:
      cmd: cp params.yaml settings_${key}.yaml
      params: [defaults.sample]
      outs:
        - settings_${key}.yaml: {cache: false}
  sample:
    foreach: ${rounds}
    do:
      cmd: echo ${key} > sampled_${key}
      params:
        - settings_${key}.yaml: [defaults.sample]
      outs:
        - sampled_${key}
  report:
    cmd: cat sampled_r1 > report
    deps: [sampled_r1]
    outs: [report]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone's presets, params and a dvc.yaml, as the working folder."""
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    shutil.copy(ROOT / "presets" / "default.yaml", tmp_path / "params.yaml")
    write_text(tmp_path / "dvc.yaml", PIPELINE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_help_fits_a_screen_and_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert len(text.splitlines()) <= 30
    for command in ("plan", "diff", "preset", "preflight"):
        assert f"  dast {command}" in text


def commands_below(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield below.prog, below
                yield from commands_below(below)


@pytest.mark.parametrize(("prog", "parser"), commands_below(_parser()))
def test_command_has_an_example_of_itself_that_it_accepts(prog: str, parser: argparse.ArgumentParser) -> None:
    shown = re.findall(rf"(?m)(?:^  |example: )({prog}\b.*?)(?:  |;|$)", parser.epilog or "")
    assert shown
    for example in shown:
        assert _parser().parse_args(example.split()[1:]).command


HEAVY = ("torch", "transformers", "trl", "datasets", "sympy", "dvc")


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        ("dast.cli", (*HEAVY, "polars", "pydantic", "numpy")),
        # what `dast plan` needs before, and after, it knows that something would run
        ("dast.planning.asking, dast.planning.telling", (*HEAVY, "polars", "numpy")),
        ("dast.planning.kept", HEAVY),
        ("dast.diff.comparing", HEAVY),
        ("dast.presets, dast.named", HEAVY),
    ],
)
def test_start_of_light_commands_imports_nothing_heavy(modules: str, absent: tuple[str, ...]) -> None:
    code = f"import sys, {modules}; print(*({set(absent)} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


def test_wrong_call_exits_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["diff", "r1"])
    assert ended.value.code == 2
    assert "required: B" in capsys.readouterr().err


def test_outside_a_clone_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plan"]) == 1
    assert capsys.readouterr().err.endswith("no dvc.yaml here or above; run dast inside a clone of the project\n")


def test_fault_of_the_system_is_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_text(project / "file", "")
    monkeypatch.setenv("DAST_STORE", str(project / "file" / "store"))
    assert main(["store", "verify"]) == 1
    monkeypatch.setattr("dast.presets.names_in", refuse)
    assert main(["preset"]) == 1
    assert capsys.readouterr().err.endswith("dast: /sys/x: Permission denied; mend that, and run again\n")


def refuse(*arguments: object) -> None:
    raise PermissionError(13, "Permission denied", "/sys/x")


def test_interrupt_ends_in_the_shells_status_for_it(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dast.presets.names_in", interrupt)
    assert main(["preset"]) == 130
    assert capsys.readouterr().err == "dast: interrupted\n"


def test_bug_keeps_its_traceback(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dast.presets.names_in", None)
    with pytest.raises(TypeError):
        main(["preset"])


def test_broken_pipe_of_another_process_is_told(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("dast.presets.names_in", broken)
    assert main(["preset"]) == 1
    assert capsys.readouterr().err == "dast: Broken pipe; mend that, and run again\n"


@pytest.mark.parametrize(
    ("output", "status", "said"), [("pipe", 141, ""), ("full", 1, "dast: No space left on device")]
)
def test_output_that_nobody_takes_ends_without_a_traceback(project: Path, output: str, status: int, said: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    taken = writing if output == "pipe" else os.open("/dev/full", os.O_WRONLY)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    call = [sys.executable, "-m", "dast.cli", "preset"]
    done = subprocess.run(call, stdout=taken, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    for one in {writing, taken}:
        os.close(one)
    assert (done.returncode, done.stderr.partition(";")[0].strip()) == (status, said)


def test_preset_that_is_not_utf8_is_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "presets" / "mine.yaml").write_bytes(b"# caf\xe9\n{}\n")
    assert main(["preset"]) == 1
    assert "presets/mine.yaml: not UTF-8 text" in capsys.readouterr().err


def test_preset_alone_lists_them_with_their_first_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preset"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("default")
    assert any(line.startswith("gsm8k-recorded  ") and "GSM8K" in line for line in lines)


def test_preset_named_is_written_and_an_edit_is_kept(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preset", "dast-p"]) == 0
    edit(project / "params.yaml", "seed: 11", "seed: 99")
    assert main(["preset", "default"]) == 1
    assert "--force" in capsys.readouterr().err
    assert main(["preset", "default", "--force"]) == 0
    assert (project / "params.yaml").read_bytes() == (project / "presets" / "default.yaml").read_bytes()


def test_preflight_default_is_ok(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preflight", "--params"]) == 0
    assert capsys.readouterr().out == "params.yaml: ok; rounds r1, r2, r3\n"


def test_preflight_lists_every_fault_of_params(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(project / "params.yaml", "    seed: 11", "    seed: eleven\n    sed: 11")
    assert main(["preflight"]) == 1
    told = capsys.readouterr().err
    assert "defaults.sample.seed: " in told
    assert "defaults.sample.sed: unknown key" in told


def test_preflight_names_missing_files_until_they_are_there(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preset", "gsm8k-recorded"]) == 0
    assert main(["preflight", "--params"]) == 1
    assert "defaults.prepare.pool.path: no file" in capsys.readouterr().err
    for name in ("test.jsonl", "example_model_solutions.jsonl"):
        write_text(project / "data" / "raw" / "gsm8k" / name, "{}\n")
    assert main(["preflight", "--params"]) == 0


def test_preflight_whole_of_recorded_responses_names_each_missing_file(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["preset", "gsm8k-recorded"]) == 0
    assert main(["preflight"]) == 1
    told = capsys.readouterr()
    missing = [line for line in told.out.splitlines() if line.startswith("error   defaults.prepare.")]
    assert len(missing) == 2
    assert "ok      pilot: none: the params ask for no rollouts of a model" in told.out
    assert "2 errors" in told.err


def test_preflight_hub_model_without_revision_is_to_fill(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(project / "params.yaml", "kind: tiny                  #", "kind: hub #")
    assert main(["preflight", "--params", "params.yaml"]) == 1
    assert "defaults.bootstrap.revision: empty; kind hub needs it" in capsys.readouterr().err


def test_preflight_whole_says_what_waits_for_the_base(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preflight"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ok      params: valid; rounds r1, r2, r3"
    assert "ok      queries: 920 to train, 520 in 3 test sets, as prepare would write them" in lines
    assert any(line.startswith("info    pilot: not run") and "models/base is not made yet" in line for line in lines)
    assert lines[-1] == "preflight: 0 errors, 0 warnings; `dvc repro` runs the line"


def test_preflight_whole_counts_errors_and_ends_in_one(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(project / "params.yaml", "kind: tiny                  #", "kind: local #")
    edit(project / "params.yaml", "source: null                #", "source: nowhere #")
    assert main(["preflight"]) == 1
    told = capsys.readouterr()
    assert "error   model nowhere: no such folder; name the one that holds the model in bootstrap.source" in told.out
    assert told.err.startswith("dast: preflight: 2 errors, 0 warnings; mend")


def test_preflight_json_has_every_finding_and_the_status_stays(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["preflight"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines()[:-1] if not line.startswith(("prompt", "  "))]
    assert main(["preflight", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    shown = [f"{one['kind']:<8}{one['subject']}: {one['text']}" for one in told["findings"]]
    assert [line.partition(", ")[0] for line in shown] == [
        line.partition(", ")[0] for line in lines
    ]  # free disk varies
    assert told["counts"]["error"] == 0
    edit(project / "params.yaml", "kind: tiny                  #", "kind: local #")
    assert main(["preflight", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["counts"]["error"] == 2


def test_preflight_of_params_as_json_is_json_whatever_it_finds(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["preflight", "--params", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["findings"] == [{"kind": "ok", "subject": "params", "text": "valid; rounds r1, r2, r3"}]
    edit(project / "params.yaml", "    seed: 11", "    seed: eleven")
    for call in (["preflight", "--params", "--json"], ["preflight", "--json"]):
        assert main(call) == 1
        streams = capsys.readouterr()
        told = json.loads(streams.out)
        assert told["counts"]["error"] == 1
        assert "defaults.sample.seed: " in told["findings"][0]["text"]
        assert "defaults.sample.seed: " in streams.err


def test_preflight_of_recorded_responses_ends_in_the_command_for_them(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["preset", "gsm8k-recorded"]) == 0
    row = {"question": "1+1?", "answer": "so #### 2", "6b_finetuning": {"solution": "A: 2", "is_correct": True}}
    for name in ("test.jsonl", "example_model_solutions.jsonl"):
        write_text(project / "data" / "raw" / "gsm8k" / name, json.dumps(row) + "\n")
    assert main(["preflight"]) == 0
    assert "`dvc repro package` builds the datasets" in capsys.readouterr().out.splitlines()[-1]


def test_plan_names_changed_param_and_what_follows(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run([*dvc, "init", "-q"], check=True)
    subprocess.run([*dvc, "repro", "-q"], check=True)
    assert main(["plan"]) == 0
    assert capsys.readouterr().out == "Everything is up to date.\n"
    edit(project / "params.yaml", "seed: 11", "seed: 99")
    (project / "sampled_r1").write_text("kept\n")
    assert main(["plan"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "3 are reused: resolve of r1, r2, r3"
    assert lines[0] == "4 of 7 stages would run:"
    assert lines[1].split(None, 1) == ["sample@r1", "defaults.sample.seed 11 → 99; its output sampled_r1 is modified"]
    assert lines[2].split(None, 1) == ["sample@r2", "defaults.sample.seed 11 → 99"]
    assert lines[4].split(None, 1)[0] == "report"
    assert (project / "sampled_r1").read_text() == "kept\n"


def test_plan_faulty_params_are_told_before_dvc_runs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(project / "params.yaml", "    seed: 11", "    seed: eleven")
    assert main(["plan"]) == 1
    assert "defaults.sample.seed" in capsys.readouterr().err
