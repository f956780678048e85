"""Small rounds to build from: rows with what differs from an ordinary rollout, and the default settings changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from dast.building.sets import Built, build_sets
from dast.frames import frame
from dast.params.build import Build
from dast.tables import GRADED, PROMPTS, SFT
from tests.makers import default_settings, difficulty_table, graded_row, queries_table

SETTINGS = default_settings()
LEVELS: dict[str, str | None] = {"q000": "easy", "q001": "hard", "q002": "unsolved", "q003": None}


def settings(**changes: Any) -> Build:
    """The default `build`, with keys of it or of `guards` changed."""
    raw = SETTINGS.build.model_dump()
    guards = {name: changes.pop(name) for name in list(changes) if name in raw["guards"]}
    return Build.model_validate({**raw, **changes, "guards": {**raw["guards"], **guards}})


def rollouts(*rows: tuple[str, str, str] | tuple[str, str, str, Mapping[str, Any]]) -> pl.DataFrame:
    """Graded rollouts of (query, response, verdict), and what else differs."""
    made = []
    for index, (query_id, response, verdict, *rest) in enumerate(rows):
        changes = {
            "rollout_id": f"r{index:03}",
            "response": response,
            "n_tokens": len(response),
            **(rest[0] if rest else {}),
        }
        made.append(graded_row(query_id, index, verdict, **changes))
    return frame(GRADED, made)


def build(graded: pl.DataFrame, **changes: Any) -> Built:
    """The sets of four queries; `levels`, `prompts`, `previous` and `n` replace what is usual."""
    levels, prompts = changes.pop("levels", LEVELS), changes.pop("prompts", frame(PROMPTS, []))
    return build_sets(
        queries=queries_table(changes.pop("n", 4)),
        graded=graded,
        prompts=prompts,
        difficulty=changes.pop("difficulty", difficulty_table(levels)),
        previous=changes.pop("previous", frame(SFT, [])),
        style=SETTINGS.prompt.tuned,
        settings=settings(**changes),
        round_name="r1",
    )


def texts(built: Built) -> list[str]:
    """Completions of the SFT set."""
    return [turns[0]["content"] for turns in built.sft["completion"]]


def pairs(built: Built) -> Sequence[tuple[str, str]]:
    """Texts of chosen and rejected."""
    return [(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in built.dpo.iter_rows(named=True)]
