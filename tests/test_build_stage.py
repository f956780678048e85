"""The stage `build` against test sets: responses that say a test's words are told, left out, or end it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dast import frames, tables
from dast.errors import DataError
from dast.frames import read, write
from dast.params.project import merge
from dast.params.writing import yaml_text
from dast.presets import compose
from dast.smallfiles import read_json
from stages import build
from tests.builders import LEVELS, rollouts
from tests.makers import ROOT, difficulty_table, queries_table

TOLD = "First he counts the three fields with wheat and takes them from the seven, so four of them lie fallow."
OWN = "Seven less three is four."


def built(folder: Path, action: str) -> Path:
    """Three responses to one query, the second of them a test's solution; returns the output folder."""
    content = merge(compose([], ROOT / "presets")["defaults"], {"contamination": {"action": action}})
    folder.mkdir(exist_ok=True)
    (folder / "params.yaml").write_text(yaml_text(content))
    graded = rollouts(("q000", OWN, "correct"), ("q001", TOLD, "correct"), ("q001", "It is 5.", "incorrect"))
    about = {"query_id": "t0", "query": "Who?", "solution": TOLD, "test_set": "held", "domain": "in", "source": "s"}
    held: dict[str, Any] = {**about, "answer": "4", "licence": "MIT"}
    inputs = {
        "queries": (tables.QUERIES, queries_table(4)),
        "graded": (tables.GRADED, graded),
        "augmented": (tables.GRADED, graded.clear()),
        "prompts": (tables.PROMPTS, frames.frame(tables.PROMPTS, [])),
        "augmented_prompts": (tables.PROMPTS, frames.frame(tables.PROMPTS, [])),
        "difficulty": (tables.DIFFICULTY, difficulty_table(LEVELS)),
        "previous": (tables.SFT, frames.frame(tables.SFT, [])),
    }
    for name, (table, rows) in inputs.items():
        write(table, rows, folder / f"{name}.parquet")
    write(tables.TEST_QUERIES, frames.frame(tables.TEST_QUERIES, [held]), folder / "tests" / "held.parquet")
    out = folder / "out"
    build.main(
        params=folder / "params.yaml",
        round_name="r1",
        tests=folder / "tests",
        metrics=out / "build.json",
        plot=out / "build.csv",
        **{name: folder / f"{name}.parquet" for name in inputs},
        **{name: out / f"{name}.parquet" for name in ("sft", "dpo", "contamination")},
    )
    return out


def ids(out: Path) -> list[str]:
    return sorted(read(tables.SFT, out / "sft.parquet")["rollout_id"])


def test_build_response_with_a_tests_solution_is_reported_and_stays(tmp_path: Path) -> None:
    out = built(tmp_path, "report")
    assert ids(out) == ["r000", "r001"]
    (evidence,) = read(tables.CONTAMINATION, out / "contamination.parquet").iter_rows(named=True)
    assert (evidence["rollout_id"], evidence["test_part"], evidence["kind"]) == ("r001", "solution", "exact")
    told = read_json(out / "build.json")
    assert told["contamination"]["n_contaminated"] == 1
    assert "contaminated" not in told["left_out"]


def test_build_contaminated_response_is_left_out_of_both_sets_and_counted(tmp_path: Path) -> None:
    out = built(tmp_path, "drop")
    assert ids(out) == ["r000"]
    assert read(tables.DPO, out / "dpo.parquet").is_empty()
    assert read(tables.CONTAMINATION, out / "contamination.parquet")["rollout_id"].to_list() == ["r001"]
    told = read_json(out / "build.json")
    assert told["left_out"]["contaminated"] == 1
    assert told["n_rollouts"] == 3 == told["n_sft"] + sum(told["left_out"].values())
    assert (told["contamination"]["n_contaminated"], told["contamination"]["action"]) == (1, "drop")


def test_build_contaminated_response_ends_the_stage_where_params_refuse(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="response q001 r001 by the solution t0 of held"):
        built(tmp_path, "refuse")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["contamination.parquet"]
