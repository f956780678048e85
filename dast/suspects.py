"""Reference answers that may be wrong: the policy's responses agree with each other, and against the reference.

A majority among few rollouts may be chance, so a posterior decides: with a uniform prior on the share of responses that
give the other answer, the probability that this share is above one half. A policy can also be wrong with one voice (a
shared slip), so a suspect is listed for a person to look at, and never changed. Grain: one query.
"""

from __future__ import annotations

import math
from fractions import Fraction

import polars as pl

from dast.equivalence.normal import normal_form
from dast.params.augment import Suspect
from dast.tables import SUSPECTS


def suspects_table(queries: pl.DataFrame, rollouts: pl.DataFrame, settings: Suspect) -> pl.DataFrame:
    """Queries whose commonest other answer is probably the majority's (SUSPECTS).

    Args:
        queries: train queries (QUERIES).
        rollouts: graded rollouts of one policy (GRADED); hinted ones, which were shown the reference, do not count.
        settings: how many rollouts must agree, and how sure the majority must be.
    """
    counted = rollouts.filter((pl.col("verdict") != "ungraded") & (pl.col("step") != "hinted"))
    totals = counted.group_by("query_id").agg(
        n_graded=pl.len().cast(pl.Int32), n_correct=(pl.col("verdict") == "correct").sum().cast(pl.Int32)
    )
    rows = queries.join(totals, on="query_id").join(_commonest_other(counted), on="query_id")
    agreed = rows.filter(pl.col("n_agree") >= settings.min_agree)
    probabilities = [majority_probability(*counts) for counts in agreed.select("n_agree", "n_graded").iter_rows()]
    found = agreed.with_columns(probability=pl.Series(probabilities, dtype=pl.Float64))
    return found.filter(pl.col("probability") >= settings.min_probability).select(SUSPECTS.schema.keys())


def majority_probability(n_agree: int, n: int) -> float:
    """Probability that a share is above one half, after `n_agree` of `n` and under a uniform prior.

    Returns:
        P(Beta(n_agree + 1, n - n_agree + 1) > 1/2), which is P(Binomial(n + 1, 1/2) <= n_agree): exact in integers.

    Raises:
        ValueError: not 0 <= n_agree <= n.
    """
    if not 0 <= n_agree <= n:
        raise ValueError(f"{n_agree} of {n} rollouts cannot agree")
    ways = sum(math.comb(n + 1, count) for count in range(n_agree + 1))
    return float(Fraction(ways, 2 ** (n + 1)))


def _commonest_other(counted: pl.DataFrame) -> pl.DataFrame:
    """Each query's commonest wrong answer, told apart by normal form and shown in its commonest spelling."""
    wrong = counted.filter((pl.col("verdict") == "incorrect") & pl.col("predicted").is_not_null())
    spelled = wrong.group_by("query_id", "predicted").agg(n=pl.len().cast(pl.Int32))
    forms = pl.Series("form", [normal_form(text) for text in spelled.get_column("predicted")], dtype=pl.String)
    return (
        spelled.with_columns(forms)
        .sort(["query_id", "form", "n", "predicted"], descending=[False, False, True, False])
        .group_by("query_id", "form", maintain_order=True)
        .agg(pl.col("predicted").first(), n_agree=pl.col("n").sum())
        .sort(["query_id", "n_agree", "form"], descending=[False, True, False])
        .unique("query_id", keep="first", maintain_order=True)
        .drop("form")
    )
