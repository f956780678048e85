"""The rows of a set as they are trained on: which columns, how often each, and the digest that names them.

Guarantees: the order is the table's; equal rows in equal order have one digest. Nothing heavy is imported. Grain: one
row of the set, an SFT row as often as rollouts gave its text, up to `repeat`.
"""

from __future__ import annotations

import hashlib
import json

import polars as pl

from dast.errors import DataError
from dast.params.section import PerLevelCount
from dast.params.train import LevelWeights, Train
from dast.tables import LEVELS
from dast.training.trained import Method


def trained_rows(rows: pl.DataFrame, method: Method, settings: Train) -> pl.DataFrame:
    """The training columns in TRL's names.

    Raises:
        DataError: the set is empty.
    """
    if rows.is_empty():
        raise DataError(f"the {method} set is empty: no response was kept; look at build's counts of what was left out")
    if method == "dpo":
        return rows.select("prompt", "chosen", "rejected")
    kept = repeated(rows, settings.repeat, settings.level_weights, settings.seed)
    if kept.is_empty():
        raise DataError("the sft set is empty: train.level_weights leaves no row of it; raise a weight")
    return kept


def repeated(rows: pl.DataFrame, repeat: PerLevelCount, weights: LevelWeights | None, seed: int) -> pl.DataFrame:
    """Prompt and completion of SFT rows, each as often as its text was given, up to its level's `repeat`.

    With weights, each that many times as often: three times at a weight of 0.5 is once, and twice for half of the
    rows, which a digest of ids and seed chooses.
    """
    most = pl.lit(1)
    for level in LEVELS:
        most = pl.when(pl.col("level") == level).then(repeat.at(level)).otherwise(most)
    times = pl.min_horizontal(pl.col("n_alike"), most)
    if weights is not None:
        weight = pl.lit(1.0)
        for level in LEVELS:
            weight = pl.when(pl.col("level") == level).then(weights.at(level)).otherwise(weight)
        times = (times * weight + _lots(rows, seed)).floor().cast(pl.Int64)
    return (
        rows.select(pl.col("prompt", "completion").repeat_by(times))
        .filter(pl.col("prompt").list.len() > 0)
        .explode("prompt", "completion")
    )


def _lots(rows: pl.DataFrame, seed: int) -> pl.Series:
    names = ("\n".join((str(seed), *ids)) for ids in rows.select("query_id", "rollout_id").iter_rows())
    return pl.Series([int.from_bytes(hashlib.sha256(name.encode()).digest()[:6]) / 2**48 for name in names])


def rows_digest(rows: pl.DataFrame) -> str:
    """64 hex digits of the rows in their order, and of the columns' names."""
    digest = hashlib.sha256(json.dumps(rows.columns).encode())
    for row in rows.iter_rows():
        digest.update(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()
