"""D_u: the round's own responses, those of earlier rounds, and reference solutions, in the mix that was asked for.

Guarantees: of earlier rows only those of origin `self` come, and only what the round does not say itself; reference
solutions come by their share alone; whatever leaves is counted. Grain: one row of the SFT set, before its prompt.
"""

from __future__ import annotations

from collections import Counter

import polars as pl

from dast.building.candidates import drawn
from dast.building.equations import equations, reasoning
from dast.building.guards import spaced
from dast.building.mixing import mixed
from dast.params.build import Build

ROW = ("query_id", "rollout_id", "level", "round", "origin", "n_alike", "response", "n_tokens", "rank", "draw")
"""Columns of every part. `rank`: place among its query's rows, those to be kept first having the lowest."""

REFERENCE = "reference"
"""Origin, and rollout id, of a reference solution."""


def own_rows(candidates: pl.DataFrame, round_name: str, settings: Build, left_out: Counter[str]) -> pl.DataFrame:
    """The round's responses that may be kept, up to the level's number a query."""
    rows = candidates
    for reason, leaves in leaving(settings).items():
        kept = rows.filter(~leaves)
        left_out[reason] += rows.height - kept.height
        rows = kept
    return rows.with_columns(round=pl.lit(round_name), origin=pl.lit("self")).select(ROW)


def leaving(settings: Build) -> dict[str, pl.Expr]:
    """Why a candidate is not kept, by reason, in the order in which they are looked at."""
    level = pl.col("level").cast(pl.String)
    over = pl.col("rank") >= level.replace_strict(settings.keep.model_dump(), default=0, return_dtype=pl.Int32)
    return {
        "hinted": pl.lit(not settings.hinted.sft) & (pl.col("step") == "hinted"),
        "no_level": level.is_null(),
        "references_alone": pl.lit(settings.reference_rate == 1.0),
        "over_keep": over,
    }


def earlier_rows(
    previous: pl.DataFrame, own: pl.DataFrame, about: pl.DataFrame, settings: Build
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Rows of the policy's own set at this round's levels, and how many have no query here or say nothing new."""
    if not settings.accumulate or settings.reference_rate == 1.0:
        return own.clear(), {}
    rows = previous.filter(origin="self")
    text = pl.col("completion").list.first().struct.field("content")
    here = rows.drop("level", "origin").join(about.select("query_id", "level"), on="query_id")
    here = drawn(here.with_columns(response=text, origin=pl.lit("self")), settings.seed)
    own_said = own.select("query_id", key=said(settings))
    new = here.with_columns(key=said(settings)).join(own_said, on=["query_id", "key"], how="anti")
    counts = {"n": rows.height, "no_query": rows.height - here.height, "repeated": here.height - new.height}
    behind = 1 + (int(own["rank"].max()) if own.height else 0)  # type: ignore[arg-type]
    place = pl.int_range(pl.len(), dtype=pl.Int32).over("query_id") + behind
    ordered = new.sort("query_id", "draw").with_columns(rank=place, n_tokens=pl.lit(None, dtype=pl.Int32))
    return ordered.select(ROW), counts


def reference_rows(about: pl.DataFrame, round_name: str) -> pl.DataFrame:
    """Every reference solution (D_o)."""
    rows = about.filter(pl.col("solution").is_not_null()).rename({"solution": "response"})
    named = {name: pl.lit(REFERENCE) for name in ("rollout_id", "origin")}
    numbers = {"n_alike": 1, "rank": 0, "n_tokens": None}
    typed = {name: pl.lit(value, dtype=pl.Int32) for name, value in numbers.items()}
    return rows.with_columns(**named, **typed, round=pl.lit(round_name)).select(ROW)


def union(
    own: pl.DataFrame, earlier: pl.DataFrame, reference: pl.DataFrame, settings: Build, left_out: Counter[str]
) -> pl.DataFrame:
    """All in the mix that was asked for: a share of references, of each level, and a size.

    Args:
        own: responses of this round that may be kept.
        earlier: rows of earlier rounds.
        reference: reference solutions there are.
        settings: shares and size.
        left_out: takes the responses of `own` that leave.
    """
    rate, most = settings.reference_rate, settings.max_rows
    n_own = None if most is None else round(most * (1.0 - rate))
    fitting = mixed(pl.concat([own, earlier]), settings.level_rates, None)
    kept = mixed(fitting, None, n_own)
    still = [rows.join(own, on=["query_id", "rollout_id", "round"], how="semi").height for rows in (fitting, kept)]
    left_out.update(over_mix=own.height - still[0], over_rows=still[0] - still[1])
    n_reference = most if rate == 1.0 else round(kept.height * rate / (1.0 - rate))
    return pl.concat([kept, mixed(reference, settings.level_rates, n_reference)])


def said(settings: Build) -> pl.Expr:
    """What a response (`response`) says, as responses are told apart."""
    text = spaced("response")
    return reasoning(equations(text), text) if settings.same_reasoning == "alike" else text
