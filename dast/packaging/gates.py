"""What a row to train on is held to before it is published: no test query, and none that contaminates it.

Guarantees: queries are held against the test sets by normalised text, whatever the params say; nearer than that, by the
evidence of `dast.contamination` that the line has written. Grain: one row of `sft` or `dpo`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import polars as pl

from dast import frames, tables
from dast.errors import DataError
from dast.packaging.configs import TRAINING_CONFIGS
from dast.queries import normalise

_RESPONSES = (("sft", "rollout_id"), ("dpo", "chosen_id"), ("dpo", "rejected_id"))


def held_out_rows(folder: Path) -> pl.DataFrame:
    """All test sets of a folder, which may hold none."""
    held = any(folder.glob("*.parquet"))
    return frames.read_all(tables.TEST_QUERIES, folder) if held else frames.frame(tables.TEST_QUERIES, [])


def refuse_test_queries(queries: pl.DataFrame, tests: pl.DataFrame, rows: Mapping[str, pl.DataFrame]) -> None:
    """Holds every query of the training configs against the test sets, by normalised text.

    Args:
        queries: The training queries.
        tests: All test sets.
        rows: Rows by config; only those of `TRAINING_CONFIGS` are held against the test sets.

    Raises:
        DataError: a training row whose query is unknown, or stands in a test set too.
    """
    text_of = dict(queries.select("query_id", "query").iter_rows())
    test_set_of = {normalise(text): name for text, name in tests.select("query", "test_set").iter_rows()}
    for config in TRAINING_CONFIGS:
        ids = rows[config]["query_id"].unique().sort().to_list()
        unknown = [query_id for query_id in ids if query_id not in text_of]
        if unknown:
            raise DataError(
                f"{config}: {len(unknown)} queries are no training queries, such as {unknown[0]}; run build"
            )
        found = {query_id: name for query_id in ids if (name := test_set_of.get(normalise(text_of[query_id])))}
        if found:
            example, name = next(iter(found.items()))
            raise DataError(
                f"{config}: {len(found)} queries also stand in a test set, such as {example} in {name}; "
                "set defaults.prepare.train_in_tests to drop, or leave that test set out"
            )


def evidence_of(found: pl.DataFrame, rows: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The evidence (CONTAMINATION) against what the training configs hold, of queries and of responses."""
    trained = pl.concat([rows[config].select("query_id") for config in TRAINING_CONFIGS]).unique()
    shown = pl.concat(
        [rows[config].select("query_id", pl.col(name).alias("rollout_id")) for config, name in _RESPONSES]
    ).unique()
    return pl.concat(
        [
            found.filter(part="query").join(trained, on="query_id", how="semi"),
            found.filter(part="response").join(shown, on=["query_id", "rollout_id"], how="semi"),
        ]
    )


def refuse_contaminated(evidence: pl.DataFrame, action: Literal["refuse", "report"]) -> None:
    """Ends the packaging when params refuse contaminated rows and there are some.

    Raises:
        DataError: how many texts, the first one with its test query, and what to do.
    """
    texts = evidence.filter("contaminated").sort("part", "query_id", "rollout_id", "test_set")
    if action == "report" or texts.is_empty():
        return
    one = texts.row(0, named=True)
    raise DataError(
        f"sft and dpo: {texts.select('part', 'query_id', 'rollout_id').n_unique()} texts are contaminated, such as the "
        f"{one['part']} {one['query_id']} {one['rollout_id']}".rstrip()
        + f" by {one['test_query_id']} of {one['test_set']}; leave them out of prepare.train, raise "
        "contamination.min_share, or set package.contaminated to report"
    )
