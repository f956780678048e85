"""The pages for newcomers: presets of bring-your-own.md are valid and say what it shows, faults are told as it says."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dast.cli import main
from dast.comparison import held, refuse_regressions
from dast.engines.choose import open_engine
from dast.errors import DastError
from dast.frames import frame
from dast.packaging.licences import refuse_licences
from dast.params.project import load_project
from dast.preflight.access import hub_finding, wanted_of
from dast.preflight.findings import Finding
from dast.preflight.pilot import Pilot, pilot_findings
from dast.smallfiles import write_text
from dast.tables import SFT
from dast.training.lengths import longest_row
from tests.makers import ROOT, default_settings
from tests.pages import blocks, section
from tests.stores import BatchEngine, asked, sampled
from tests.test_comparison import TESTS, graded
from tests.test_preflight import COMMIT, FakeHub
from tests.test_store_lock import HOLDER, started

OWN = ROOT / "docs" / "bring-your-own.md"
TROUBLE = ROOT / "docs" / "troubleshooting.md"
SETTINGS = default_settings()
Told = pytest.CaptureFixture[str]


def files(page: Path) -> dict[str, str]:
    found = [(block.kind.partition(" file=")[2], block.text) for block in blocks(page)]
    return {name: text for name, text in found if name}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the page's presets, and with as many rows like its own as it says."""
    shutil.copytree(ROOT / "presets", tmp_path / "project" / "presets")
    folder = tmp_path / "project"
    for name, text in files(OWN).items():
        write_text(folder / name, text)
    (row, *_) = map(json.loads, (folder / "data/raw/sums/train.jsonl").read_text().splitlines())
    for name, start, stop in (("train", 0, 200), ("test", 200, 260)):
        rows = [{**row, "question": f"{row['question']} {n}"} for n in range(start, stop)]
        write_text(folder / f"data/raw/sums/{name}.jsonl", "".join(f"{json.dumps(one)}\n" for one in rows))
    (answer, *_) = map(json.loads, (folder / "data/raw/pool/responses.jsonl").read_text().splitlines())
    responses = [{**answer, "question": f"{row['question']} {n}"} for n in range(200) for _ in range(4)]
    write_text(folder / "data/raw/pool/responses.jsonl", "".join(f"{json.dumps(one)}\n" for one in responses))
    write_text(folder / "dvc.yaml", "stages: {}\n")
    write_text(tmp_path / "my-model" / "config.json", "{}")
    monkeypatch.chdir(folder)
    return folder


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def preflight(told: Told) -> str:
    told.readouterr()
    main(["preflight"])
    said = told.readouterr()
    return said.out + said.err


def like(line: str) -> str:
    """A pattern for a line of a page: `…` and digests stand for anything, and so does what depends on the disk."""
    line = re.sub(r"[0-9a-f]{64}|[\d.]+ [MG]B free", "…", line)
    return re.escape(line).replace("…", ".+")


def test_own_presets_are_laid_over_as_the_page_says(project: Path) -> None:
    commands = [
        command.split()[2:]
        for block in blocks(OWN)
        if block.kind in ("sh", "console not-run")
        for command in block.commands()
        if command.startswith("dast preset")
    ]
    assert {name for names in commands for name in names if name.startswith("my-")} == {
        Path(name).stem for name in files(OWN) if name.startswith("presets/")
    }
    for names in commands:
        assert main(["preset", *names, *([] if "--force" in names else ["--force"])]) == 0
        assert load_project(project / "params.yaml").rounds


def test_own_hub_branch_is_named_with_its_commit(project: Path) -> None:
    assert main(["preset", "qwen-1.5b-24gb", "my-hub"]) == 0
    defaults = load_project(project / "params.yaml").defaults
    found = [hub_finding(one, FakeHub()) for one in wanted_of(defaults.prepare, defaults.bootstrap)]
    assert [one.kind for one in found] == ["ok", "warning"]  # the dataset once
    (line,) = [block.text.strip() for block in blocks(OWN) if block.kind == "text"]
    assert re.fullmatch(like(line), found[-1].told())
    assert COMMIT in found[-1].text


@pytest.mark.parametrize(("name", "shown"), [("my-files", 4), ("my-pool", 7)])
def test_own_files_preflight_says_what_the_page_shows(project: Path, capsys: Told, name: str, shown: int) -> None:
    (block,) = [one for one in blocks(OWN) if f"$ dast preset {name}\n" in one.text and one.kind == "console not-run"]
    lines = block.text.split("$ dast preflight\n")[1].splitlines()[:shown]
    assert main(["preset", name]) == 0
    said = preflight(capsys).splitlines()
    assert not [line for line in lines if not any(re.fullmatch(like(line), one) for one in said)]


def faulty_params(project: Path, capsys: Told) -> str:
    main(["preset", "default"])
    edit(project / "params.yaml", "    seed: 11", "    seed: eleven\n    sed: 11")
    return preflight(capsys)


def missing_column(project: Path, capsys: Told) -> str:
    main(["preset", "my-files"])
    edit(project / "params.yaml", "query: [question]", "query: [query]")
    return preflight(capsys)


def leak(project: Path, capsys: Told) -> str:
    main(["preset", "my-files"])
    train, test = (project / f"data/raw/sums/{name}.jsonl" for name in ("train", "test"))
    test.write_text(test.read_text() + "".join(train.read_text().splitlines(keepends=True)[:3]))
    return preflight(capsys)


def no_digest(project: Path, capsys: Told) -> str:
    main(["preset", "my-files"])
    return preflight(capsys)


def no_engine(project: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DastError) as caught:
        open_engine(SETTINGS.generation.model_copy(update={"engine": "vllm"}), project, None)
    return Finding("error", "pilot", str(caught.value)).told()


def no_answers() -> str:
    pilot = Pilot(10, 180, 220, 1.0, 0, 0, {"no_answer": 10}, None)
    return "\n".join(finding.told() for finding in pilot_findings(pilot))


class Lengths:
    """A tokenizer that makes every row as long as the page's."""

    def apply_chat_template(self, turns: list[Any], **how: Any) -> dict[str, list[list[int]]]:
        return {"input_ids": [[0] * 85 for _ in turns]}


def long_rows(project: Path) -> str:
    turn = [{"role": "user", "content": "a"}]
    row = {"level": "easy", "round": "r1", "origin": "self", "n_alike": 1, "prompt": turn, "completion": turn}
    ids = ["0f85e4cc75a098f2", *(f"q{n}" for n in range(150))]
    rows = frame(SFT, [{**row, "query_id": one, "rollout_id": "a"} for one in ids])
    write_text(project / "config.json", "{}")
    with pytest.raises(DastError) as caught:
        longest_row(rows, "sft", Lengths(), 40, project)  # type: ignore[arg-type]
    return f"train: {caught.value}"


def second_writer(project: Path) -> str:
    process, _ = started(HOLDER, str(project / "store"), "alone")
    try:
        with pytest.raises(DastError) as caught:
            sampled(project / "store", asked(1, 1), BatchEngine())
    finally:
        process.kill()
    return f"sample: {caught.value}"


def regression() -> str:
    rows = held(graded(10), {"base": graded(40)}, TESTS, SETTINGS.gate, SETTINGS.intervals, "r1")
    with pytest.raises(DastError) as caught:
        refuse_regressions(rows, SETTINGS.gate, SETTINGS.intervals, "r1")
    return f"gate: {caught.value}"


def unknown_licence(project: Path) -> str:
    main(["preset", "my-files"])
    edit(project / "params.yaml", "licence: CC-BY-4.0", "licence: unknown")
    defaults = load_project(project / "params.yaml").defaults
    with pytest.raises(DastError) as caught:
        refuse_licences(defaults.prepare, defaults.package)
    return f"package: {caught.value}"


PROVOKED: dict[str, Callable[..., str]] = {
    "## 1. The params are refused": faulty_params,
    "## 2. A column is not there": missing_column,
    "## 3. Train queries stand in a test set": leak,
    "## 4. A model folder without its digest": no_digest,
    "## 5. The engine is not installed": no_engine,
    "## 6. No response states an answer": no_answers,
    "## 7. A training row is too long": long_rows,
    "## 8. Another process writes to the store": second_writer,
    "## 9. The gate stops the line": regression,
    "## 10. The dataset may not be packaged": unknown_licence,
}


def test_troubleshooting_every_section_is_provoked() -> None:
    assert re.findall(r"^## .*$", TROUBLE.read_text(encoding="utf-8"), re.MULTILINE) == list(PROVOKED)


@pytest.mark.parametrize("heading", PROVOKED)
def test_troubleshooting_message_is_what_is_said(
    heading: str, project: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"project": project, "capsys": capsys, "monkeypatch": monkeypatch}
    provoke = PROVOKED[heading]
    said = provoke(**{name: given[name] for name in provoke.__annotations__ if name in given}).splitlines()
    shown = re.findall(r"^```text\n(.*?)^```", section(TROUBLE, heading), re.MULTILINE | re.DOTALL)
    assert shown
    lines = shown[0].splitlines()
    assert not [line for line in lines if not any(re.fullmatch(like(line), one) for one in said)], said
