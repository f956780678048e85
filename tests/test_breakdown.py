"""Figures by level, by pass rate, and by level and verdict."""

from __future__ import annotations

from dast.difficulty.breakdown import LENGTH_COLUMNS, length_rows, level_rows, pass_rate_rows
from dast.difficulty.levels import estimate
from dast.frames import frame
from dast.tables import GRADED
from tests.makers import default_settings, graded_of, graded_row

SETTINGS = default_settings().difficulty


def test_level_rows_are_four_and_unknown_tokens_stay_unknown() -> None:
    graded = graded_of({"q1": "CC", "q2": "aa"})
    rows = level_rows(graded, estimate(graded, ["q1", "q2", "q3"], SETTINGS))
    assert [(row["level"], row["n_queries"], row["n_rollouts"], row["n_correct"]) for row in rows] == [
        ("easy", 1, 2, 2),
        ("medium", 0, 0, 0),
        ("hard", 0, 0, 0),
        ("unsolved", 1, 2, 0),
    ]
    assert rows[0]["mean_chars"] == 4.0
    assert rows[0]["mean_tokens"] is None
    assert rows[1]["mean_chars"] is None


def test_level_rows_count_the_decided() -> None:
    graded = graded_of({"q1": "C" * 30, "q2": "Ca", "q3": "U"})
    difficulty = estimate(graded, ["q1", "q2", "q3"], SETTINGS)
    assert difficulty["decided"].to_list() == [True, False, None]
    assert [row["n_decided"] for row in level_rows(graded, difficulty)] == [1, 0, 0, 0]


def test_pass_rate_rows_count_the_observed_values() -> None:
    difficulty = estimate(
        graded_of({"q1": "CC", "q2": "aa", "q3": "aa", "q4": "U"}), ["q1", "q2", "q3", "q4"], SETTINGS
    )
    assert pass_rate_rows(difficulty) == [{"pass_rate": 0.0, "n_queries": 2}, {"pass_rate": 1.0, "n_queries": 1}]


def test_length_rows_add_up_and_say_what_is_known() -> None:
    said = [("correct", "x" * 10, 5), ("correct", "x" * 20, None), ("correct", "x" * 60, 7), ("incorrect", "x", 1)]
    rows = [
        graded_row("q1", index, verdict, response=text, n_tokens=tokens)
        for index, (verdict, text, tokens) in enumerate(said)
    ]
    later = graded_row("q1", 9, "correct", step="more", response="x" * 999)
    graded = frame(GRADED, [*rows, later, graded_row("q2", 0, "ungraded", response="")])
    found = length_rows(graded, estimate(graded, ["q1", "q2"], SETTINGS))
    assert [(row["level"], row["verdict"], row["n_rollouts"]) for row in found] == [
        ("easy", "correct", 3),
        ("easy", "incorrect", 1),
        ("none", "ungraded", 1),
    ]
    assert all(tuple(row) == LENGTH_COLUMNS for row in found)
    assert [found[0][name] for name in LENGTH_COLUMNS[3:]] == [30.0, 20.0, 52.0, 2, 6.0, 6.0, 6.8]
    assert found[2]["mean_tokens"] is None


def test_length_rows_do_not_depend_on_the_order() -> None:
    graded = graded_of({"q1": "CaN", "q2": "ab"})
    difficulty = estimate(graded, ["q1", "q2"], SETTINGS)
    assert length_rows(graded, difficulty) == length_rows(graded.reverse(), difficulty)
    assert length_rows(frame(GRADED, []), difficulty) == []
