"""A model's rollouts on the test sets, and the level of each test query.

Guarantees: every model is asked the same queries with the same settings, of the same store and by the same grader as in
training's sampling. Grain: one rollout.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from dast.difficulty.estimators import tallies
from dast.difficulty.levels import with_levels
from dast.frames import frame
from dast.grading import Grader, grade_rollouts
from dast.params.decoding import Decoding
from dast.params.evaluate import Evaluate
from dast.params.sections import Difficulty, PromptStyle
from dast.prompts import sampling_prompt
from dast.rollouts import Recorder, wanted
from dast.tables import TEST_GRADED, TEST_LEVELS

EXAMPLES_PER_VERDICT = 2
_QUERY = ["test_set", "query_id"]


def run_tests(
    tests: pl.DataFrame,
    recorder: Recorder,
    grader: Grader,
    style: PromptStyle,
    settings: Evaluate,
    *,
    with_levels: bool,
) -> pl.DataFrame:
    """Graded rollouts on every test query (TEST_GRADED); `with_levels` adds those that set its level."""
    greedy = settings.decoding.model_copy(update={"temperature": 0.0})
    plans: list[tuple[str, range, Decoding]] = [("sample", range(settings.n_samples), settings.decoding)]
    if settings.greedy:
        plans.append(("greedy", range(1), greedy))
    if with_levels:
        after = settings.n_samples + settings.n_level_rollouts
        plans.append(("level", range(settings.n_samples, after), settings.decoding))
    return pl.concat([_run(tests, recorder, grader, style, *plan) for plan in plans])


def _run(
    tests: pl.DataFrame,
    recorder: Recorder,
    grader: Grader,
    style: PromptStyle,
    kind: str,
    indices: range,
    decoding: Decoding,
) -> pl.DataFrame:
    items = [
        item
        for query_id, query in tests.select("query_id", "query").iter_rows()
        for item in wanted(query_id, "sample", indices, sampling_prompt(style, query))
    ]
    rows = recorder.collect(items, decoding, f"test rollouts ({kind})")
    graded = grade_rollouts(rows, tests, grader)
    sets = tests.select("query_id", "test_set")
    named = graded.join(sets, on="query_id").with_columns(decoding=pl.lit(kind, TEST_GRADED.schema["decoding"]))
    return named.select(TEST_GRADED.schema.keys())


def levels_of_tests(graded: pl.DataFrame, settings: Difficulty) -> pl.DataFrame:
    """Level of each test query by the base's own level rollouts (TEST_LEVELS); a prior is fitted set by set."""
    counts = tallies(graded.filter(pl.col("decoding") == "level"), _QUERY)
    sets = [with_levels(part, settings) for part in counts.partition_by("test_set", maintain_order=True)]
    return pl.concat([frame(TEST_LEVELS, []), *(part.select(TEST_LEVELS.schema.keys()) for part in sets)])


def examples(graded: pl.DataFrame, tests: pl.DataFrame) -> dict[str, Any]:
    """A few sampled responses of each test set and verdict, to read."""
    texts = tests.select("test_set", "query_id", "query", "answer")
    rows = graded.filter(pl.col("decoding") == "sample").join(texts, on=["test_set", "query_id"])
    shown = (
        rows.sort("test_set", "verdict", "rollout_id")
        .group_by("test_set", "verdict", maintain_order=True)
        .head(EXAMPLES_PER_VERDICT)
        .select("test_set", "verdict", "query", "answer", "response", "predicted")
        .cast({"verdict": pl.String})
    )
    return {"examples": shown.to_dicts()}
