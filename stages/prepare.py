"""Reads queries, test sets and recorded responses from their sources.

params, raw files or hub datasets (one row a query; one row some responses) -> train (query), tests/<set> (query),
pool (response), reference_sft (reference solution), metrics (counts a source), refused (reference answer that fails),
contamination (a text of a train query and a test set that have words in common), difficulty (query; none yet).
"""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl

from dast import frames, tables
from dast.contamination import contaminated, counted, found_in_tests, query_texts, refuse_contaminated, told
from dast.entry import run
from dast.grading import Grader
from dast.params.project import load_project
from dast.smallfiles import write_csv, write_json
from dast.sources.pools import pool_table
from dast.sources.queries import REFUSED_COLUMNS, query_tables
from dast.sources.reference import reference_sft as reference_table

log = logging.getLogger("prepare")


def main(
    *, params: Path, raw: Path, train: Path, tests: Path, pool: Path, reference_sft: Path, metrics: Path,
    refused: Path, contamination: Path, difficulty: Path,
) -> None:  # fmt: skip
    """Writes the queries of the line; `raw` and `tests` are folders."""
    settings = load_project(params).defaults
    with Grader(settings.grading) as grader:
        queries = query_tables(settings.prepare, raw, grader)
    held = pl.concat([frames.frame(tables.TEST_QUERIES, []), *queries.tests.values()])
    texts = query_texts(queries.train)
    shared = found_in_tests(texts, held, settings.contamination)
    frames.write(tables.CONTAMINATION, shared, contamination)
    refuse_contaminated(shared, settings.contamination, str(contamination))
    near = counted(shared, texts.height, settings.contamination)
    if settings.contamination.action == "drop":
        queries = queries.without(contaminated(shared)["query_id"].unique(), "contaminated")
    recorded = pool_table(settings.prepare.pool, raw, queries.train)
    solutions = reference_table(queries.train, settings.prompt.tuned)
    frames.write(tables.QUERIES, queries.train, train)
    # Without test sets an empty table stands in the folder: DVC wants every output to exist, and warns of empty ones.
    for name, rows in (queries.tests or {"none": frames.frame(tables.TEST_QUERIES, [])}).items():
        frames.write(tables.TEST_QUERIES, rows, tests / f"{name}.parquet")
    frames.write(tables.POOL, recorded.rows, pool)
    frames.write(tables.SFT, solutions, reference_sft)
    # No round comes before the base: a round that samples from it has no earlier levels to compare with.
    frames.write(tables.DIFFICULTY, frames.frame(tables.DIFFICULTY, []), difficulty)
    write_csv(refused, queries.refused, REFUSED_COLUMNS)
    counts = {**queries.counts, "pool": recorded.counts, "reference": {"solutions": solutions.height}}
    write_json(metrics, {**counts, "contamination": near})
    log.info(
        "%d train queries (%d with a solution), %d test queries in %d sets, %d recorded responses",
        *(queries.train.height, solutions.height, sum(rows.height for rows in queries.tests.values())),
        *(len(queries.tests), recorded.rows.height),
    )
    log.info("%s", told(near))
    if queries.refused:
        log.warning(
            "%d reference answers cannot be graded against; they are listed in %s", len(queries.refused), refused
        )


if __name__ == "__main__":
    run(main)
