"""pass@k and maj@k of a query from one stored set of n rollouts, and their mean over queries with its standard error.

pass@k is the probability that at least one of k rollouts drawn from the n without replacement is correct, maj@k that
the answer which most of them give is. Both are unbiased for k fresh rollouts, undefined for n < k, computed in
integers, so that no digit is lost, and independent of the order of rollouts.

How votes are counted: all correct answers are one class; incorrect ones are classed by normal form; a rollout without
an answer is drawn but gives no vote; answers tied for most votes share the win equally; nobody wins without a vote.
Grain: one query.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import polars as pl

from dast.equivalence.normal import normal_form


class Tally(NamedTuple):
    """What a query's graded rollouts answered."""

    n_graded: int
    n_correct: int
    votes_wrong: tuple[int, ...]
    """Rollouts that gave each incorrect answer, in falling order. The rest of `n_graded` gave no answer."""


def pass_at_k(n: int, c: int, k: int) -> float | None:
    """Probability that one of k rollouts is correct, estimated without bias from c correct of n (Chen et al. 2021).

    Returns:
        1 - C(n-c, k) / C(n, k); None for n < k, where no unbiased estimate exists.

    Raises:
        ValueError: not 0 <= c <= n, or k < 1.
    """
    if not 0 <= c <= n or k < 1:
        raise ValueError(f"pass@{k} of {c} correct among {n} rollouts is not defined")
    if n < k:
        return None
    # Integers, so that neither a large n nor a small difference loses digits.
    return 1.0 if n - c < k else 1.0 - math.comb(n - c, k) / math.comb(n, k)


def maj_at_k(tally: Tally, k: int) -> float | None:
    """Probability that the correct answer has most votes among k rollouts drawn without replacement; None for n < k.

    Raises:
        ValueError: more rollouts in the classes than graded, or k < 1.
    """
    return maj_at_ks(tally, (k,))[0]


@lru_cache(maxsize=65_536)
def maj_at_ks(tally: Tally, ks: tuple[int, ...]) -> tuple[float | None, ...]:
    """`maj_at_k` of several k at once, which costs little more than of the largest."""
    n, c, wrong = tally
    n_silent = n - c - sum(wrong)
    if n_silent < 0 or c < 0 or min(ks) < 1:
        raise ValueError(f"maj@{ks} of {tally} is not defined")
    defined = [k for k in ks if k <= n]
    draws = {k: [0] * (len(wrong) + 1) for k in defined}  # by the number of wrong answers that tie
    for won in range(1, min(c, max(defined, default=0)) + 1):
        for n_tied, ways in enumerate(_ways_to_lose(wrong, won)):
            for k in defined:
                lost = range(max(0, k - won - n_silent), min(k - won, len(ways) - 1) + 1)
                others = sum(ways[votes] * math.comb(n_silent, k - won - votes) for votes in lost)
                draws[k][n_tied] += math.comb(c, won) * others
    shares = {k: sum(Fraction(count, 1 + n_tied) for n_tied, count in enumerate(found)) for k, found in draws.items()}
    return tuple(float(shares[k] / math.comb(n, k)) if k <= n else None for k in ks)


def powers_up_to(n_rollouts: int) -> list[int]:
    """1, 2, 4, … up to `n_rollouts`; empty for 0."""
    return [2**power for power in range(n_rollouts.bit_length())]


def tallies(graded: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """`by`, n_graded, n_correct and votes_wrong (as in `Tally`) of each query; ungraded rollouts are left out.

    Args:
        graded: Rows with `by`, verdict and predicted.
        by: Columns that name a query.
    """
    counted = graded.filter(pl.col("verdict") != "ungraded")
    keys = {text: normal_form(text) for text in counted["predicted"].drop_nulls().unique()}
    wrong = counted.filter((pl.col("verdict") == "incorrect") & pl.col("predicted").is_not_null())
    votes = (
        wrong.with_columns(key=pl.col("predicted").replace_strict(keys, return_dtype=pl.String))
        .group_by(*by, "key")
        .agg(votes=pl.len().cast(pl.Int32))
        .group_by(*by)
        .agg(votes_wrong=pl.col("votes").sort(descending=True))
    )
    totals = counted.group_by(*by).agg(
        n_graded=pl.len().cast(pl.Int32), n_correct=(pl.col("verdict") == "correct").sum().cast(pl.Int32)
    )
    empty = pl.col("votes_wrong").fill_null(pl.lit([], pl.List(pl.Int32)))
    return totals.join(votes, on=list(by), how="left").with_columns(empty).sort(*by)


def listed(tallied: pl.DataFrame) -> list[Tally]:
    """Rows of `tallies`, one `Tally` each, in their order."""
    rows = tallied.select("n_graded", "n_correct", "votes_wrong").iter_rows()
    return [Tally(n_graded, n_correct, tuple(votes)) for n_graded, n_correct, votes in rows]


def estimates(tallied: Sequence[Tally], ks: Sequence[int]) -> dict[str, dict[str, Any]]:
    """What `mean_row` gives of each measure of `values_at`."""
    return {measure: mean_row(values) for measure, values in values_at(tallied, ks).items()}


def values_at(tallied: Sequence[Tally], ks: Sequence[int]) -> dict[str, list[float | None]]:
    """`pass@k` of each k, then `maj@k` of each k > 1 (maj@1 is pass@1): one value a query, None where undefined."""
    found = {f"pass@{k}": [pass_at_k(one.n_graded, one.n_correct, k) for one in tallied] for k in ks}
    larger = tuple(k for k in ks if k > 1)
    voted = [maj_at_ks(one, larger) for one in tallied] if larger else []
    return found | {f"maj@{k}": [values[index] for values in voted] for index, k in enumerate(larger)}


def mean_row(values: Iterable[float | None]) -> dict[str, Any]:
    """Mean over the queries that have a value (estimate), its standard error (se), and their number (n_queries)."""
    known = [value for value in values if value is not None]
    mean, error = mean_and_error(known)
    return {"n_queries": len(known), "estimate": mean, "se": error}


def mean_and_error(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Mean over queries and its standard error (sample deviation / root of n); None for what n is too small for."""
    n = len(values)
    if n == 0:
        return None, None
    mean = math.fsum(values) / n
    if n == 1:
        return mean, None
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)


def _ways_to_lose(wrong: Sequence[int], won: int) -> list[list[int]]:
    """Ways to draw votes for wrong answers, none with more than `won`: [answers that have `won`][votes drawn in all].

    Σ ways x^votes is a product of one small polynomial an answer. Each is kept as one integer, its coefficients in
    fields that none can overflow, so that a product is one multiplication.
    """
    total = sum(wrong)
    width = total + 1  # no coefficient is above 2^total, the number of subsets
    tied = [1]
    for size in wrong:
        below = sum(math.comb(size, votes) << (votes * width) for votes in range(min(size, won - 1) + 1))
        grown = [ways * below for ways in tied]
        if size >= won:
            equal = math.comb(size, won) << (won * width)
            tying = [0, *(ways * equal for ways in tied)]
            grown = [plain + more for plain, more in zip([*grown, 0], tying, strict=True)]
        tied = grown
    mask = (1 << width) - 1
    return [[(ways >> (votes * width)) & mask for votes in range(total + 1)] for ways in tied]
