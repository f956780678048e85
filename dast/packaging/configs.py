"""What a package holds: its configs, the columns of each, and their `datasets` features.

Guarantees: every row to train on carries round, query_id, the ids of its rollouts, level and origin. Grain: one config
a table.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
from datasets import Features, List, Value

from dast import tables
from dast.tables import Table

TRAINING_CONFIGS = ("sft", "dpo")

SHARED_CONFIGS = ("queries",)
"""The same in every round, so no splits by round."""

_ORIGIN = {"origin": tables.SFT.schema["origin"]}
_OF_ROW = ("query_id", "chosen_id", "rejected_id", "level", "round")

DPO = Table(
    tables.DPO.name,
    tables.DPO.key,
    {**{name: tables.DPO.schema[name] for name in _OF_ROW}, **_ORIGIN, **tables.DPO.schema},
    tables.DPO.nullable,
)
"""As the line's own, and whether the chosen response is the policy's or the reference solution."""

FULL: Mapping[str, Table] = {
    "sft": tables.SFT,
    "dpo": DPO,
    "queries": tables.QUERIES,
    "rollouts": tables.GRADED,
    "prompts": tables.PROMPTS,
    "settings": tables.SETTINGS,
    "difficulty": tables.DIFFICULTY,
    "allocation": tables.ALLOCATION,
    "unsolved": tables.UNSOLVED,
    "suspects": tables.SUSPECTS,
}
"""Configs in the card's order, the default one first."""

_TEXTS = {"query", "answer", "solution", "prompt"}
"""Columns that hold a source's own text."""


def _without_texts(table: Table) -> Table:
    schema = {
        ("answer_digest" if name == "answer" else name): (pl.String if name == "answer" else kind)
        for name, kind in table.schema.items()
        if name == "answer" or name not in _TEXTS
    }
    return Table(table.name, table.key, schema, table.nullable & schema.keys())


IDS_ONLY: Mapping[str, Table] = {name: _without_texts(table) for name, table in FULL.items() if name != "prompts"}
"""The same without any text of the sources: a digest stands for each answer, and nothing for queries and prompts."""


def published_tables(ids_only: bool) -> Mapping[str, Table]:
    """The configs of a package."""
    return IDS_ONLY if ids_only else FULL


def features_of(table: Table) -> Features:
    """Features of a table's columns: an enum becomes a string, messages a list of {role, content}."""
    return Features({name: _feature(kind) for name, kind in table.schema.items()})


def type_name(feature: object) -> str:
    """How a card names the type of a feature."""
    return "list of {role, content}" if isinstance(feature, List) else str(getattr(feature, "dtype", feature))


def _feature(kind: pl.DataType | type[pl.DataType]) -> object:
    if kind == tables.Messages:
        return List({"role": Value("string"), "content": Value("string")})
    if isinstance(kind, pl.Enum):
        return Value("string")
    return Value(_NAMES[kind])


_NAMES: Mapping[object, str] = {
    pl.String: "string",
    pl.Boolean: "bool",
    pl.Int32: "int32",
    pl.Int64: "int64",
    pl.Float64: "float64",
}
