"""Rows held against the lengths that they may have, in tokens.

Guarantees: a row longer than the parameter or than the model's positions is refused, never cut. Grain: one row of the
set.
"""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
from transformers import PreTrainedTokenizerBase

from dast.errors import DataError
from dast.smallfiles import read_json
from dast.training.sets import SIDES, as_text, is_raw
from dast.training.trained import Method


def longest_row(
    rows: pl.DataFrame, method: Method, tokenizer: PreTrainedTokenizerBase, max_tokens: int, model: Path
) -> int:
    """Tokens of the longest row.

    Args:
        rows: the round's set (SFT or DPO).
        method: which of the two.
        tokenizer: the model's, with its chat template.
        max_tokens: the parameter.
        model: folder of the whole model, whose config names its positions.

    Raises:
        DataError: a row is longer than `max_tokens`, or has no room in the model.
    """
    limit, longest = _positions(model), 0
    for side in SIDES[method]:
        lengths = _lengths(rows, method, side, tokenizer)
        worst = max(range(len(lengths)), key=lengths.__getitem__)
        longest = max(longest, lengths[worst])
        row = f"(query {rows.item(worst, 'query_id')}: {lengths[worst]} tokens)"
        if too_long := sum(length > max_tokens for length in lengths):
            raise DataError(
                f"{method} set: {too_long} rows are longer than train.max_tokens {max_tokens} {row}; raise it, or "
                "sample shorter responses"
            )
        if lengths[worst] >= limit:  # TRL may append one more, the end
            raise DataError(
                f"{method} set: rows are longer than the {limit:.0f} positions of {model} {row}; sample shorter "
                "responses, or start from a model with more positions"
            )
    return longest


def _lengths(rows: pl.DataFrame, method: Method, side: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    if is_raw(rows):
        texts = as_text(rows, method).select(pl.col("prompt") + pl.col(side)).to_series().to_list()
        return [len(ids) + 1 for ids in tokenizer(texts)["input_ids"]]  # and the end
    turns = [[*prompt, *answer] for prompt, answer in rows.select("prompt", side).iter_rows()]
    return [len(ids) for ids in tokenizer.apply_chat_template(turns, tokenize=True, return_dict=True)["input_ids"]]


def _positions(model: Path) -> float:
    return float(read_json(model / "config.json").get("max_position_embeddings") or math.inf)
