"""The preset's own test sets, read from small local files of each set's format, and its answers graded.

A Hub source is read from a file with the same columns; the rows are made up in the shape of the real ones.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from dast.frames import frame
from dast.grading import Grader, grade_rollouts
from dast.params import sources
from dast.params.project import parse_project
from dast.params.sections import Settings
from dast.params.sources import FileSource, HubSource
from dast.presets import compose
from dast.sources.queries import QueryTables, query_tables
from dast.tables import ROLLOUTS
from tests.makers import ROOT, graded_row

SHARED = ROOT.parent / "shared" / "data"
Row = dict[str, Any]

MATH = {
    "problem": "What is the sum of $\\frac{1}{2}$ and $\\frac{1}{3}$?",
    "level": "Level 2",
    "type": "Prealgebra",
    "solution": "We have $\\frac{3}{6}+\\frac{2}{6}=\\boxed{\\frac{5}{6}}$.",
}
GSM8K = {
    "question": "Ann has 1,200 hats and buys 34. How many has she?",
    "answer": "1200+34=<<1200+34=1234>>1234\n#### 1,234",
}
SVAMP = {
    "ID": "chal-1",
    "Body": "There are 87 pears and 290 figs. The figs are in 2 groups",
    "Question": "How big is a group of figs?",
    "Equation": "( 290.0 / 2.0 )",
    "Answer": "145.0",
    "Type": "Common-Division",
}
THEOREM_QA = [
    {"Question": "Is every bounded sequence convergent?", "Answer": "False", "Answer_type": "bool", "Picture": None},
    {
        "Question": "Which are the roots of x^2-3x+2?",
        "Answer": "[1, 2]",
        "Answer_type": "list of integer",
        "Picture": None,
    },
    {
        "Question": "What is the integral of 1/x from 1 to 2?",
        "Answer": "0.693",
        "Answer_type": "float",
        "Picture": None,
    },
    {"Question": "Which option? (a) 1 (b) 2", "Answer": "(b)", "Answer_type": "option", "Picture": None},
    {"Question": "What is in the picture?", "Answer": "1", "Answer_type": "integer", "Picture": {"bytes": "x"}},
]
MWP_BENCH = [
    {
        "data_source": "college_math",
        "data_topic": "college_math.algebra",
        "question_number": "exercise.1",
        "question": "Factor $x^2-1$.",
        "answer": "$(x-1)(x+1)$",
        "license": "CC",
    },
    {
        "data_source": "tal",
        "data_topic": "tal",
        "question_number": "1",
        "license": "MIT",
        "question": "A rope of 12 m is cut into 4 equal parts. How long is one, in metres?",
        "answer": "3",
    },
    {
        "data_source": "gsm8k",
        "data_topic": "gsm8k",
        "question_number": "1",
        "question": "Other?",
        "answer": "1",
        "license": "MIT",
    },
]
FILES: dict[str, list[Row]] = {
    "gsm8k.jsonl": [GSM8K],
    "math/test.jsonl": [MATH],
    "svamp.jsonl": [SVAMP],
    "theoremqa.jsonl": THEOREM_QA,
    "mwpbench/full_test.json": MWP_BENCH,
}
TRAIN = {**GSM8K, "question": "Bob has 1 hat and buys 3. How many has he?", "answer": "1+3=<<1+3=4>>4\n#### 4"}


@cache
def preset() -> Settings:
    return parse_project(compose(["llama-3.1-8b"], ROOT / "presets"), "llama-3.1-8b").defaults


def local(source: Any, **changes: Any) -> FileSource:
    """The source, from a file: `<name>.jsonl` for one of the Hub."""
    if isinstance(source, FileSource):
        return source.model_copy(update=changes)
    assert isinstance(source, HubSource)
    about = source.model_dump(exclude={"hub_id", "config", "split", "revision", "kind"})
    return FileSource.model_validate({**about, "kind": "file", "path": f"{source.name}.jsonl", **changes})


def read(folder: Path, files: dict[str, list[Row]], **paths: str) -> QueryTables:
    """The preset's test sets, those that `paths` names from other files, beside one train query."""
    for name, rows in {**files, "train.jsonl": [TRAIN]}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    prepare, at = preset().prepare, {name: {"path": path} for name, path in paths.items()}
    sets = [
        sources.TestSet(domain=test.domain, source=local(test.source, **at.get(test.source.name, {})))
        for test in prepare.tests
        if test.source.name in paths or not paths
    ]
    train = [local(prepare.train[0], path="train.jsonl")]
    with Grader(preset().grading, "evaluation") as grader:
        return query_tables(prepare.model_copy(update={"train": train, "tests": sets}), folder, grader)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> QueryTables:
    return read(tmp_path_factory.mktemp("raw"), FILES)


def test_preset_sets_are_read_with_their_answers_and_levels(tables: QueryTables) -> None:
    found = {name: rows.select("answer", "source_level", "domain").rows() for name, rows in tables.tests.items()}
    assert found == {
        "gsm8k": [("1,234", None, "in")],
        "math": [("\\frac{5}{6}", "Level 2", "in")],
        "svamp": [("145.0", "Common-Division", "out")],
        "theoremqa": [
            ("False", "bool", "out"),
            ("[1, 2]", "list of integer", "out"),
            ("0.693", "float", "out"),
            ("(b)", "option", "out"),
        ],
        "college": [("(x-1)(x+1)", "college_math.algebra", "out")],
        "tal_scq": [("3", None, "out")],
    }
    assert tables.tests["svamp"]["query"][0] == f"{SVAMP['Body']} {SVAMP['Question']}"
    assert tables.tests["theoremqa"]["tolerance"].to_list() == [0.01] * 4
    assert not tables.refused


def test_preset_sets_refuse_a_set_whose_file_lacks_a_column(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"svamp: no row has Question"):
        read(tmp_path, {"s.jsonl": [{"Body": "A.", "Answer": 1, "Type": "x"}]}, svamp="s.jsonl")


@pytest.mark.parametrize(
    ("test_set", "place", "said", "verdict"),
    [
        ("gsm8k", 0, "So it is \\boxed{1234}.", "correct"),
        ("math", 0, "The final answer is \\boxed{\\dfrac56}.", "correct"),
        ("math", 0, "\\boxed{0.83}", "incorrect"),
        ("svamp", 0, "\\boxed{145}", "correct"),
        ("svamp", 0, "\\boxed{146}", "incorrect"),
        ("theoremqa", 0, "\\boxed{\\text{False}}", "correct"),
        ("theoremqa", 0, "\\boxed{\\text{True}}", "incorrect"),
        ("theoremqa", 1, "\\boxed{[1, 2]}", "correct"),
        ("theoremqa", 2, "\\boxed{\\ln 2}", "correct"),
        ("theoremqa", 2, "\\boxed{0.7}", "incorrect"),
        ("theoremqa", 3, "\\boxed{b}", "correct"),
        ("theoremqa", 3, "\\boxed{a}", "incorrect"),
        ("college", 0, "\\boxed{(x+1)(x-1)}", "correct"),
        ("tal_scq", 0, "The answer is 3.", "correct"),
        ("tal_scq", 0, "I do not know.", "no_answer"),
    ],
)
def test_preset_answers_are_graded(tables: QueryTables, test_set: str, place: int, said: str, verdict: str) -> None:
    query = tables.tests[test_set].row(place, named=True)
    row = graded_row(query["query_id"], 0, verdict, response=said, finish_reason="stop")
    rollouts = frame(ROLLOUTS, [{name: row[name] for name in ROLLOUTS.schema}])
    with Grader(preset().grading, "evaluation") as grader:
        assert grade_rollouts(rollouts, tables.tests[test_set], grader)["verdict"].to_list() == [verdict]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real GSM8K and SVAMP files are not on this machine")
def test_preset_sets_read_the_real_gsm8k_and_svamp(tmp_path: Path) -> None:
    real = {"gsm8k": SHARED / "gsm8k" / "test.jsonl", "svamp": SHARED / "svamp" / "test.jsonl"}
    files = {
        f"{name}.jsonl": [json.loads(line) for line in path.read_text().splitlines()] for name, path in real.items()
    }
    counts = read(tmp_path, files, gsm8k="gsm8k.jsonl", svamp="svamp.jsonl").counts["tests"]
    assert {name: count["kept"] for name, count in counts.items()} == {"gsm8k": 1319, "svamp": 1000}
