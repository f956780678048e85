"""From graded rollouts to training sets: which responses are kept, in which mix, and which are paired.

Rows leave the line here and nowhere else, each counted by its reason. Training prompts are always the plain prompt,
whatever stood in front when a response was drawn. Deterministic: what nothing else tells apart follows from digests of
ids and the seed, never from row order. Grain: one row a prompt-completion (SFT), one a chosen-rejected pair (DPO).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dast.building import figures
from dast.building.candidates import drawn, right_candidates, wrong_candidates
from dast.building.guards import passed
from dast.building.pairs import pairable, paired
from dast.building.union import earlier_rows, own_rows, reference_rows, union
from dast.params.build import Build
from dast.params.sections import PromptStyle
from dast.prompts import plain_prompt
from dast.tables import DPO, SFT, Messages

_USED = ("query_id", "rollout_id", "step", "prompt_digest", "response", "n_tokens", "finish_reason", "predicted")


@dataclass(frozen=True)
class Built:
    """Both sets of a round, and its counts.

    `left_out` counts the round's rollouts that stand in no SFT row, by reason: with the round's own rows they add up to
    all rollouts. `levels` has one row a level; `facts` says more of the mix, earlier rows, pairs and lengths.
    """

    sft: pl.DataFrame
    dpo: pl.DataFrame
    left_out: Mapping[str, int]
    levels: Sequence[Mapping[str, Any]]
    facts: Mapping[str, Any]


def build_sets(
    *,
    queries: pl.DataFrame,
    graded: pl.DataFrame,
    prompts: pl.DataFrame,
    difficulty: pl.DataFrame,
    previous: pl.DataFrame,
    style: PromptStyle,
    settings: Build,
    round_name: str,
) -> Built:
    """SFT and DPO sets of a round.

    Args:
        queries: train queries; their solutions are D_o (QUERIES).
        graded: every graded rollout of the round, the augmentation's included (GRADED).
        prompts: prompts of these rollouts (PROMPTS); one that is missing is taken to have shown no exemplars.
        difficulty: levels of the round that `levels` names (DIFFICULTY).
        previous: SFT rows of the policy, joined when `settings.accumulate` (SFT).
        style: prompt of a tuned model.
        settings: what is kept.
        round_name: stands in every new row.
    """
    about = drawn(_about(queries, difficulty), settings.seed, by="query_id")
    rollouts = graded.select(*_USED, "verdict", "reason").join(
        about.select("query_id", "query", "level"), on="query_id", how="left"
    )
    stand = passed(rollouts, prompts, settings.guards, settings.unfiltered)
    left_out = stand.left_out
    rows = drawn(stand.rows, settings.seed)
    right, wrong = rows.filter("right"), rows.filter(~pl.col("right"))
    candidates = right_candidates(right, settings)
    n_texts = int(candidates["n_texts"].sum())
    left_out.update(
        incorrect=wrong.height, duplicate=right.height - n_texts, same_reasoning=n_texts - candidates.height
    )
    own = own_rows(candidates, round_name, settings, left_out)
    earlier, came = earlier_rows(previous, own, about, settings)
    kept = union(own, earlier, reference_rows(about, round_name), settings, left_out)
    pairs = _pairs(candidates, wrong, about, settings)
    facts = {
        "accepted": figures.accepted(right),
        "earlier": {**came, "kept": kept.filter(pl.col("origin") == "self", pl.col("round") != round_name).height},
        "mix": figures.mix(kept, settings),
        "pairs": {"rule": settings.pair_rule, **figures.length_bias(pairs)},
    }
    levels = figures.level_rows(kept.join(about.select("query_id", "query"), on="query_id"), pairs, settings)
    asked = _prompts(about, style)
    return Built(_sft(kept, asked), _dpo(pairs, asked, round_name), dict(+left_out), levels, facts)


def _about(queries: pl.DataFrame, difficulty: pl.DataFrame) -> pl.DataFrame:
    known = difficulty.select("query_id", "level", "pass_rate_mean")
    return queries.select("query_id", "query", "solution").join(known, on="query_id", how="left")


def _pairs(candidates: pl.DataFrame, wrong: pl.DataFrame, about: pl.DataFrame, settings: Build) -> pl.DataFrame:
    """Pairs with the texts and tokens of both sides."""
    may = pairable(settings)
    rejected = wrong_candidates(wrong.filter(may))
    chosen = candidates.filter(may)
    if settings.reference_chosen:
        unsolved = about.filter(level="unsolved").join(chosen, on="query_id", how="anti")
        references = reference_rows(unsolved, "").with_columns(text=pl.col("response"))
        chosen = pl.concat([chosen, references], how="diagonal")
    found = paired(chosen, rejected, about, settings)
    for side, name in ((chosen, "chosen"), (rejected, "rejected")):
        told = {f"{name}_id": "rollout_id", f"{name}_text": "response", f"{name}_tokens": "n_tokens"}
        found = found.join(side.select("query_id", **told), on=["query_id", f"{name}_id"], maintain_order="left")
    return found


def _prompts(about: pl.DataFrame, style: PromptStyle) -> pl.DataFrame:
    """The plain prompt of each query."""
    rows = [(query_id, plain_prompt(style, query)) for query_id, query in about.select("query_id", "query").iter_rows()]
    return pl.DataFrame(rows, schema={"query_id": pl.String, "prompt": Messages}, orient="row")


def _sft(rows: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    told = rows.join(asked, on="query_id").with_columns(completion=_completion("response"))
    return told.select(SFT.schema.keys()).cast(pl.Schema(SFT.schema)).sort(SFT.key)


def _dpo(pairs: pl.DataFrame, asked: pl.DataFrame, round_name: str) -> pl.DataFrame:
    told = pairs.join(asked, on="query_id").with_columns(
        round=pl.lit(round_name), chosen=_completion("chosen_text"), rejected=_completion("rejected_text")
    )
    return told.select(DPO.schema.keys()).cast(pl.Schema(DPO.schema)).sort(DPO.key)


def _completion(column: str) -> pl.Expr:
    """A response as a training target: `dast.prompts.completion` of a column."""
    return pl.concat_list(pl.struct(role=pl.lit("assistant"), content=pl.col(column)))
