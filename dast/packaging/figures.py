"""The figures of a dataset's card, counted from the tables that it publishes: for its tables and for its pictures.

Guarantees: counts add up to the tables; a mean over nothing is None, never 0. Grain: one row a level, a source, a test
set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from dast.markdown import number, percent
from dast.packaging.facts import CardFacts
from dast.tables import LEVELS

UNGRADED = "not graded"
"""Row of the queries without a level."""

_BINS = 20
"""Most different pass rates that a picture shows one by one; more are shown by the nearest twentieth."""
_ENDS = (0.1, 0.9)


def by_own_level(rows: Mapping[str, pl.DataFrame]) -> list[dict[str, str]]:
    """Queries, pass rate and response length by the level that this round's own plain rollouts give."""
    difficulty = rows["difficulty"]
    plain = _plain(rows)
    known = plain["n_tokens"].is_not_null().any()
    shown = []
    for name, part in _levels_of(difficulty):
        responses = _at(plain, name)
        shown.append(
            {
                "level": name,
                "queries": number(part.height),
                "share": percent(part.height / difficulty.height),
                "plain rollouts": number(responses.height),
                "mean pass rate": percent(_mean(part["pass_rate"])),
                "mean characters": number(_mean(responses["response"].str.len_chars())),
                **({"mean tokens": number(_mean(responses["n_tokens"]))} if known else {}),
            }
        )
    return shown


def by_steering_level(facts: CardFacts) -> list[dict[str, str]]:
    """Allocation and training rows by the level that steered the round."""
    luck = {row["level"]: row["lucky_rate"] for row in facts.build_levels if row.get("lucky_rate")}
    rows, shown = facts.rows, []
    for name, part in _levels_of(rows["allocation"]):
        sft, dpo = _at(rows["sft"], name), _at(rows["dpo"], name)
        lengths = sft["completion"].list.eval(pl.element().struct.field("content").str.len_chars()).list.sum()
        shown.append(
            {
                "level": name,
                "queries": number(part.height),
                "wanted": number(None if part["wanted"].null_count() else _total(part["wanted"])),
                "spent": number(_total(part["spent"])),
                "got": number(_total(part["got"])),
                "`sft` rows": number(sft.height),
                "of them references": number(sft.filter(origin="reference").height),
                "mean characters": number(_mean(lengths)),
                "`dpo` pairs": number(dpo.height),
                **({"right by luck": percent(float(luck[name])) if name in luck else number(None)} if luck else {}),
            }
        )
    return shown


def mix(facts: CardFacts) -> list[dict[str, Any]]:
    """Shares of each level, as numbers: of the queries, of what `sft` was asked to hold, of `sft` and of `dpo`."""
    asked = {row["level"]: float(row["asked_rate"]) for row in facts.build_levels if row.get("asked_rate")}
    parts = {"queries": facts.rows["allocation"], "sft": facts.rows["sft"], "dpo": facts.rows["dpo"]}
    shares = {kind: _shares(rows) for kind, rows in parts.items() if rows.height}
    named = {"queries": shares.pop("queries", {}), **({"sft, asked": asked} if asked else {}), **shares}
    return [
        {"level": level, "kind": kind, "amount": share[level]}
        for kind, share in named.items()
        for level in LEVELS
        if level in share
    ]


def level_counts(difficulty: pl.DataFrame) -> list[dict[str, Any]]:
    """Queries by level, with what a picture writes at its bar."""
    total = difficulty.height
    return [
        {"level": name, "n_queries": part.height, "label": f"{number(part.height)} ({percent(part.height / total, 0)})"}
        for name, part in _levels_of(difficulty)
        if name != UNGRADED
    ]


def pass_rate_counts(difficulty: pl.DataFrame) -> list[dict[str, Any]]:
    """Queries by observed pass rate."""
    rates = difficulty.select(pl.col("pass_rate").drop_nulls())
    if rates["pass_rate"].n_unique() > _BINS:
        rates = rates.select((pl.col("pass_rate") * _BINS).round() / _BINS)
    counts = rates.group_by("pass_rate").len().sort("pass_rate")
    return [{"pass_rate": f"{rate:.2f}", "n_queries": count} for rate, count in counts.iter_rows()]


def length_spreads(rows: Mapping[str, pl.DataFrame]) -> tuple[list[dict[str, Any]], str]:
    """Quantiles of plain responses' lengths by level and verdict, and their unit: tokens where all are known."""
    plain = _plain(rows).filter(pl.col("verdict").is_in(["correct", "incorrect"]) & pl.col("level").is_not_null())
    known = plain.height > 0 and plain["n_tokens"].null_count() == 0
    length = pl.col("n_tokens") if known else pl.col("response").str.len_chars()
    names = dict(zip(("q10", "median", "q90"), (_ENDS[0], 0.5, _ENDS[1]), strict=True))
    spread = plain.group_by("level", "verdict").agg(length.quantile(at).alias(name) for name, at in names.items())
    return spread.sort("level", "verdict").to_dicts(), "tokens" if known else "characters"


def amounts(allocation: pl.DataFrame) -> list[dict[str, Any]]:
    """Responses wanted and got and rollouts spent, by the level that steered the round."""
    return [
        {"level": name, "kind": kind, "amount": _total(part[kind])}
        for name, part in _levels_of(allocation)
        if name != UNGRADED
        for kind in ("wanted", "spent", "got")
        if not part[kind].null_count()
    ]


def by_source(facts: CardFacts) -> list[dict[str, str]]:
    """Licence, queries and training rows of every source."""
    queries = facts.rows["queries"]
    sft = facts.rows["sft"].join(queries.select("query_id", "source", "licence"), on="query_id")
    groups = queries.group_by("source", "licence").len().sort("source", "licence")
    return [
        {
            "source": source,
            "licence": licence,
            "queries": number(count),
            "`sft` rows": number(sft.filter(source=source, licence=licence).height),
        }
        for source, licence, count in groups.iter_rows()
    ]


def pool_origins(pool: pl.DataFrame) -> list[dict[str, str]]:
    """Recorded responses by the model that wrote them, as the pool names it."""
    counts = pool.group_by("origin").len().sort("origin")
    return [{"origin": origin, "responses": number(count)} for origin, count in counts.iter_rows()]


def by_test_set(tests: pl.DataFrame, evidence: pl.DataFrame) -> list[dict[str, str]]:
    """What the rows to train on have in common with each test set: texts that share words, and contaminated ones."""
    sizes = tests.group_by("test_set").len().sort("test_set")
    shown = []
    for name, count in sizes.iter_rows():
        row = {"test set": f"`{name}`", "queries": number(count)}
        for part, said in (("query", "queries"), ("response", "responses")):
            found = evidence.filter(test_set=name, part=part)
            row |= {f"{said} near": number(_texts(found))}
            row |= {f"{said} contaminated": number(_texts(found.filter("contaminated")))}
        shown.append(row)
    return shown


def verdicts(rollouts: pl.DataFrame) -> dict[str, int]:
    """Rollouts by verdict, those that occur."""
    return dict(rollouts.group_by("verdict").len().sort("verdict").iter_rows())


def luck_rate(build: Sequence[Mapping[str, str]]) -> float | None:
    """Share of kept sampled responses that are right by luck; None when the source's steps are not known."""
    known = [(int(row["n_self"]), float(row["lucky_rate"])) for row in build if row.get("lucky_rate")]
    total = sum(count for count, _ in known)
    return sum(count * rate for count, rate in known) / total if total else None


def _plain(rows: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The plain rollouts, with their query's level."""
    level_of = rows["difficulty"].select("query_id", "level")
    return rows["rollouts"].filter(step="sample").join(level_of, on="query_id")


def _levels_of(rows: pl.DataFrame) -> Iterable[tuple[str, pl.DataFrame]]:
    parts = [(name, _at(rows, name)) for name in (*LEVELS, UNGRADED)]
    return [(name, part) for name, part in parts if name != UNGRADED or part.height]


def _at(rows: pl.DataFrame, level: str) -> pl.DataFrame:
    return rows.filter(pl.col("level").is_null() if level == UNGRADED else pl.col("level") == level)


def _shares(rows: pl.DataFrame) -> dict[str, float]:
    return {name: _at(rows, name).height / rows.height for name in LEVELS}


def _texts(found: pl.DataFrame) -> int:
    return found.select("query_id", "rollout_id").n_unique()


def _total(values: pl.Series) -> int:
    return int(values.sum())


def _mean(values: pl.Series) -> float | None:
    mean: Any = values.mean()
    return None if mean is None else float(mean)
