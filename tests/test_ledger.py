"""The ledger adds up, whatever is unknown of a query or a rollout."""

from __future__ import annotations

import polars as pl

from dast.ledger import ledger
from tests.makers import difficulty_table, graded_table


def test_ledger_sums_tokens_and_seconds_by_level_in_order() -> None:
    rollouts = graded_table(
        [("a", "1", "", "correct"), ("a", "2", "", "correct"), ("b", "3", "", "correct"), ("c", "4", "", "correct")]
    )
    seconds = pl.DataFrame(
        {"query_id": ["a", "a", "b", "c"], "rollout_id": list("1234"), "seconds": [1.0, 2.0, 4.0, 8.0]}
    )
    found = ledger(rollouts, seconds, difficulty_table({"a": "hard", "b": "easy", "c": None}))
    assert list(found) == ["easy", "hard", "unknown"]
    assert found["hard"] == {"n_rollouts": 2, "n_prompt_tokens": 6, "n_tokens": 10, "seconds": 3.0}
    assert sum(part["seconds"] for part in found.values()) == 15.0


def test_ledger_of_no_rollouts_is_empty() -> None:
    none = graded_table([])
    assert (
        ledger(none, none.select("query_id", "rollout_id", seconds=pl.lit(0.0)), difficulty_table({"a": "hard"})) == {}
    )
