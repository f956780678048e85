"""From a round's tables to the figures of a row: all that the analysis needs, and nothing that it does not.

Guarantees: each test query's counts stand at its place in the order of the query ids, which the row of the base names,
so that two rows of one block can be compared query by query. Grain: one round.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from benchmarks.experiments.line import Played, World
from dast.errors import DataError
from dast.params.train import Train
from dast.prompts import digest
from dast.tables import LEVELS
from dast.tiny.world import steps_right

LETTERS = {level: level[0] for level in LEVELS} | {None: "-"}
"""A test query's level in a row: e, m, h, u, or - where nothing of it could be graded."""


def test_counts(tested: pl.DataFrame) -> dict[str, dict[str, str]]:
    """For each test set a digit a query: correct of its samples, and of its one greedy response."""
    counts = tested.group_by("test_set", "query_id", "decoding").agg(n=(pl.col("verdict") == "correct").sum())
    return {
        name: {
            kind: "".join(map(str, part.filter(pl.col("decoding") == kind).sort("query_id")["n"]))
            for kind in ("sample", "greedy")
        }
        for (name,), part in counts.sort("test_set").group_by("test_set", maintain_order=True)
    }


def test_facts(world: World, levels: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """For each test set the digest of its query ids, and each query's source level and level."""
    rows = world.tests.join(levels.select("query_id", "level"), on="query_id", how="left").sort("test_set", "query_id")
    return {
        name: {
            "ids": digest(part["query_id"].to_list()),
            "source_levels": " ".join(part["source_level"]),
            "levels": "".join(LETTERS[level] for level in part["level"]),
        }
        for (name,), part in rows.group_by("test_set", maintain_order=True)
    }


def round_counts(world: World, played: Played, train: Train) -> dict[str, Any]:
    """Everything of one round."""
    rollouts, levels = played.rollouts, played.levels.select("query_id", pl.col("level").cast(pl.String))
    solved = rollouts.filter(pl.col("verdict") == "correct")
    return {
        "levels": _by_level(levels),
        "solved": _by_level(levels.join(solved, on="query_id", how="semi")),
        "steps": _steps(rollouts),
        "accepted": _accepted(solved, levels),
        "kept": _kept(world, played, train),
        "n_pairs": played.dpo.height,
        "n_trained": played.trained.n_rows,
        "optimiser_steps": played.trained.steps,
        "epochs": round(played.trained.epochs, 3),
        "loss": played.trained.curve[-1]["loss"],
        "seconds": {
            "generate": round(played.seconds, 1),
            "train": round(played.trained.seconds, 1),
            "wall": dict(played.phases),
        },
        "tests": test_counts(played.tested),
    }


def _steps(rollouts: pl.DataFrame) -> dict[str, dict[str, int]]:
    found = rollouts.group_by(pl.col("step").cast(pl.String)).agg(
        n_rollouts=pl.len(),
        n_correct=(pl.col("verdict") == "correct").sum(),
        n_prompt_tokens=pl.col("n_prompt_tokens").sum(),
        n_tokens=pl.col("n_tokens").sum(),
    )
    return {row.pop("step"): row for row in found.sort("step").to_dicts()}


def _accepted(solved: pl.DataFrame, levels: pl.DataFrame) -> dict[str, dict[str, list[int]]]:
    """By level and step: correct responses and their tokens in all."""
    found = (
        solved.join(levels, on="query_id")
        .group_by("level", pl.col("step").cast(pl.String))
        .agg(n=pl.len(), n_tokens=pl.col("n_tokens").sum())
        .sort("level", "step")
    )
    rows: dict[str, dict[str, list[int]]] = {}
    for level, step, n, n_tokens in found.iter_rows():
        rows.setdefault(level, {})[step] = [n, n_tokens]
    return rows


def _kept(world: World, played: Played, train: Train) -> dict[str, dict[str, Any]]:
    """By level, the set's rows: how many, of how many queries, trained on how often, how many right by luck, length."""
    rows = played.sft.with_columns(
        level=pl.col("level").cast(pl.String).fill_null("none"),
        text=pl.col("completion").list.first().struct.field("content"),
        times=pl.min_horizontal(pl.col("n_alike"), _most(train)),
    ).join(world.train.select("query_id", "query"), on="query_id")
    lucky = [
        origin == "self" and not _is_sound(query, text)
        for origin, query, text in rows.select("origin", "query", "text").iter_rows()
    ]
    found = (
        rows.with_columns(pl.Series("lucky", lucky, dtype=pl.Boolean))
        .group_by("level")
        .agg(
            n=pl.len(),
            n_self=(pl.col("origin") == "self").sum(),
            n_queries=pl.col("query_id").n_unique(),
            n_times=pl.col("times").sum(),
            n_lucky=pl.col("lucky").sum(),
            n_chars=pl.col("text").str.len_chars().sum(),
        )
    )
    return {row.pop("level"): row for row in found.sort("level").to_dicts()}


def _most(train: Train) -> pl.Expr:
    most = pl.lit(1)
    for level in LEVELS:
        most = pl.when(pl.col("level") == level).then(train.repeat.at(level)).otherwise(most)
    return most


def _is_sound(query: str, text: str) -> bool:
    try:
        return steps_right(query, text)
    except (DataError, ValueError):
        return False


def _by_level(queries: pl.DataFrame) -> dict[str, int]:
    found = dict(queries.group_by("level").len().iter_rows())
    return {level: found.get(level, 0) for level in LEVELS}
