"""Figures of a table of graded rollouts, as they stand in the small files.

Guarantees: counts add up to the number of rows; a rate over nothing is None; pass@k and maj@k are of plain rollouts
alone. Grain: one object a table.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

from dast.difficulty.estimators import estimates, listed, powers_up_to, tallies
from dast.difficulty.prior import prior_of
from dast.difficulty.source_levels import agreement
from dast.params.sections import Difficulty
from dast.tables import LEVELS, VERDICTS


def scores(graded: pl.DataFrame, difficulty: pl.DataFrame, pool: pl.DataFrame) -> dict[str, Any]:
    """Verdicts, pass rates, levels, and, where the pool (table POOL) holds publishers' labels, agreement with them."""
    levels = Counter(difficulty["level"].to_list())
    return {
        **verdict_counts(graded),
        "ungraded_reasons": reasons(graded, "ungraded"),
        "no_answer_reasons": reasons(graded, "no_answer"),
        "n_queries": difficulty.height,
        "mean_pass_rate": difficulty["pass_rate"].mean(),
        "levels": {level: levels.get(level, 0) for level in LEVELS} | {"none": levels.get(None, 0)},
        **label_agreement(graded, pool),
    }


def difficulty_scores(
    graded: pl.DataFrame, difficulty: pl.DataFrame, queries: pl.DataFrame, settings: Difficulty
) -> dict[str, Any]:
    """The prior that was used, queries undecided, pass@k and maj@k for k = 1, 2, 4, … up to K, and source levels.

    K is the largest number of graded plain rollouts of a query; `undecided_rate` is a share of queries with a level.
    """
    tallied = listed(tallies(graded.filter(pl.col("step") == "sample"), ["query_id"]))
    n_levelled, n_decided = difficulty["decided"].count(), int(difficulty["decided"].sum())
    return {
        "prior": {"kind": settings.prior.kind, **prior_of(difficulty, settings.prior)._asdict()},
        "n_undecided": n_levelled - n_decided,
        "undecided_rate": (n_levelled - n_decided) / n_levelled if n_levelled else None,
        "estimates": estimates(tallied, powers_up_to(max((one.n_graded for one in tallied), default=0))),
        "source_levels": agreement(queries, difficulty),
    }


def verdict_counts(graded: pl.DataFrame) -> dict[str, int]:
    """`n_rollouts` and `n_<verdict>` for each verdict."""
    found = Counter(graded["verdict"].to_list())
    return {"n_rollouts": graded.height} | {f"n_{verdict}": found.get(verdict, 0) for verdict in VERDICTS}


def reasons(graded: pl.DataFrame, verdict: str) -> dict[str, int]:
    """How often each reason stands beside a verdict."""
    found = graded.filter(pl.col("verdict") == verdict)["reason"].fill_null("none")
    return dict(sorted(Counter(found.to_list()).items()))


def label_agreement(graded: pl.DataFrame, pool: pl.DataFrame) -> dict[str, Any]:
    """Our verdicts against the publisher's labels; nothing when the pool has none.

    Rollout and pool row are the same response: same query, and `sample_index` equal to `pool_index`. A verdict other
    than correct counts as a wrong response, an ungraded one is left out and counted.
    """
    labels = pool.drop_nulls("label").select("query_id", pl.col("pool_index").alias("sample_index"), "label")
    if labels.is_empty():
        return {}
    recorded = graded.filter(pl.col("finish_reason") == "recorded").join(labels, on=["query_id", "sample_index"])
    compared = recorded.filter(pl.col("verdict") != "ungraded")
    ours, theirs = compared["verdict"] == "correct", compared["label"]
    n_agree = int((ours == theirs).sum())
    return {
        "n_labelled": recorded.height,
        "n_labelled_ungraded": recorded.height - compared.height,
        "n_agree": n_agree,
        "n_ours_correct_theirs_wrong": int((ours & ~theirs).sum()),
        "n_ours_wrong_theirs_correct": int((~ours & theirs).sum()),
        "agreement_rate": n_agree / compared.height if compared.height else None,
    }
