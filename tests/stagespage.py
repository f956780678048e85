"""What docs/stages.md must say of each stage and table, from dvc.yaml and `dast.tables`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import polars as pl
from ruamel.yaml import YAML

from dast.tables import TABLES, Messages, Table
from tests.pages import ROOT

PIPELINE: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES: dict[str, dict[str, Any]] = {name: stage.get("do", stage) for name, stage in PIPELINE["stages"].items()}

EXTENDS = {"test_queries": "queries", "graded": "rollouts", "test_graded": "graded"}
"""Tables whose columns are another's and some more."""

_TYPES = {pl.String: "text", pl.Int32: "integer", pl.Int64: "integer", pl.Float64: "number", pl.Boolean: "true, false"}


def wiring(stage: str) -> dict[str, list[str]]:
    """What a stage's section lists: sections of params, tables and folders that it reads, and what it writes."""
    about = STAGES[stage]
    params = [_shown(section) for entry in about.get("params", []) for keys in entry.values() for section in keys]
    reads = [path for path in _paths(about.get("deps", [])) if not path.startswith(("dast/", "stages/", ".dvc/"))]
    outs = [*about.get("outs", []), *about.get("metrics", [])]
    in_git = [entry for entry in outs if isinstance(entry, dict)]
    cached = [entry for entry in outs if isinstance(entry, str)]
    told = {
        "Params": params,
        "Reads": reads,
        "Writes, kept by DVC": _paths(cached),
        "Writes, kept by git": _paths(in_git),
    }
    return {name: values for name, values in told.items() if values}


def columns(table: Table) -> list[tuple[str, str]]:
    """Name and type of each column that the table does not take over from another."""
    taken = TABLES[EXTENDS[table.name]].schema if table.name in EXTENDS else {}
    return [
        (name, _type(kind) + (" or null" if name in table.nullable else ""))
        for name, kind in table.schema.items()
        if name not in taken
    ]


def _type(kind: Any) -> str:
    if isinstance(kind, pl.Enum):
        return ", ".join(f"`{value}`" for value in kind.categories)
    return "messages" if kind == Messages else _TYPES[kind]


def _paths(entries: Sequence[Any]) -> list[str]:
    return [_shown(next(iter(entry)) if isinstance(entry, dict) else entry) for entry in entries]


def _shown(text: str) -> str:
    text = re.sub(r"\$\{key\}", "<round>", text)
    return re.sub(r"\$\{item\.(\w+)\}", r"<\1>", text).removeprefix("defaults.")
