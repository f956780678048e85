"""Rollouts to read, and the stage that chooses them and tells moves between levels."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dast.difficulty.levels import estimate
from dast.frames import frame, write
from dast.params.project import load_project
from dast.params.sections import Observe
from dast.params.writing import yaml_text
from dast.smallfiles import read_csv, read_json
from dast.specimens import cut, specimens
from dast.tables import DIFFICULTY, GRADED, QUERIES
from stages import observe
from tests.makers import ROOT, default_settings, graded_row, queries_table


def wish(n_rollouts: int = 2, max_chars: int = 100) -> Observe:
    return Observe(n_rollouts=n_rollouts, max_chars=max_chars)


def world(n: int = 4) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Queries, and graded rollouts: the first query is always solved, the others never by plain rollouts."""
    queries = queries_table(n)
    rows = []
    for number, query_id in enumerate(queries["query_id"]):
        rows += [graded_row(query_id, index, "correct" if number == 0 else "incorrect") for index in range(4)]
        rows += [graded_row(query_id, 9, "correct", step="matched")] if number else []
    graded = frame(GRADED, rows)
    return graded, estimate(graded, queries["query_id"], default_settings().difficulty), queries


def test_specimens_are_of_every_level_and_verdict_and_steps_take_turns() -> None:
    found = specimens(*world(), wish(n_rollouts=2))
    kinds = [(row["level"], row["verdict"]) for row in found["rollouts"]]
    assert kinds == [("easy", "correct")] * 2 + [("unsolved", "correct")] * 2 + [("unsolved", "incorrect")] * 2
    assert {row["step"] for row in found["rollouts"] if row["verdict"] == "correct"} == {"sample", "matched"}
    assert found["counts"] == [
        {"level": "easy", "verdict": "correct", "n_rollouts": 4},
        {"level": "unsolved", "verdict": "correct", "n_rollouts": 3},
        {"level": "unsolved", "verdict": "incorrect", "n_rollouts": 12},
    ]


def test_specimens_do_not_depend_on_the_order_of_rows() -> None:
    graded, difficulty, queries = world()
    turned = specimens(graded.reverse(), difficulty.reverse(), queries.reverse(), wish())
    assert turned == specimens(graded, difficulty, queries, wish())


def test_specimens_none_wanted_are_counted_all_the_same() -> None:
    found = specimens(*world(), wish(n_rollouts=0))
    assert found["rollouts"] == []
    assert sum(row["n_rollouts"] for row in found["counts"]) == 19


@given(st.text(), st.integers(1, 60))
def test_cut_keeps_both_ends_and_says_how_much_is_gone(text: str, most: int) -> None:
    shown = cut(text, most)
    if len(text) <= most:
        assert shown == text
    else:
        head, _, tail = shown.partition(f" […{len(text) - most:,} characters…] ")
        assert len(head) + len(tail) == most
        assert text.startswith(head)
        assert text.endswith(tail)


@pytest.mark.parametrize("policy", ["base", "r1"])
def test_observe_writes_moves_since_the_policys_round(tmp_path: Path, policy: str) -> None:
    graded, difficulty, queries = world()
    settings = load_project(ROOT / "presets" / "default.yaml").settings_of("r2")
    (tmp_path / "params.yaml").write_text(yaml_text(settings))
    paths = {name: tmp_path / f"{name}.parquet" for name in ("queries", "graded", "augmented", "difficulty", "earlier")}
    plain = graded.filter(pl.col("step") == "sample")
    for table, rows, name in (
        (QUERIES, queries, "queries"),
        (GRADED, plain, "graded"),
        (GRADED, graded.filter(pl.col("step") != "sample"), "augmented"),
        (DIFFICULTY, difficulty, "difficulty"),
        (DIFFICULTY, difficulty if policy == "r1" else frame(DIFFICULTY, []), "earlier"),
    ):
        write(table, rows, paths[name])
    transitions, shown = tmp_path / "transitions.csv", tmp_path / "rollouts.json"
    observe.main(params=tmp_path / "params.yaml", policy=policy, transitions=transitions, shown=shown, **paths)
    rows = read_csv(transitions)
    assert transitions.read_text().startswith("since,before,after,n_queries,expected,sd\n")
    assert len(rows) == (19 if policy == "r1" else 0)
    assert [row["n_queries"] for row in rows if row["after"] == "same"] == (["4"] if policy == "r1" else [])
    assert {row["step"] for row in read_json(shown)["rollouts"]} == {"sample", "matched"}
