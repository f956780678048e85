"""The figures of a dataset's card, counted from the tables that it publishes.

Guarantees: counts add up to the tables; a mean over nothing is None, never 0. Grain: one row a level, or a source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from dast.markdown import number, percent
from dast.params.augment import Augment
from dast.params.build import Build
from dast.params.engines import Generation
from dast.params.sections import Difficulty, Grading, Package, Prompt, Sample
from dast.params.sources import Bootstrap, Prepare
from dast.tables import LEVELS

UNGRADED = "not graded"
"""Row of the queries without a level."""


@dataclass(frozen=True)
class Recipe:
    """The sections of the params that made a dataset; the card prints them whole."""

    prepare: Prepare
    bootstrap: Bootstrap
    prompt: Prompt
    generation: Generation
    grading: Grading
    sample: Sample
    difficulty: Difficulty
    augment: Augment
    build: Build
    package: Package

    def plain(self) -> dict[str, Any]:
        """Section by section, as JSON-able values; a local model is named by its digest, never by its folder."""
        sections = {name: section.model_dump(mode="json") for name, section in vars(self).items()}
        if self.bootstrap.kind == "local":
            sections["bootstrap"]["source"] = None
        return sections


@dataclass(frozen=True)
class CardFacts:
    """Everything that a card says, apart from its fixed words."""

    round_name: str
    policy: str
    """`base`, or the round that trained the sampling model."""
    levels: str
    """Round whose difficulty levels steered this one."""
    recipe: Recipe
    rows: Mapping[str, pl.DataFrame]
    """Published rows by config."""
    pool: pl.DataFrame
    tests: pl.DataFrame
    queries_digest: str
    """SHA-256 of the queries table's file."""
    build: list[dict[str, str]]
    """Rows of build.csv; empty when unknown."""
    agreement_rate: float | None
    """Share of labelled pool responses whose grade equals the publisher's label; None without labels."""

    @property
    def recorded(self) -> bool:
        """Whether the responses were recorded elsewhere and not sampled here."""
        reasons = self.rows["rollouts"]["finish_reason"]
        return not reasons.is_empty() and bool((reasons == "recorded").all())


def by_own_level(rows: Mapping[str, pl.DataFrame]) -> list[dict[str, str]]:
    """Queries, pass rate and response length by the level that this round's own plain rollouts give."""
    difficulty = rows["difficulty"]
    level_of = difficulty.select("query_id", "level")
    plain = rows["rollouts"].filter(step="sample").join(level_of, on="query_id")
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
                "mean tokens": number(_mean(responses["n_tokens"])),
            }
        )
    return shown


def by_steering_level(rows: Mapping[str, pl.DataFrame], build: list[dict[str, str]]) -> list[dict[str, str]]:
    """Allocation and training rows by the level that steered the round."""
    luck = {row["level"]: row["lucky_rate"] for row in build if row.get("lucky_rate")}
    shown = []
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
                "right by luck": percent(float(luck[name])) if name in luck else number(None),
            }
        )
    return shown


def by_source(rows: Mapping[str, pl.DataFrame]) -> list[dict[str, str]]:
    """Licence, queries and training rows of every source."""
    queries = rows["queries"]
    sft = rows["sft"].join(queries.select("query_id", "source", "licence"), on="query_id")
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


def sizes_of_test_sets(tests: pl.DataFrame) -> dict[str, int]:
    """Queries of each test set."""
    return dict(tests.group_by("test_set").len().sort("test_set").iter_rows())


def verdicts(rollouts: pl.DataFrame) -> dict[str, int]:
    """Rollouts by verdict, those that occur."""
    return dict(rollouts.group_by("verdict").len().sort("verdict").iter_rows())


def luck_rate(build: list[dict[str, str]]) -> float | None:
    """Share of kept sampled responses that are right by luck; None when the source's steps are not known."""
    known = [(int(row["n_self"]), float(row["lucky_rate"])) for row in build if row.get("lucky_rate")]
    total = sum(count for count, _ in known)
    return sum(count * rate for count, rate in known) / total if total else None


def _levels_of(rows: pl.DataFrame) -> Iterable[tuple[str, pl.DataFrame]]:
    parts = [(name, _at(rows, name)) for name in (*LEVELS, UNGRADED)]
    return [(name, part) for name, part in parts if name != UNGRADED or part.height]


def _at(rows: pl.DataFrame, level: str) -> pl.DataFrame:
    return rows.filter(pl.col("level").is_null() if level == UNGRADED else pl.col("level") == level)


def _total(values: pl.Series) -> int:
    return int(values.sum())


def _mean(values: pl.Series) -> float | None:
    mean: Any = values.mean()
    return None if mean is None else float(mean)
