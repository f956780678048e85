"""Tables of the project: names, keys and column types. Grain of each table: one row a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

LEVELS = ("easy", "medium", "hard", "unsolved")
"""Difficulty levels, from easy to never solved."""

VERDICTS = ("correct", "incorrect", "no_answer", "ungraded")
"""What grading says of a rollout; only the first three count in a pass rate."""

STEPS = ("sample", "more", "matched", "decoding", "hinted")
"""How a rollout came about: `sample`'s plain fixed-K rollouts, then the augmentation's steps."""

Level = pl.Enum(LEVELS)
Verdict = pl.Enum(VERDICTS)
Step = pl.Enum(STEPS)
Messages = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
"""Conversational text as TRL reads it: a list of {role, content}."""


@dataclass(frozen=True)
class Table:
    """A table's contract. Columns not in `nullable` may hold no null; `key` columns never do."""

    name: str
    key: tuple[str, ...]
    schema: Mapping[str, Any]
    nullable: frozenset[str] = field(default_factory=frozenset)


def _table(name: str, key: str, schema: Mapping[str, Any], nullable: str = "") -> Table:
    return Table(name, tuple(key.split()), dict(schema), frozenset(nullable.split()))


QUERIES = _table(
    "queries",
    "query_id",
    {
        "query_id": pl.String,
        "source": pl.String,
        "query": pl.String,
        "answer": pl.String,
        "solution": pl.String,
        "source_level": pl.String,
        "tolerance": pl.Float64,
        "licence": pl.String,
    },
    nullable="solution source_level tolerance",
)

TEST_QUERIES = _table(
    "test_queries",
    "query_id",
    {**QUERIES.schema, "test_set": pl.String, "domain": pl.Enum(("in", "out"))},
    nullable="solution source_level tolerance",
)

POOL = _table(
    "pool",
    "query_id pool_index",
    {
        "query_id": pl.String,
        "pool_index": pl.Int32,
        "origin": pl.String,
        "response": pl.String,
        "label": pl.Boolean,
    },
    nullable="label",
)

ROLLOUTS = _table(
    "rollouts",
    "query_id rollout_id",
    {
        "query_id": pl.String,
        "rollout_id": pl.String,
        "step": Step,
        "sample_index": pl.Int32,
        "prompt_digest": pl.String,
        "settings_digest": pl.String,
        "policy": pl.String,
        "response": pl.String,
        "n_prompt_tokens": pl.Int32,
        "n_tokens": pl.Int32,
        "n_hint_tokens": pl.Int32,
        "finish_reason": pl.Enum(("stop", "length", "recorded", "error")),
    },
    nullable="n_prompt_tokens n_tokens",
)

PROMPTS = _table("prompts", "prompt_digest", {"prompt_digest": pl.String, "messages": Messages})

SETTINGS = _table("settings", "settings_digest", {"settings_digest": pl.String, "settings": pl.String})

GRADED = _table(
    "graded",
    "query_id rollout_id",
    {**ROLLOUTS.schema, "predicted": pl.String, "verdict": Verdict, "reason": pl.String},
    nullable="n_prompt_tokens n_tokens predicted reason",
)

TEST_GRADED = _table(
    "test_graded",
    "test_set query_id rollout_id",
    {"test_set": pl.String, **GRADED.schema, "decoding": pl.Enum(("level", "greedy", "sample"))},
    nullable="n_prompt_tokens n_tokens predicted reason",
)

TEST_LEVELS = _table(
    "test_levels",
    "test_set query_id",
    {"test_set": pl.String, "query_id": pl.String, "n_graded": pl.Int32, "n_correct": pl.Int32, "level": Level},
    nullable="level",
)

DIFFICULTY = _table(
    "difficulty",
    "query_id",
    {
        "query_id": pl.String,
        "n_graded": pl.Int32,
        "n_correct": pl.Int32,
        "pass_rate": pl.Float64,
        "pass_rate_mean": pl.Float64,
        "pass_rate_low": pl.Float64,
        "pass_rate_high": pl.Float64,
        "level": Level,
        "decided": pl.Boolean,
    },
    nullable="pass_rate pass_rate_mean pass_rate_low pass_rate_high level decided",
)

ALLOCATION = _table(
    "allocation",
    "query_id",
    {
        "query_id": pl.String,
        "level": Level,
        "wanted": pl.Int32,
        "cap": pl.Int32,
        "spent": pl.Int32,
        "spent_tokens": pl.Int64,
        "got": pl.Int32,
        "chance": pl.Float64,
        "outcome": pl.Enum(("quota_met", "cap", "budget", "given_up", "pool_exhausted", "no_step", "not_wanted")),
    },
    nullable="level wanted cap chance",
)

ALLOCATION_STEPS = _table(
    "allocation_steps",
    "query_id step",
    {"query_id": pl.String, "step": Step, "spent": pl.Int32, "spent_tokens": pl.Int64, "got": pl.Int32},
)

UNSOLVED = _table(
    "unsolved",
    "query_id",
    {"query_id": pl.String, "query": pl.String, "answer": pl.String, "n_rollouts": pl.Int32, "n_hinted": pl.Int32},
)

SUSPECTS = _table(
    "suspects",
    "query_id",
    {
        "query_id": pl.String,
        "query": pl.String,
        "answer": pl.String,
        "predicted": pl.String,
        "n_agree": pl.Int32,
        "n_correct": pl.Int32,
        "n_graded": pl.Int32,
        "probability": pl.Float64,
    },
)

SFT = _table(
    "sft",
    "query_id rollout_id",
    {
        "query_id": pl.String,
        "rollout_id": pl.String,
        "level": Level,
        "round": pl.String,
        "origin": pl.Enum(("self", "reference")),
        "n_alike": pl.Int32,
        "prompt": Messages,
        "completion": Messages,
    },
    nullable="level",
)

DPO = _table(
    "dpo",
    "query_id chosen_id rejected_id",
    {
        "query_id": pl.String,
        "chosen_id": pl.String,
        "rejected_id": pl.String,
        "level": Level,
        "round": pl.String,
        "prompt": Messages,
        "chosen": Messages,
        "rejected": Messages,
    },
    nullable="level",
)

CONTAMINATION = _table(
    "contamination",
    "part query_id rollout_id test_set",
    {
        "part": pl.Enum(("query", "solution", "response")),
        "query_id": pl.String,
        "rollout_id": pl.String,
        "test_set": pl.String,
        "test_query_id": pl.String,
        "test_part": pl.Enum(("query", "solution")),
        "kind": pl.Enum(("exact", "n_gram")),
        "n_shared": pl.Int32,
        "share": pl.Float64,
        "test_share": pl.Float64,
        "words": pl.String,
        "contaminated": pl.Boolean,
    },
)

TABLES = {
    table.name: table
    for table in (
        *(QUERIES, TEST_QUERIES, POOL, ROLLOUTS, PROMPTS, SETTINGS, GRADED, TEST_GRADED, TEST_LEVELS, DIFFICULTY),
        *(ALLOCATION, ALLOCATION_STEPS, UNSOLVED, SUSPECTS, SFT, DPO, CONTAMINATION),
    )
}
