"""A round's rows without any text of the sources: what may be shared where the texts may not.

Ids, digests of answers, and the policy's own responses remain. Left out, and counted by reason: reference solutions,
and responses that hold a source's text (they began with a part of the reference solution, or say the whole query).
Whoever has the source finds a row's query by its id (`dast.queries.query_id`). Grain: one row that remains.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import polars as pl

from dast.packaging.configs import IDS_ONLY
from dast.queries import normalise

REASONS = {
    "reference": "reference solutions",
    "hinted": "responses that began with a part of the reference solution",
    "says_query": "responses that say the whole query",
    "other_round": "rows of earlier rounds, whose rollouts are not at hand to be looked through",
}
"""Why a row is left out, in words for the card."""

_IDS = {"sft": ("rollout_id",), "dpo": ("chosen_id", "rejected_id"), "rollouts": ("rollout_id",)}
REFERENCE = "reference"


def answer_digest(query_id: str, answer: str) -> str:
    """16 hex digits of an answer, another for each query, so that equal answers do not show."""
    return hashlib.sha256(f"{query_id}\n{answer}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def without_texts(rows: Mapping[str, pl.DataFrame]) -> tuple[dict[str, pl.DataFrame], dict[str, dict[str, int]]]:
    """Rows of `IDS_ONLY` from those of the full configs, and how many each config left out by reason."""
    reasons = _reasons(rows["rollouts"], rows["queries"])
    kept, left_out = {}, {}
    for config, table in IDS_ONLY.items():
        part = _digested(rows[config])
        if config in _IDS:
            told = _told(part, _IDS[config], reasons)
            left_out[config] = _counted(told)
            part = part.filter(told.is_null())
        kept[config] = part.select(table.schema.keys())
    return kept, left_out


def _reasons(rollouts: pl.DataFrame, queries: pl.DataFrame) -> pl.DataFrame:
    """Why each rollout may not be shared; null for one that may."""
    texts = queries.select("query_id", said=pl.Series([normalise(text) for text in queries["query"]], dtype=pl.String))
    hinted = (pl.col("n_hint_tokens") > 0) | (pl.col("step") == "hinted")
    # A response is one of several for its query, so the pattern differs by row and is no regular expression.
    flat = pl.col("response").str.replace_all(r"\s+", " ")
    reason = pl.when(hinted).then(pl.lit("hinted")).when(flat.str.contains(pl.col("said"), literal=True))
    return rollouts.join(texts, on="query_id", how="left").select(
        "query_id", "rollout_id", known=pl.lit(True), reason=reason.then(pl.lit("says_query"))
    )


def _told(rows: pl.DataFrame, ids: Iterable[str], reasons: pl.DataFrame) -> pl.Series:
    """Why each row is left out, by the first of its rollouts that has a reason; null for one that stays."""
    told = pl.Series("reason", [None] * rows.height, dtype=pl.String)
    for name in ids:
        found = rows.select("query_id", pl.col(name).alias("rollout_id")).join(
            reasons, on=["query_id", "rollout_id"], how="left", maintain_order="left"
        )
        why = found.select(
            reason=pl.when(pl.col("rollout_id") == REFERENCE)
            .then(pl.lit(REFERENCE))
            .when(pl.col("known").is_null())
            .then(pl.lit("other_round"))
            .otherwise(pl.col("reason"))
        )
        told = told.fill_null(why["reason"])
    return told


def _counted(told: pl.Series) -> dict[str, int]:
    return {reason: int((told == reason).sum()) for reason in REASONS if (told == reason).any()}


def _digested(rows: pl.DataFrame) -> pl.DataFrame:
    if "answer" not in rows.columns:
        return rows
    pairs = zip(rows["query_id"], rows["answer"], strict=True)
    digests = [answer_digest(query_id, answer) for query_id, answer in pairs]
    return rows.with_columns(answer_digest=pl.Series(digests, dtype=pl.String))
