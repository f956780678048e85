"""Preference pairs: which right response of a query is held against which wrong one, by rules with a name.

Guarantees: both sides are responses to one query that were graded, not cut off and, unless asked for, not hinted; no
pair stands twice; no query has more than its level's number. Grain: one pair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from dast.equivalence.normal import normal_form
from dast.params.build import Build

Rule = Callable[[pl.DataFrame, pl.DataFrame, pl.DataFrame], pl.DataFrame]
"""From right and wrong candidates and the queries to pairs: `query_id`, `chosen_id`, `rejected_id`, `place` (from 0, in
the query) and `turn` (under `max_pairs` a smaller one comes first, then `place`)."""

_SIDE = ("query_id", "rollout_id", "rank", "draw", "text", "n_alike", "predicted")
_PAIR = ("query_id", "chosen_id", "rejected_id", "place")


def pairable(settings: Build) -> pl.Expr:
    """Whether a candidate may stand in a pair."""
    return pl.col("whole") & (pl.lit(settings.hinted.dpo) | (pl.col("step") != "hinted"))


def paired(right: pl.DataFrame, wrong: pl.DataFrame, queries: pl.DataFrame, settings: Build) -> pl.DataFrame:
    """Pairs of `settings.pair_rule` within the limits.

    Args:
        right: different right responses that may be chosen, with the columns of `_SIDE`.
        wrong: different wrong responses, with the same columns.
        queries: `query_id`, `level`, `pass_rate_mean`, `draw`; without a level there is no pair.
        settings: the rule, the number a query and the number in all.
    """
    limits = pl.DataFrame(
        {"level": list(type(settings.pairs).model_fields), "most": list(settings.pairs.model_dump().values())},
        schema={"level": queries.schema["level"], "most": pl.Int64},
    )
    asked = queries.join(limits.filter(pl.col("most") > 0), on="level")
    both = asked.join(right, on="query_id", how="semi").join(wrong, on="query_id", how="semi")
    sides = [
        _ranked(side.select(_SIDE).join(both.select("query_id", "most"), on="query_id"), "rank")
        for side in (right, wrong)
    ]
    found = RULES[settings.pair_rule](sides[0], sides[1], both)
    found = found.join(both.select("query_id", "level", "draw", "most"), on="query_id").filter(
        pl.col("place") < pl.col("most")
    )
    found = found.sort("turn", "place", "draw", "query_id", "chosen_id", "rejected_id")
    return found if settings.max_pairs is None else found.head(settings.max_pairs)


def parallel(right: pl.DataFrame, wrong: pl.DataFrame, queries: pl.DataFrame) -> pl.DataFrame:
    """Both lists are walked in parallel, the commonest responses first, each from its start again at its end, as in
    Iterative RPO (arXiv 2404.19733)."""
    return _walked(right, wrong).with_columns(turn=pl.lit(0.0))


def random(right: pl.DataFrame, wrong: pl.DataFrame, queries: pl.DataFrame) -> pl.DataFrame:
    """Both lists in the order that the seed draws, walked in parallel."""
    by_draw = [_ranked(side, "draw") for side in (right, wrong)]
    return _walked(by_draw[0], by_draw[1]).with_columns(turn=pl.lit(0.0))


def commonest_wrong(right: pl.DataFrame, wrong: pl.DataFrame, queries: pl.DataFrame) -> pl.DataFrame:
    """Only responses that give the query's commonest wrong answer are rejected: the error made most often."""
    answers = wrong.select("predicted").unique().drop_nulls()
    forms = pl.Series("form", [normal_form(text) for text in answers["predicted"]], dtype=pl.String)
    spelled = wrong.join(answers.with_columns(forms), on="predicted")
    votes = spelled.group_by("query_id", "form").agg(n=pl.col("n_alike").sum())
    votes = votes.sort(["query_id", "n", "form"], descending=[False, True, False])
    most = votes.unique("query_id", keep="first", maintain_order=True)
    return parallel(right, _ranked(spelled.join(most, on=["query_id", "form"], how="semi"), "rank"), queries)


def nearest_length(right: pl.DataFrame, wrong: pl.DataFrame, queries: pl.DataFrame) -> pl.DataFrame:
    """Each right response with the wrong one nearest to it in characters, the nearest of these pairs first, then with
    its second nearest, and so on: training cannot learn length from them."""
    numbers = queries.select("query_id").with_row_index("query")
    sides = [_measured(side, numbers, name) for side, name in ((right, "right"), (wrong, "wrong"))]
    # All pairs of a query, some 600 of them, by numbers alone.
    pairs = sides[0].join(sides[1], on="query")
    away = (pl.col("right_length") - pl.col("wrong_length")).abs()
    pairs = pairs.select("query", "right", "wrong", away=away).sort("right", "away", "wrong")
    pairs = pairs.with_columns(nth=pl.int_range(pl.len(), dtype=pl.UInt32).over("right"))
    pairs = pairs.sort("query", "nth", "away", "right")
    pairs = pairs.with_columns(place=pl.int_range(pl.len(), dtype=pl.Int64).over("query"))
    return pairs.select(
        query_id=right["query_id"].gather(pairs["right"]),
        chosen_id=right["rollout_id"].gather(pairs["right"]),
        rejected_id=wrong["rollout_id"].gather(pairs["wrong"]),
        place="place",
        turn=pl.lit(0.0),
    )


def hardest(right: pl.DataFrame, wrong: pl.DataFrame, queries: pl.DataFrame) -> pl.DataFrame:
    """Walked in parallel; queries with the lowest posterior mean of their pass rate come first under `max_pairs`."""
    rate = queries.select("query_id", turn=pl.col("pass_rate_mean").fill_null(1.0))
    return _walked(right, wrong).join(rate, on="query_id")


RULES: Mapping[str, Rule] = {
    "parallel": parallel,
    "random": random,
    "commonest_wrong": commonest_wrong,
    "nearest_length": nearest_length,
    "hardest": hardest,
}
"""By the name that `build.pair_rule` gives them."""


def _ranked(side: pl.DataFrame, by: str) -> pl.DataFrame:
    """With ranks from 0 in each query, without gaps."""
    ordered = side.sort("query_id", by, "rollout_id")
    return ordered.with_columns(rank=pl.int_range(pl.len(), dtype=pl.Int64).over("query_id"))


def _measured(side: pl.DataFrame, numbers: pl.DataFrame, name: str) -> pl.DataFrame:
    """Number of the query, of the row in the side, and the row's characters."""
    length = pl.col("text").str.len_chars().cast(pl.Int32)
    rows = side.with_row_index(name).join(numbers, on="query_id")
    return rows.select("query", name, length.alias(f"{name}_length"))


def _walked(right: pl.DataFrame, wrong: pl.DataFrame) -> pl.DataFrame:
    """Pair `place` is of candidates `place` modulo the number of each side; a pair that comes again is none."""
    n_right = right.group_by("query_id").agg(pl.col("most").first(), n_right=pl.len().cast(pl.Int64))
    counts = n_right.join(wrong.group_by("query_id").agg(n_wrong=pl.len().cast(pl.Int64)), on="query_id")
    length = pl.min_horizontal("most", pl.col("n_right") * pl.col("n_wrong"))
    places = counts.with_columns(place=pl.int_ranges(0, length)).explode("place").drop_nulls("place")
    chosen = right.select("query_id", at_right="rank", chosen_id="rollout_id")
    rejected = wrong.select("query_id", at_wrong="rank", rejected_id="rollout_id")
    walked = (
        places.with_columns(at_right=pl.col("place") % pl.col("n_right"), at_wrong=pl.col("place") % pl.col("n_wrong"))
        .join(chosen, on=["query_id", "at_right"])
        .join(rejected, on=["query_id", "at_wrong"])
        .sort("query_id", "place")
    )
    return walked.unique(["query_id", "chosen_id", "rejected_id"], keep="first", maintain_order=True).select(_PAIR)
