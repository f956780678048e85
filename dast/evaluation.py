"""Accuracy of a model on the test sets.

Guarantees: every model is asked the same queries with the same settings; the base's rollouts that set a test query's
level enter no accuracy; ungraded rollouts enter no estimate. Grain: rollouts one row each, accuracies one row a test
set, group and measure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import polars as pl

from dast.difficulty.estimators import estimates, listed, mean_row, tallies
from dast.difficulty.levels import with_levels
from dast.grading import Grader, grade_rollouts
from dast.params.decoding import Decoding
from dast.params.evaluate import Evaluate
from dast.params.sections import Difficulty, PromptStyle
from dast.prompts import sampling_prompt
from dast.rollouts import Recorder, wanted
from dast.tables import LEVELS, TEST_GRADED, TEST_LEVELS, frame

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


def accuracy_rows(
    graded: pl.DataFrame, tests: pl.DataFrame, levels: pl.DataFrame, settings: Evaluate
) -> list[dict[str, Any]]:
    """Long-format accuracies: test_set, domain, group, value, n_queries, measure, estimate, se.

    `guess` is what always giving the commonest answer of each source level of the set scores; `se` is the standard
    error of the mean over queries.
    """
    about = guesses(tests.select("test_set", "query_id", "domain", "answer", "source_level")).join(
        levels.select(*_QUERY, "level"), on=_QUERY, how="left"
    )
    sampled = tallies(graded.filter(pl.col("decoding") == "sample"), _QUERY)
    greedy = tallies(graded.filter(pl.col("decoding") == "greedy"), _QUERY).select(
        *_QUERY, n_right="n_correct", n_greedy="n_graded"
    )
    rows = (
        about.join(sampled, on=_QUERY, how="left")
        .join(greedy, on=_QUERY, how="left")
        .with_columns(pl.col("^n_.*$").fill_null(0), pl.col("votes_wrong").fill_null(pl.lit([], pl.List(pl.Int32))))
    )
    found: list[dict[str, Any]] = []
    for (test_set, domain), part in rows.group_by(["test_set", "domain"], maintain_order=True):
        for group, value, members in _groups(part):
            head = {"test_set": test_set, "domain": domain, "group": group, "value": value}
            found += [{**head, **measured} for measured in _measures(members, settings)]
    return found


def summary(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Estimates of whole test sets, by set and measure."""
    found: dict[str, dict[str, float | None]] = {}
    for row in rows:
        if row["group"] == "all":
            found.setdefault(row["test_set"], {})[row["measure"]] = row["estimate"]
    return found


def spoken(rows: Iterable[Mapping[str, Any]]) -> str:
    """The estimates of whole test sets, with standard errors, as one line of text."""
    told: dict[str, list[str]] = {}
    for row in rows:
        if row["group"] == "all" and row["estimate"] is not None:
            error = "" if row["se"] is None else f"±{row['se']:.3f}"
            told.setdefault(row["test_set"], []).append(f"{row['measure']} {row['estimate']:.3f}{error}")
    return "; ".join(f"{name}: {', '.join(parts)}" for name, parts in told.items())


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


def _groups(part: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    yield "all", "all", part
    for group in ("source_level", "level"):
        values = [value for value in part.get_column(group).unique().to_list() if value is not None]
        for value in sorted(values, key=_order):
            yield group, str(value), part.filter(pl.col(group) == value)


def _order(value: str) -> tuple[int, int, str]:
    if value in LEVELS:
        return (0, LEVELS.index(value), value)
    digits = "".join(letter for letter in value if letter.isdigit())
    return (1, int(digits or 0), value)


def _measures(rows: pl.DataFrame, settings: Evaluate) -> Iterator[dict[str, Any]]:
    if settings.greedy:
        heard = rows.filter(pl.col("n_greedy") > 0)
        yield {"measure": "greedy", **mean_row((heard["n_right"] / heard["n_greedy"]).to_list())}
    yield from ({"measure": measure, **found} for measure, found in estimates(listed(rows), settings.k).items())
    yield {"measure": "guess", "n_queries": rows.height, "estimate": rows.get_column("guessed").mean(), "se": None}


def guesses(tests: pl.DataFrame) -> pl.DataFrame:
    """Test queries with `guessed`: whether the commonest answer of the query's source level in its set is right.

    Of equally common answers the first by name is the guess.
    """
    commonest = (
        tests.group_by("test_set", "source_level", "answer")
        .len()
        .sort(["test_set", "source_level", "len", "answer"], descending=[False, False, True, False])
        .unique(["test_set", "source_level"], keep="first", maintain_order=True)
        .select("test_set", "source_level", guess="answer")
    )
    joined = tests.join(commonest, on=["test_set", "source_level"], nulls_equal=True)
    return joined.with_columns(guessed=pl.col("answer") == pl.col("guess")).drop("guess")
