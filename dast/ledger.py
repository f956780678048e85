"""What rollouts cost: tokens and seconds by level.

Guarantees: the cost is that of generating each rollout when it was generated, so it is the same whether a run generated
it or found it in the store. Grain: one entry a level.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from dast.tables import LEVELS

UNKNOWN = "unknown"
"""Level of a query that has none."""

COLUMNS = ("n_rollouts", "n_prompt_tokens", "n_tokens", "seconds")


def ledger(rollouts: pl.DataFrame, seconds: pl.DataFrame, levels: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Rollouts, tokens and seconds of each level that has some.

    Args:
        rollouts: query_id, rollout_id, n_prompt_tokens and n_tokens of each.
        seconds: `Recorder.seconds_table`.
        levels: query_id and level.
    """
    known = levels.select("query_id", pl.col("level").cast(pl.String))
    timed = rollouts.join(seconds, on=["query_id", "rollout_id"], how="left").join(known, on="query_id", how="left")
    parts = timed.group_by(pl.col("level").fill_null(UNKNOWN)).agg(
        n_rollouts=pl.len(),
        n_prompt_tokens=pl.col("n_prompt_tokens").sum(),
        n_tokens=pl.col("n_tokens").sum(),
        seconds=pl.col("seconds").sum(),
    )
    found = {row["level"]: {name: row[name] for name in COLUMNS} for row in parts.iter_rows(named=True)}
    return {level: found[level] for level in (*LEVELS, UNKNOWN) if level in found}
