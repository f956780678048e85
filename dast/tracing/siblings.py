"""What became of each rollout of a query in `build`, by the very functions that built the set.

Guarantees: the reasons are those that `build` counts, and over all queries they add up to its counts; what left for the
set's mix or size, which no query alone explains, is told from the set. Grain: one rollout.
"""

from __future__ import annotations

import polars as pl

from dast.building.candidates import drawn, right_candidates, wrong_candidates
from dast.building.guards import passed, spaced
from dast.building.pairs import pairable
from dast.building.union import leaving, said
from dast.params.build import Build

KEPT = "kept"
OVER_MIX = "over_mix_or_rows"
"""Kept by every rule about its query, and left out for the shares of levels or the size of the set."""

_USED = (
    *("query_id", "rollout_id", "step", "prompt_digest", "response", "n_tokens", "finish_reason", "predicted"),
    *("verdict", "reason"),
)


def fates(
    rollouts: pl.DataFrame, prompts: pl.DataFrame, about: pl.DataFrame, kept: pl.DataFrame, settings: Build
) -> pl.DataFrame:
    """What became of each rollout: query_id, rollout_id, `fate`, `same_as`, `rank`, `n_rows`.

    Args:
        rollouts: Whole queries of a round (GRADED).
        prompts: What was sent (PROMPTS).
        about: `query`, null where its text is not at hand, and `level` of each query. Without its text nobody can tell
            what of a response is the query's own from what leaked out of exemplars: that guard is not asked then.
        kept: query_id and rollout_id of the round's rows in the SFT set.
        settings: Of the round.

    Returns:
        `same_as` is the response that stands for this one; `rank` its place, from 0, among the different right
        responses of its query, or among the wrong ones that a pair may reject; `n_rows` the rollouts that gave it.
    """
    rows = rollouts.select(_USED).join(about, on="query_id", how="left")
    rows = rows.with_columns(pl.col("query").fill_null(""))
    # To the guard a prompt that is not listed showed no exemplars.
    listed = prompts.join(rows.filter(query=""), on="prompt_digest", how="anti")
    stand = passed(rows, listed, settings.guards, settings.unfiltered)
    good = drawn(stand.rows, settings.seed)
    right, wrong = good.filter("right"), good.filter(~pl.col("right"))
    candidates = right_candidates(right, settings)
    rejectable = wrong_candidates(wrong.filter(pairable(settings)))
    return pl.concat(
        [
            stand.gone.rename({"why": "fate"}),
            _ranked(_kept_or_not(candidates, kept, settings)),
            _repeats(right, candidates, settings),
            _ranked(rejectable.with_columns(fate=pl.lit("incorrect"))),
            _others(wrong, rejectable),
        ],
        how="diagonal",
    )


def _ranked(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("query_id", "rollout_id", "fate", "rank", "n_rows")


def _kept_or_not(candidates: pl.DataFrame, kept: pl.DataFrame, settings: Build) -> pl.DataFrame:
    ids = ["query_id", "rollout_id"]
    reasons = [pl.when(leaves).then(pl.lit(reason)) for reason, leaves in leaving(settings).items()]
    in_set = candidates.join(kept.select(ids).unique().with_columns(in_set=pl.lit(True)), on=ids, how="left")
    here = pl.when(pl.col("in_set").fill_null(False)).then(pl.lit(KEPT))
    return in_set.with_columns(fate=pl.coalesce(here, *reasons, pl.lit(OVER_MIX)))


def _repeats(right: pl.DataFrame, candidates: pl.DataFrame, settings: Build) -> pl.DataFrame:
    """Right responses that a candidate stands for."""
    ids = ["query_id", "rollout_id"]
    says = {"key": said(settings)}
    standing = candidates.select("query_id", **says, same_as="rollout_id")
    # Told apart by text alone, as `wrong_candidates` does it; the rest of a text's rollouts repeat it.
    firsts = wrong_candidates(right).select(ids).with_columns(first=pl.lit(True))
    others = right.join(candidates, on=ids, how="anti").join(firsts, on=ids, how="left")
    fate = pl.when(pl.col("first").fill_null(False)).then(pl.lit("same_reasoning")).otherwise(pl.lit("duplicate"))
    told = others.with_columns(**says, fate=fate).join(standing, on=["query_id", "key"], how="left")
    return told.select(*ids, "fate", "same_as")


def _others(wrong: pl.DataFrame, candidates: pl.DataFrame) -> pl.DataFrame:
    """Wrong responses that have another one's text, or may stand in no pair."""
    ids = ["query_id", "rollout_id"]
    standing = candidates.select("query_id", text=spaced("response"), same_as="rollout_id")
    others = wrong.join(candidates, on=ids, how="anti").with_columns(fate=pl.lit("incorrect"))
    return others.join(standing, on=["query_id", "text"], how="left").select(*ids, "fate", "same_as")
