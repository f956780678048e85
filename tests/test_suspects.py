"""References that the rollouts agree against: a posterior decides, not a bare majority."""

from __future__ import annotations

import mpmath
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dast.params.augment import Suspect
from dast.suspects import majority_probability, suspects_table
from tests.makers import graded_table, queries_table

SETTINGS = Suspect(min_agree=4, min_probability=0.95)


def rollouts(predicted: list[str | None], verdicts: list[str] | None = None) -> pl.DataFrame:
    """Rollouts of q000, all of them wrong unless said otherwise."""
    said = verdicts or ["incorrect"] * len(predicted)
    rows = graded_table([("q000", f"r{index}", "?", verdict) for index, verdict in enumerate(said)])
    return rows.with_columns(predicted=pl.Series(predicted, dtype=pl.String))


@given(st.integers(0, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_majority_probability_equals_the_beta_posterior(case: tuple[int, int]) -> None:
    agree, n = case
    below = float(mpmath.betainc(agree + 1, n - agree + 1, 0, 0.5, regularized=True))
    assert majority_probability(agree, n) == pytest.approx(1 - below, abs=1e-12)


def test_majority_probability_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="5 of 4"):
        majority_probability(5, 4)


def test_suspects_spellings_of_one_answer_agree() -> None:
    found = suspects_table(queries_table(1), rollouts(["1/2", "0.5", "0.5", r"\frac{2}{4}"]), SETTINGS)
    assert found.select("query_id", "predicted", "n_agree", "n_correct", "n_graded").rows() == [
        ("q000", "0.5", 4, 0, 4)
    ]
    assert found["probability"].item() == pytest.approx(31 / 32)


def test_suspects_bare_majority_is_not_enough() -> None:
    assert suspects_table(queries_table(1), rollouts(["5"] * 5 + ["1", "2", "3", "6"]), SETTINGS).is_empty()


def test_suspects_a_few_right_rollouts_do_not_hide_one() -> None:
    said = rollouts(["5"] * 15 + ["4"] * 2, ["incorrect"] * 15 + ["correct"] * 2)
    assert suspects_table(queries_table(1), said, SETTINGS)["n_correct"].to_list() == [2]


def test_suspects_ungraded_and_hinted_rollouts_do_not_count() -> None:
    said = rollouts(["5"] * 8, ["incorrect"] * 3 + ["ungraded"] * 5)
    assert suspects_table(queries_table(1), said, SETTINGS).is_empty()
    hinted = rollouts(["5"] * 8).with_columns(step=pl.lit("hinted", said.schema["step"]))
    assert suspects_table(queries_table(1), hinted, SETTINGS).is_empty()


def test_suspects_row_order_changes_nothing() -> None:
    said = rollouts(["5", "5", "5.0", "5.0", "5", "5.0"])
    assert suspects_table(queries_table(1), said, SETTINGS).equals(
        suspects_table(queries_table(1), said.reverse(), SETTINGS)
    )


def test_suspects_number_too_long_to_write_is_counted_all_the_same() -> None:
    long, again = r"\frac{1}{3^{10000}}", r"\frac{2}{2\cdot 3^{10000}}"
    table = suspects_table(queries_table(1), rollouts([long, again] * 3), SETTINGS)
    assert table["n_agree"].to_list() == [6]
