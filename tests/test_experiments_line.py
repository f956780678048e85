"""One run in miniature, through the library: base, rounds, row."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from benchmarks.experiments.bench import Bench
from benchmarks.experiments.design import PATH, Design, Run
from benchmarks.experiments.rows import base_run
from dast.params.project import load_yaml, merge
from dast.store.database import FILE

COUNTS = {
    "train": {"L1": 6, "L2": 4},
    "in_domain": {"L1": 4},
    "wording": {"F1": 2},
    "hard_wording": {"F4": 2},
    "longer": {"L9": 2},
}
RUN = Run("miniature", "K4", 9, 1)


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAST_STORE", "set by the bench")  # so that it is set back afterwards


def miniature() -> Design:
    """An arm that samples, augments and trains on references: two steps make no base that answers anything."""
    raw = load_yaml(PATH)
    tests = raw["settings"]["prepare"]["tests"]
    source = {"kind": "tiny", "name": "tiny", "part": "train", "answer_cap": 1.0, "worked_rate": 0.5, "seed": 1}
    short = {"max_new_tokens": 12}
    small: dict[str, Any] = {
        "bootstrap": {"tiny": {"steps_short": 2, "steps_long": 2, "batch_size": 4}},
        "prepare": {
            "train": [source | {"counts": COUNTS["train"], "licence": "MIT"}],
            "tests": [
                test | {"source": test["source"] | {"counts": COUNTS[test["source"]["name"]], "answer_cap": 1.0}}
                for test in tests
            ],
        },
        **{section: {"decoding": short} for section in ("sample", "augment", "evaluate")},
        "train": {"sft": {"steps": 2, "batch_size": 4}},
    }
    arm = {"about": "a", "parts": ["even", "plain", "mix", "references"]}
    return Design.model_validate(
        raw
        | {
            "settings": merge(raw["settings"], small),
            "arms": {**raw["arms"], "miniature": arm},
            "measure": {"round": 2, "rounds": 2},
        }
    )


def n_kept(store: Path) -> int:
    with sqlite3.connect(store / FILE) as connection:
        return int(connection.execute("select count(*) from batches").fetchone()[0])


def test_run_in_miniature_gives_its_row_again(tmp_path: Path) -> None:
    bench = Bench(miniature(), tmp_path, {"commit": "c", "machine": "m", "versions": {}})
    base = bench.play(base_run(9, 1))
    row = bench.play(RUN)

    assert {name: len(facts["levels"]) for name, facts in base["tests"].items()} == {
        "in_domain": 4,
        "wording": 2,
        "hard_wording": 2,
        "longer": 2,
    }
    assert base["tests"]["longer"]["source_levels"] == "L9 L9"
    assert [sum(step["n_rollouts"] for step in one["steps"].values()) for one in row["rounds"]] == [40, 40]
    assert [one["kept"]["unsolved"]["n"] for one in row["rounds"]] == [10, 10]
    assert [one["optimiser_steps"] for one in row["rounds"]] == [2, 2]
    assert all(len(one["tests"]["in_domain"]["sample"]) == 4 for one in row["rounds"])
    assert base["model"] != row["models"][0] != row["models"][1]
    assert row["settings"] == bench.settings(RUN)
    assert base["settings"] == bench.settings(base_run(9, 1))
    assert {path.name for path in tmp_path.iterdir()} == {"bases", "stores"}, "a run's models are deleted with it"

    before = n_kept(tmp_path / "stores" / "9-1")
    again = bench.play(RUN)
    assert n_kept(tmp_path / "stores" / "9-1") == before, "nothing is sampled twice"
    timed = ("seconds",)
    assert {key: value for key, value in again.items() if key not in (*timed, "rounds")} == {
        key: value for key, value in row.items() if key not in (*timed, "rounds")
    }
    for mine, theirs in zip(again["rounds"], row["rounds"], strict=True):
        assert {**mine, "seconds": 0} == {**theirs, "seconds": 0}
