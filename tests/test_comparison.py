"""Paired comparison and the gate."""

from __future__ import annotations

import polars as pl
import pytest

from dast.comparison import compare, require_no_drop
from dast.errors import GateError
from dast.tables import TEST_GRADED, TEST_QUERIES, frame
from tests.makers import graded_table

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


def graded(n_right: int, verdict: str = "incorrect") -> pl.DataFrame:
    rows = [(f"q{i}", f"a{k}", "", "correct" if i < n_right else verdict) for i in range(N) for k in range(2)]
    kinds = {"test_set": pl.lit("t"), "decoding": pl.lit("sample", TEST_GRADED.schema["decoding"])}
    return graded_table(rows).with_columns(**kinds).select(TEST_GRADED.schema.keys())


@pytest.mark.parametrize(
    ("ours", "verdict"), [(45, "better"), (15, "worse"), (30, "not told apart"), (31, "not told apart")]
)
def test_compare_verdict_follows_the_interval(ours: int, verdict: str) -> None:
    (row,) = compare(graded(ours), graded(30), TESTS, "base")
    assert row["verdict"] == verdict
    assert row["difference"] == pytest.approx((ours - 30) / N)
    assert row["low"] <= row["difference"] <= row["high"]


def test_compare_ungraded_rollouts_do_not_count_as_wrong() -> None:
    (row,) = compare(graded(30, "ungraded"), graded(30), TESTS, "base")
    assert row["n_queries"] == 30
    assert row["difference"] == 0


def test_gate_small_drop_passes_and_large_drop_is_refused() -> None:
    require_no_drop(graded(29), {"base": graded(30)}, TESTS, 0.02, "r1")
    with pytest.raises(GateError, match=r"fell by 0.067 against base, more than gate.max_drop 0.02"):
        require_no_drop(graded(26), {"base": graded(30)}, TESTS, 0.02, "r1")
