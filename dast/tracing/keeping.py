"""Why a response stands in its set, and its siblings do not. Grain: one query's rollouts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import polars as pl

from dast.building.pairs import RULES
from dast.params.build import Build
from dast.tracing.material import Material
from dast.tracing.siblings import fates

Told = dict[str, Any]

_FATE = ("rollout_id", "step", "verdict", "predicted", "fate", "same_as", "rank", "n_rows")


def siblings(material: Material, query_id: str) -> list[Told]:
    """Every rollout of the query in its round with what became of it, in the order in which they were drawn."""
    settings = material.section("build", Build)
    about = _about(material)
    graded = material.table("rollouts")
    if settings.guards.length is not None:  # which looks at all responses of the level
        level = next(iter(about.filter(query_id=query_id)["level"]), None)
        among = about.filter(pl.col("level").eq_missing(level))["query_id"]
        here = pl.col("query_id").is_in(among.implode()) | (pl.col("query_id") == query_id)
        rollouts = graded.filter(here).collect()
    else:
        rollouts = graded.filter(query_id=query_id).collect()
    dropped = material.table("contamination").filter(query_id=query_id, part="response", contaminated=True).collect()
    left = rollouts.join(dropped, on=["query_id", "rollout_id"], how="anti") if _drops(material) else rollouts
    prompts = material.table("prompts").join(left.lazy(), on="prompt_digest", how="semi").collect()
    kept = material.table("sft").filter(query_id=query_id).collect()
    found = fates(left, prompts, about.select("query_id", "query", "level"), _own(kept, material), settings)
    own = rollouts.filter(query_id=query_id).sort("sample_index", "rollout_id")
    told = own.join(found, on=["query_id", "rollout_id"], how="left", maintain_order="left")
    return told.with_columns(pl.col("fate").fill_null("contaminated")).select(_FATE).to_dicts()


def counted(told: list[Told]) -> dict[str, int]:
    """How many rollouts met each fate."""
    return dict(Counter(one["fate"] for one in told).most_common())


def rules(material: Material, level: str | None) -> Told:
    """The settings of `build` that decide about a query of this level."""
    settings = material.section("build", Build)
    return {
        "keep": settings.keep.at(level) if level else 0,
        "choose": settings.choose,
        "same_reasoning": settings.same_reasoning,
        "guards": settings.guards.model_dump(),
        "hinted": settings.hinted.model_dump(),
        "unfiltered": settings.unfiltered,
        "level_rates": settings.level_rates.model_dump() if settings.level_rates else None,
        "reference_rate": settings.reference_rate,
        "max_rows": settings.max_rows,
    }


def pairing(material: Material, row: Mapping[str, Any]) -> Told:
    """The rule that made a pair, and how many pairs its query has."""
    settings = material.section("build", Build)
    n_pairs = material.table("dpo").filter(query_id=row["query_id"]).select(pl.len()).collect().item()
    said = " ".join((RULES[settings.pair_rule].__doc__ or "").split())
    most = settings.pairs.at(row["level"]) if row["level"] else 0
    return {"rule": settings.pair_rule, "what": said, "n_pairs": n_pairs, "most": most, "max_pairs": settings.max_pairs}


def unasked(material: Material, query_id: str) -> str | None:
    """Why a guard of `build` was not asked about the query's rollouts again; None where all were."""
    words = material.section("build", Build).guards.leak_words
    if words is None or not material.texts or _has_text(material, query_id):
        return None
    return (
        f"query {query_id} is not among the queries here, or without a text, so the guard against leaks "
        "(build.guards.leak_words) was not asked again: what it left out in build is told by other reasons"
    )


def _has_text(material: Material, query_id: str) -> bool:
    found = material.table("queries").filter(query_id=query_id).select("query").collect()["query"]
    return any(found)


def _about(material: Material) -> pl.DataFrame:
    """The text, null where it is not at hand, and the level of each query that has either."""
    queries = material.table("queries")
    text = pl.col("query") if material.texts else pl.lit(None, dtype=pl.String).alias("query")
    levels = material.table("difficulty").select("query_id", "level")
    return queries.select("query_id", text).join(levels, on="query_id", how="full", coalesce=True).collect()


def _drops(material: Material) -> bool:
    return bool(material.settings["contamination"]["action"] == "drop")


def _own(kept: pl.DataFrame, material: Material) -> pl.DataFrame:
    """Rows of the round itself; earlier rounds' stand there too where sets accumulate."""
    return kept.filter(pl.col("round") == material.round, pl.col("origin") == "self").select("query_id", "rollout_id")
