"""Grade the rollouts, and estimate each query's difficulty.

rollouts (rollout), queries (query), pool (recorded response)
    → graded (rollout), difficulty (query), metrics, plot data (level; pass rate; level and verdict; source level),
      review list (pair of answers)
"""

from __future__ import annotations

import logging
from pathlib import Path

from dast import frames, tables
from dast.audit import REVIEW_COLUMNS, audit, told
from dast.difficulty.breakdown import LENGTH_COLUMNS, length_rows, level_rows, pass_rate_rows
from dast.difficulty.levels import estimate
from dast.difficulty.source_levels import SOURCE_LEVEL_COLUMNS, source_level_rows
from dast.entry import run
from dast.grading import Grader, grade_rollouts, refuse_ungraded
from dast.measures import difficulty_scores, scores
from dast.params.project import load_settings
from dast.smallfiles import write_csv, write_json

logger = logging.getLogger("score")


def main(
    *, params: Path, rollouts: Path, queries: Path, pool: Path, graded: Path, difficulty: Path, metrics: Path,
    levels_plot: Path, pass_rate_plot: Path, lengths_plot: Path, source_levels_plot: Path, review: Path,
) -> None:  # fmt: skip
    """Ends in an error, and writes nothing, when too many rollouts are ungraded."""
    settings = load_settings(params)
    query_rows = frames.read(tables.QUERIES, queries)
    with Grader(settings.grading) as grader:
        graded_rows = grade_rollouts(frames.read(tables.ROLLOUTS, rollouts), query_rows, grader)
        checked = audit(grader.compared, graded_rows, settings.grading.n_review)
    refuse_ungraded(graded_rows, settings.grading.max_ungraded_rate)
    difficulty_rows = estimate(graded_rows, query_rows["query_id"], settings.difficulty)
    found = scores(graded_rows, difficulty_rows, frames.read(tables.POOL, pool))
    frames.write(tables.GRADED, graded_rows, graded)
    frames.write(tables.DIFFICULTY, difficulty_rows, difficulty)
    estimated = difficulty_scores(graded_rows, difficulty_rows, query_rows, settings.difficulty)
    write_json(metrics, {**found, **estimated, "audit": checked.counts})
    write_csv(review, checked.review, REVIEW_COLUMNS)
    write_csv(levels_plot, level_rows(graded_rows, difficulty_rows))
    write_csv(pass_rate_plot, pass_rate_rows(difficulty_rows), ["pass_rate", "n_queries"])
    write_csv(lengths_plot, length_rows(graded_rows, difficulty_rows), LENGTH_COLUMNS)
    write_csv(source_levels_plot, source_level_rows(query_rows, difficulty_rows), SOURCE_LEVEL_COLUMNS)
    logger.info(
        "%d rollouts = %d correct + %d incorrect + %d no answer + %d ungraded; %d queries",
        *(found[f"n_{name}"] for name in ("rollouts", "correct", "incorrect", "no_answer", "ungraded", "queries")),
    )
    logger.info("%s", told(checked.counts))


if __name__ == "__main__":
    run(main)
