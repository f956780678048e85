"""The rows of a set as they are trained on: which columns, how often each, and the digest that names them.

Guarantees: the order is the table's; equal rows in equal order have one digest; a raw row's prompt is the text that
engines send for it, and the beginning of the row. Nothing heavy is imported. Grain: one row of the set, an SFT row as
often as rollouts gave its text, up to `repeat`.
"""

from __future__ import annotations

import hashlib
import json

import polars as pl

from dast.engines.protocol import RAW
from dast.errors import DataError
from dast.params.section import PerLevelCount
from dast.params.train import LevelWeights, Train
from dast.tables import LEVELS
from dast.training.trained import Method

WEIGHT = "weight"
"""Column of SFT rows whose losses are weighed."""

SIDES: dict[Method, tuple[str, ...]] = {"sft": ("completion",), "dpo": ("chosen", "rejected")}
"""Columns that hold responses."""


def without_template(rows: pl.DataFrame) -> pl.DataFrame:
    """A set (SFT, DPO) whose prompts are to be trained on as text, without the chat template."""
    raw = pl.struct(role=pl.lit(RAW), content=pl.element().struct.field("content"))
    return rows.with_columns(pl.col("prompt").list.eval(raw))


def is_raw(rows: pl.DataFrame) -> bool:
    """Whether the prompts of a set are text; one style prompts a whole set."""
    return rows.height > 0 and rows["prompt"][0][0]["role"] == RAW


def as_text(rows: pl.DataFrame, method: Method) -> pl.DataFrame:
    """Prompt and responses of a raw set as text; prompt and response together are the row.

    A response that does not begin with white space gets the space that stands before an exemplar's.
    """
    said = {name: pl.col(name).list.last().struct.field("content") for name in ("prompt", *SIDES[method])}
    spaced = {
        name: pl.when(said[name].str.contains(r"^\s")).then(said[name]).otherwise(pl.lit(" ") + said[name])
        for name in SIDES[method]
    }
    return rows.with_columns(prompt=said["prompt"], **spaced)


def trained_rows(rows: pl.DataFrame, method: Method, settings: Train) -> pl.DataFrame:
    """The training columns in TRL's names: conversations, or texts where the prompts are raw.

    Raises:
        DataError: the set is empty.
    """
    if rows.is_empty():
        raise DataError(f"the {method} set is empty: no response was kept; look at build's counts of what was left out")
    if is_raw(rows):
        rows = as_text(rows, method)
    if method == "dpo":
        return rows.select("prompt", *SIDES["dpo"])
    weights = settings.level_weights
    if weights is None or settings.weigh_by == "rows":
        kept = repeated(rows, settings.repeat, weights, settings.seed)
    else:
        kept = weighed(rows, settings.repeat, weights)
    if kept.is_empty():
        raise DataError("the sft set is empty: train.level_weights leaves no row of it; raise a weight")
    return kept


def repeated(rows: pl.DataFrame, repeat: PerLevelCount, weights: LevelWeights | None, seed: int) -> pl.DataFrame:
    """Prompt and completion of SFT rows, each as often as its text was given, up to its level's `repeat`.

    With weights, each that many times as often: three times at a weight of 0.5 is once, and twice for half of the
    rows, which a digest of ids and seed chooses.
    """
    times = _times(repeat)
    if weights is not None:
        times = (times * _by_level(weights) + _lots(rows, seed)).floor().cast(pl.Int64)
    return _as_often(rows, times, "prompt", "completion")


def weighed(rows: pl.DataFrame, repeat: PerLevelCount, weights: LevelWeights) -> pl.DataFrame:
    """`repeated` without weights, with `weight`: what a row's loss is multiplied by, 1 on the mean."""
    kept = _as_often(
        rows.with_columns(_by_level(weights).alias(WEIGHT)), _times(repeat), "prompt", "completion", WEIGHT
    )
    return kept.filter(pl.col(WEIGHT) > 0).with_columns(pl.col(WEIGHT) / pl.col(WEIGHT).mean())


def _times(repeat: PerLevelCount) -> pl.Expr:
    return pl.min_horizontal(pl.col("n_alike"), _by_level(repeat))


def _by_level(values: PerLevelCount | LevelWeights) -> pl.Expr:
    """The value of a row's level; 1 without one."""
    found = pl.lit(1) if isinstance(values, PerLevelCount) else pl.lit(1.0)
    for level in LEVELS:
        found = pl.when(pl.col("level") == level).then(values.at(level)).otherwise(found)
    return found


def _as_often(rows: pl.DataFrame, times: pl.Expr, *columns: str) -> pl.DataFrame:
    return (
        rows.select(pl.col(columns).repeat_by(times)).filter(pl.col(columns[0]).list.len() > 0).explode(list(columns))
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
