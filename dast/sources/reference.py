"""D_o in training form: the reference solutions of the train queries, as SFT rows.

Guarantees: a row's prompt is the plain prompt of the tuned model; a query without a solution has no row. Grain: one
reference solution.
"""

from __future__ import annotations

import polars as pl

from dast import frames, tables
from dast.params.sections import PromptStyle
from dast.prompts import completion, plain_prompt

REFERENCE_ID = "reference"
"""`rollout_id` of a reference solution, which no model wrote."""


def reference_sft(train: pl.DataFrame, style: PromptStyle) -> pl.DataFrame:
    """The SFT table of the solutions in a QUERIES table. Levels are null: they are estimated later."""
    solved = train.filter(pl.col("solution").is_not_null()).select("query_id", "query", "solution")
    return frames.frame(
        tables.SFT,
        (
            {
                "query_id": query_id,
                "rollout_id": REFERENCE_ID,
                "level": None,
                "round": "base",
                "origin": "reference",
                "n_alike": 1,
                "prompt": plain_prompt(style, query),
                "completion": completion(solution),
            }
            for query_id, query, solution in solved.iter_rows()
        ),
    )
