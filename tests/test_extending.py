"""The worked examples of docs/extending.md, applied to a copy of the code and run there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.makers import ROOT
from tests.pages import blocks

PAGE = ROOT / "docs" / "extending.md"

STRATEGY = """
import numpy as np
from dast.allocation.budget import Purse
from dast.allocation.registry import strategy_of
from tests.standings import augment_settings, spend, standings_of

chosen = strategy_of(augment_settings(strategy="first_solved", cap={"unsolved": 12}))
end, left = spend(chosen, standings_of([0, 1, 4, 0]), Purse(60, 16, 1), np.array([1.0, 1.0, 1.0, 0.0]))
print(end.spent.tolist(), end.got.tolist(), left.spent, chosen.formula)
"""
RULE = """
from dast.answers import predicted_answer, stated
from dast.grading import STANDARD, Attempt, Grader

rule = STANDARD.model_copy(update={"extraction": ["tagged"]})
with Grader(rule) as grader:
    told = ["so <answer> 3/4 </answer>", "<answer>1</answer>", "3/4", "<answer>3/4", stated("0.75", ["tagged"])]
    print([grade.verdict for grade in grader.grade([Attempt("3/4", text) for text in told])])
"""
ENGINE = """
from pathlib import Path
from dast.engines.choose import open_engine
from dast.engines.protocol import Item
from tests.makers import default_settings

settings = default_settings()
engine = open_engine(settings.generation.model_validate(
    {**settings.generation.model_dump(), "engine": "echo"}), Path("nowhere"), None)
item = Item("q", "sample", 0, "p", [{"role": "user", "content": "1+1?"}])
print([(one.query_id, answer.text) for one, answer in engine.generate([item], settings.sample.decoding, 1)])
"""
TEST_SET = """
from pathlib import Path
from dast.grading import Grader
from dast.sources.queries import query_tables
from tests.makers import default_settings

settings = default_settings()
with Grader(settings.grading) as grader:
    made = query_tables(settings.prepare, Path("data/raw"), grader)
print({name: rows.height for name, rows in made.tests.items()})
"""
LAWS = """
import sys, pytest
laws = ["tests/test_allocation.py", "-k", "first_solved and not numbers"]
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *laws]))
"""


def applied(text: str, diff: str) -> str:
    """A file's text with each hunk of a diff applied; its old lines must stand there once."""
    for hunk in diff.split("@@\n")[1:]:
        lines = hunk.splitlines()
        old = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "+")
        new = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "-")
        assert text.count(old) == 1, f"stands there {text.count(old)} times:\n{old}"
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extended")
    for name in ("dast", "tests", "presets"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for block in blocks(PAGE):
        kind, _, named = block.kind.partition(" file=")
        if named and kind == "python":
            assert not (folder / named).exists()
            (folder / named).write_text(block.text, encoding="utf-8")
        elif named:
            path = folder / named
            path.write_text(applied(path.read_text(encoding="utf-8"), block.text), encoding="utf-8")
    return folder


def said(folder: Path, code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("code", "output"),
    [
        (
            STRATEGY,
            "[8, 4, 4, 12] [4, 1, 4, 0] 28 one correct response of every query, the likeliest first; "
            "rollouts at most: easy 8, medium 32, hard 32, unsolved 12",
        ),
        (RULE, "['correct', 'incorrect', 'no_answer', 'no_answer', 'correct']"),
        (ENGINE, "[('q', '1+1?')]"),
        (TEST_SET, "{'in_domain': 320, 'wording': 120, 'longer': 80, 'hard_wording': 120}"),
    ],
    ids=["strategy", "rule", "engine", "test_set"],
)
def test_extending_example_does_what_the_page_says(extended: Path, code: str, output: str) -> None:
    assert said(extended, code) == output


@pytest.mark.full
def test_extending_strategy_keeps_the_laws_of_all(extended: Path) -> None:
    assert "passed" in said(extended, LAWS)


def test_extending_examples_are_formatted_as_the_code_is(extended: Path) -> None:
    for block in blocks(PAGE):
        kind, _, named = block.kind.partition(" file=")
        if named and kind == "python":
            shutil.copy(ROOT / "pyproject.toml", extended)
            ruff = [sys.executable, "-m", "ruff"]
            for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
                done = subprocess.run([*ruff, *command, named], cwd=extended, capture_output=True, text=True)
                assert done.returncode == 0, done.stdout + done.stderr
