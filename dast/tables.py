"""Tables of the project: names, keys, column types, and the only way they are read and written.

Guarantees: a written file has exactly its table's columns and types, no null and no repeated key, rows sorted by key,
and stands under its name only when whole (temporary name, fsync, rename). Equal rows give equal bytes whatever their
order. A read file is checked for columns and types. Grain of each table: one row a key.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from dast.errors import TableError

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


def frame(table: Table, rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows as a frame of the table's columns and types; an empty input gives an empty frame of that shape."""
    # Rows given straight to an Enum column lose an unknown category to null without a word; a cast refuses it.
    loose = {name: pl.String if isinstance(kind, pl.Enum) else kind for name, kind in table.schema.items()}
    try:
        return pl.DataFrame(list(rows), schema=pl.Schema(loose), strict=True).cast(pl.Schema(table.schema))
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise TableError(f"{table.name}: rows do not fit the table: {_first_line(error)}") from error


def read(table: Table, path: Path) -> pl.DataFrame:
    """The table at `path`.

    Raises:
        TableError: no such file, not Parquet, or columns or types that differ from the contract.
    """
    if not path.exists():
        raise TableError(f"{path}: no such table ({table.name}); run the stage that writes it")
    try:
        rows = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise TableError(f"{path}: not a readable Parquet file: {_first_line(error)}") from error
    _check_columns(table, rows, str(path))
    return rows


def write(table: Table, rows: pl.DataFrame, path: Path) -> None:
    """Writes the checked rows, sorted by key, so that a reader sees the whole file or none.

    Raises:
        TableError: columns, types, nulls or keys that break the contract, or no room; nothing is written then.
    """
    _check_columns(table, rows, f"{table.name} for {path}")
    _check_rows(table, rows, f"{table.name} for {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    ordered = rows.select(table.schema.keys()).sort(table.key)
    try:
        ordered.write_parquet(temporary, compression="zstd", statistics=False)
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    except (OSError, pl.exceptions.ComputeError) as error:  # polars tells of a full disk by a ComputeError
        temporary.unlink(missing_ok=True)
        raise TableError(f"{path}: cannot be written: {_first_line(error)}; free space, and run again") from error


def read_all(table: Table, folder: Path) -> pl.DataFrame:
    """Every `*.parquet` of a folder as one frame, in the order of the file names; empty when there is none."""
    if not folder.is_dir():
        raise TableError(f"{folder}: no such folder of {table.name} tables; run the stage that writes it")
    return pl.concat([frame(table, []), *(read(table, path) for path in sorted(folder.glob("*.parquet")))])


def _check_columns(table: Table, rows: pl.DataFrame, where: str) -> None:
    faults = [f"no column {name}" for name in table.schema if name not in rows.columns]
    faults += [f"unknown column {name}" for name in rows.columns if name not in table.schema]
    faults += [
        f"column {name} is {rows.schema[name]}, not {kind}"
        for name, kind in table.schema.items()
        if name in rows.columns and rows.schema[name] != kind
    ]
    if faults:
        raise TableError(f"{where}: {'; '.join(faults)}")


def _check_rows(table: Table, rows: pl.DataFrame, where: str) -> None:
    required = [name for name in table.schema if name not in table.nullable]
    nulls = rows.select(pl.col(required).null_count()).row(0, named=True) if required else {}
    faults = [f"{count} rows have no {name}" for name, count in nulls.items() if count]
    repeated = rows.height - rows.n_unique(subset=list(table.key)) if rows.height else 0
    if repeated:
        faults.append(f"{repeated} rows repeat a key ({', '.join(table.key)})")
    if faults:
        raise TableError(f"{where}: {'; '.join(faults)}")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
