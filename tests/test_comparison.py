"""Paired comparison and the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dast.comparison import IN_DOMAIN, compare, held, refuse_regressions
from dast.errors import GateError, ParamsError
from dast.frames import frame, write
from dast.params.project import parse_project
from dast.params.writing import yaml_text
from dast.presets import compose
from dast.smallfiles import read_csv, read_json
from dast.tables import TEST_GRADED, TEST_LEVELS, TEST_QUERIES
from stages import gate
from tests.makers import ROOT, default_settings, graded_table

SETTINGS = default_settings()
N = 60
TESTS = frame(
    TEST_QUERIES,
    [
        {
            "query_id": f"q{i}",
            "source": "t",
            "query": f"{i}",
            "answer": "1",
            "solution": None,
            "source_level": None,
            "licence": "MIT",
            "test_set": "t",
            "domain": "in",
        }
        for i in range(N)
    ],
)


ASKED = TESTS.select("test_set", "query_id", "domain", level=pl.lit(None, TEST_LEVELS.schema["level"]))


def graded(n_right: int, verdict: str = "incorrect") -> pl.DataFrame:
    rows = [(f"q{i}", f"{i}a{k}", "", "correct" if i < n_right else verdict) for i in range(N) for k in range(2)]
    kinds = {"test_set": pl.lit("t"), "decoding": pl.lit("sample", TEST_GRADED.schema["decoding"])}
    return graded_table(rows).with_columns(**kinds).select(TEST_GRADED.schema.keys())


def gated(n_ours: int, n_theirs: int, *accept: str) -> dict[str, Any]:
    wish = SETTINGS.gate.model_copy(update={"max_drop": 0.02, "accept": list(accept)})
    (row,) = held(graded(n_ours), {"base": graded(n_theirs)}, TESTS, wish, SETTINGS.intervals, "r1")
    return row


@pytest.mark.parametrize(
    ("ours", "verdict"), [(45, "better"), (15, "worse"), (30, "not told apart"), (31, "not told apart")]
)
def test_compare_verdict_follows_interval_and_p_value(ours: int, verdict: str) -> None:
    (row,) = compare(graded(ours), graded(30), ASKED, "base", SETTINGS.intervals)
    assert row["verdict"] == verdict
    assert row["difference"] == pytest.approx((ours - 30) / N)
    assert row["low"] <= row["difference"] <= row["high"]
    assert (row["p_value"] < 0.05) == (verdict != "not told apart")
    assert row["gate"] == ""


def test_compare_tells_levels_apart_that_cancel_in_the_whole() -> None:
    levels = ["hard"] * 20 + [None] * 20 + ["easy"] * 20
    levelled = ASKED.with_columns(level=pl.Series(levels, dtype=TEST_LEVELS.schema["level"]))
    theirs = graded(20).with_columns(query_id=pl.col("query_id").replace({f"q{i}": f"q{N - 1 - i}" for i in range(N)}))
    rows = compare(graded(20), theirs, levelled, "base", SETTINGS.intervals)
    assert [(row["group"], row["value"], row["n_queries"], row["verdict"]) for row in rows] == [
        ("all", "all", 60, "not told apart"),
        ("level", "easy", 20, "worse"),
        ("level", "hard", 20, "better"),
    ]


def test_compare_ungraded_rollouts_do_not_count_as_wrong() -> None:
    (row,) = compare(graded(30, "ungraded"), graded(30), ASKED, "base", SETTINGS.intervals)
    assert row["n_queries"] == 30
    assert row["difference"] == 0


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [(30, 30, "passed"), (26, 30, "passed"), (50, 30, "passed"), (15, 30, "regressed")],
    ids=["equal", "a drop of seven points that may be chance", "a rise", "a drop beyond doubt"],
)
def test_gate_asks_the_interval_and_not_the_point(ours: int, theirs: int, said: str) -> None:
    assert gated(ours, theirs)["gate"] == said


def test_gate_drop_beyond_doubt_but_within_the_parameter_passes() -> None:
    row = gated(22, 30)
    assert row["verdict"] == "worse"
    wish = SETTINGS.gate.model_copy(update={"max_drop": -row["high"] + 0.001})
    (again,) = held(graded(22), {"base": graded(30)}, TESTS, wish, SETTINGS.intervals, "r1")
    assert again["gate"] == "passed"


def test_gate_accepts_the_rounds_that_params_name() -> None:
    assert gated(15, 30, "r1")["gate"] == "accepted"
    assert gated(15, 30, "r2")["gate"] == "regressed"


def test_gate_refusal_says_figures_and_what_to_do_in_one_line() -> None:
    wish = SETTINGS.gate
    refuse_regressions([gated(30, 30)], wish, SETTINGS.intervals, "r1")
    told = r"^gate@r1: pass@1 in domain fell by 0\.250 against base \(0\.1\d+ to 0\.3\d+ with 95 % confidence, p 0\.0\d+, 60 queries\), more than gate.max_drop 0.03; .* add r1 to gate.accept, and run again$"  # noqa: E501
    with pytest.raises(GateError, match=told):
        refuse_regressions([gated(15, 30)], wish, SETTINGS.intervals, "r1")


def run_gate(folder: Path, n_ours: int, accept: list[str]) -> Path:
    content = compose([], ROOT / "presets")["defaults"]
    content["gate"]["accept"] = accept
    (folder / "params.yaml").write_text(yaml_text(content))
    for name, count in (("ours", n_ours), ("theirs", 30), ("base", 20)):
        write(TEST_GRADED, graded(count), folder / f"{name}.parquet")
    write(TEST_QUERIES, TESTS, folder / "tests" / "t.parquet")
    about = {"n_graded": 4, "n_correct": 2, "level": "medium", "test_set": "t"}
    levels = frame(TEST_LEVELS, [{**about, "query_id": f"q{i}"} for i in range(N)])
    write(TEST_LEVELS, levels, folder / "levels.parquet")
    paths = {name: folder / f"{name}.parquet" for name in ("levels", "ours", "theirs", "base")}
    gate.main(
        params=folder / "params.yaml",
        round_name="r2",
        tests=folder / "tests",
        policy="r1",
        plot=folder / "c.csv",
        gate=folder / "gate.json",
        **paths,
    )
    return folder


def test_gate_stage_stops_until_the_round_is_accepted(tmp_path: Path) -> None:
    with pytest.raises(GateError, match=r"against base .* and by .* against r1"):
        run_gate(tmp_path, 2, [])
    assert not (tmp_path / "gate.json").exists()
    rows = read_csv(run_gate(tmp_path, 2, ["r2"]) / "c.csv")
    assert [(row["test_set"], row["value"], row["against"], row["gate"]) for row in rows] == [
        *(("t", value, name, "") for name in ("base", "r1") for value in ("all", "medium")),
        *((IN_DOMAIN, "all", name, "accepted") for name in ("base", "r1")),
    ]
    assert read_json(tmp_path / "gate.json") == {"passed": True}


def test_gate_accepting_an_unknown_round_is_refused() -> None:
    content = compose([], ROOT / "presets")
    content["defaults"]["gate"]["accept"] = ["r9"]
    with pytest.raises(ParamsError, match=r"defaults.gate.accept: r9: no such round"):
        parse_project(content, "params.yaml")
