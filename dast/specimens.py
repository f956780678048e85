"""Rollouts of each level and verdict, chosen for a person to read.

Guarantees: which are chosen follows from the rollouts' ids, not from the order of the rows; steps take turns within a
level and verdict, so that a rare step is seen too; what is left out of a long text is said in its place; what there is
is counted, not only what is shown. Grain: one rollout.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from dast.params.sections import Observe

_KIND = ("level", "verdict")
_SHOWN = (
    *("query_id", "level", "verdict", "reason", "step", "n_correct", "n_graded"),
    *("query", "answer", "response", "predicted", "n_tokens", "finish_reason"),
)


def specimens(graded: pl.DataFrame, difficulty: pl.DataFrame, queries: pl.DataFrame, wish: Observe) -> dict[str, Any]:
    """`counts` of all rollouts by level and verdict, and the `rollouts` that are shown, a mapping each.

    Args:
        graded: Rows of GRADED, of any step.
        difficulty: The round's own DIFFICULTY; a query without a level has null.
        queries: QUERIES.
        wish: How many, and how long.
    """
    placed = graded.join(difficulty.select("query_id", "level", "n_correct", "n_graded"), on="query_id")
    counts = placed.group_by(_KIND).len("n_rollouts").sort(_KIND)
    texts = queries.select("query_id", "query", "answer")
    chosen = _chosen(placed, wish.n_rollouts).join(texts, on="query_id", maintain_order="left").select(_SHOWN)
    rows = [
        {**row, **{name: cut(row[name], wish.max_chars) for name in ("query", "response")}} for row in chosen.to_dicts()
    ]
    return {"counts": counts.to_dicts(), "rollouts": rows}


def cut(text: str, most: int) -> str:
    """A text of more than `most` characters without its middle, and how much that was."""
    if len(text) <= most:
        return text
    head, tail = text[: (most + 1) // 2], text[len(text) - most // 2 :]
    return f"{head} […{len(text) - most:,} characters…] {tail}"


def _chosen(placed: pl.DataFrame, most: int) -> pl.DataFrame:
    order = ["rollout_id", "query_id"]
    # Keys alone are sorted: responses of millions of rollouts would be moved for a handful.
    keys = placed.select(*order, *_KIND, "step").sort(order)
    turns = keys.with_columns(turn=pl.int_range(pl.len()).over(*_KIND, "step")).sort("turn", "step", *order)
    first = turns.group_by(_KIND, maintain_order=True).head(most).sort(*_KIND, "turn", "step", *order)
    return first.select(order).join(placed, on=order, maintain_order="left")
