"""The sources' own levels: their order, their agreement with what is solved, the cross table."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dast.difficulty.levels import estimate
from dast.difficulty.source_levels import SOURCE_LEVEL_COLUMNS, agreement, kendall_tau_b, ranks, source_level_rows
from dast.frames import frame
from dast.tables import QUERIES
from tests.makers import default_settings, graded_of

SETTINGS = default_settings().difficulty

tables = st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=4)


def queries(about: dict[str, tuple[str, str | None]]) -> pl.DataFrame:
    """Queries by id: source and source level."""
    fixed = {"answer": "1", "solution": None, "licence": "MIT"}
    rows = [
        {**fixed, "query_id": query_id, "query": query_id, "source": source, "source_level": level}
        for query_id, (source, level) in about.items()
    ]
    return frame(QUERIES, rows)


def by_pairs(table: list[list[int]]) -> float | None:
    """Tau-b pair by pair."""
    seen = [(i, j) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)]
    pairs = [(a, b) for index, a in enumerate(seen) for b in seen[:index]]
    signs = [(np.sign(a[0] - b[0]), np.sign(a[1] - b[1])) for a, b in pairs]
    apart = [sum(1 for sign in signs if sign[axis]) for axis in (0, 1)]
    return sum(int(x * y) for x, y in signs) / math.sqrt(apart[0] * apart[1]) if all(apart) else None


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["L10", "L2", "L1"], ["L1", "L2", "L10"]),
        (["Level 5", "level 1", "Level ?"], ["level 1", "Level 5"]),
        (["3", "2.5"], ["2.5", "3"]),
        (["Hard", "EASY", "medium", "Very-Hard"], ["EASY", "medium", "Hard", "Very-Hard"]),
        (["Subtraction", "Addition"], []),
        (["L1", "F2"], []),
        ([], []),
    ],
)
def test_ranks_put_names_in_their_natural_order(names: list[str], order: list[str]) -> None:
    found = ranks(names)
    assert sorted(found, key=found.__getitem__) == order


@given(tables)
def test_tau_b_equals_counting_pairs(table: list[list[int]]) -> None:
    wanted = by_pairs(table)
    found = kendall_tau_b(np.array(table, dtype=np.int64))
    assert found == (None if wanted is None else pytest.approx(wanted, abs=1e-12))


def test_agreement_is_one_when_harder_levels_fail_more() -> None:
    asked = queries({"q1": ("m", "Level 1"), "q2": ("m", "Level 2"), "q3": ("m", "Level 10")})
    graded = graded_of({"q1": "CC", "q2": "Ca", "q3": "aa"})
    difficulty = estimate(graded, asked["query_id"], SETTINGS)
    assert agreement(asked, difficulty) == {"m": {"n_queries": 3, "n_compared": 3, "tau_b": 1.0}}
    turned = estimate(graded_of({"q1": "aa", "q2": "Ca", "q3": "CC"}), asked["query_id"], SETTINGS)
    assert agreement(asked, turned)["m"]["tau_b"] == -1.0


def test_agreement_keeps_sources_apart_and_counts_what_cannot_be_compared() -> None:
    asked = queries(
        {
            "q1": ("m", "Level 1"),
            "q2": ("m", "Level 3"),
            "q3": ("m", "Level ?"),
            "q4": ("m", "Level 2"),
            "q5": ("s", "Sums"),
            "q6": ("s", "Products"),
            "q7": ("g", None),
        }
    )
    graded = graded_of({"q1": "C", "q2": "a", "q3": "C", "q4": "U", "q5": "C", "q6": "a", "q7": "C"})
    assert agreement(asked, estimate(graded, asked["query_id"], SETTINGS)) == {
        "m": {"n_queries": 4, "n_compared": 2, "tau_b": 1.0},
        "s": {"n_queries": 2, "n_compared": 0, "tau_b": None},
    }


def test_source_level_rows_cross_both_levels_and_add_up() -> None:
    asked = queries({"q1": ("m", "L2"), "q2": ("m", "L10"), "q3": ("m", "L2"), "q4": ("m", "?"), "q5": ("m", "L2")})
    graded = graded_of({"q1": "CCCC", "q2": "aaaa", "q3": "CCCa", "q4": "CaCa", "q5": "U"})
    rows = source_level_rows(asked, estimate(graded, asked["query_id"], SETTINGS))
    assert [tuple(row[name] for name in SOURCE_LEVEL_COLUMNS) for row in rows] == [
        ("m", "L2", 2.0, "easy", 2, 0.875),
        ("m", "L2", 2.0, "none", 1, None),
        ("m", "L10", 10.0, "unsolved", 1, 0.0),
        ("m", "?", None, "medium", 1, 0.5),
    ]
    assert source_level_rows(queries({"q1": ("m", None)}), estimate(graded, ["q1"], SETTINGS)) == []
