"""A small round of every config, and its package as the stage makes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from dast import frames, tables
from dast.params.project import load_project, merge
from dast.params.writing import yaml_text
from dast.prompts import completion
from dast.smallfiles import write_csv, write_json
from dast.tables import Table
from stages import package
from tests.makers import ROOT

LINE: Mapping[str, Table] = {
    "sft": tables.SFT,
    "dpo": tables.DPO,
    "queries": tables.QUERIES,
    "rollouts": tables.GRADED,
    "prompts": tables.PROMPTS,
    "settings": tables.SETTINGS,
    "difficulty": tables.DIFFICULTY,
    "allocation": tables.ALLOCATION,
    "unsolved": tables.UNSOLVED,
    "suspects": tables.SUSPECTS,
}
"""The line's own table of each config."""

ASKED = [{"role": "user", "content": "What is 1 + 1?"}]


def query(index: int, licence: str = "MIT") -> dict[str, Any]:
    return {
        "query_id": f"q{index}",
        "source": "tiny",
        "query": f"What is {index} + 1?",
        "answer": str(index + 1),
        "solution": None,
        "source_level": None,
        "licence": licence,
    }


def rollout(index: int, number: int, step: str = "sample", verdict: str = "correct") -> dict[str, Any]:
    return {
        "query_id": f"q{index}",
        "rollout_id": f"{step}-{number}",
        "step": step,
        "sample_index": number,
        "prompt_digest": "p",
        "settings_digest": "s",
        "policy": "base",
        "response": "It is 2.",
        "n_prompt_tokens": 5,
        "n_tokens": 4,
        "n_hint_tokens": 0,
        "finish_reason": "stop",
        "predicted": "2",
        "verdict": verdict,
        "reason": None,
    }


def sft_row(index: int, number: int) -> dict[str, Any]:
    return {
        "query_id": f"q{index}",
        "rollout_id": f"sample-{number}",
        "level": "easy",
        "round": "r1",
        "origin": "self",
        "n_alike": 1,
        "prompt": ASKED,
        "completion": completion("It is 2."),
    }


def rows_of_configs(n_rows: int = 5) -> dict[str, pl.DataFrame]:
    """Rows of every config; dpo, unsolved and suspects are empty."""
    level = {"level": "easy"}
    filled: dict[str, list[dict[str, Any]]] = {
        "sft": [sft_row(1, number) for number in range(n_rows)],
        "queries": [query(1), query(2, "CC-BY-4.0")],
        "rollouts": [rollout(1, 0), rollout(2, 0, verdict="incorrect"), rollout(1, 0, "more")],
        "prompts": [{"prompt_digest": "p", "messages": ASKED}],
        "settings": [{"settings_digest": "s", "settings": '{"temperature": 0.7}'}],
        "difficulty": [
            {
                "query_id": "q1",
                "n_graded": 1,
                "n_correct": 1,
                "pass_rate": 1.0,
                "pass_rate_mean": 0.7,
                "pass_rate_low": 0.2,
                "pass_rate_high": 1.0,
                **level,
                "decided": False,
            },
            {"query_id": "q2", "n_graded": 0, "n_correct": 0},
        ],
        "allocation": [
            {
                "query_id": "q1",
                **level,
                "wanted": 1,
                "cap": 8,
                "spent": 2,
                "spent_tokens": 9,
                "got": 2,
                "outcome": "quota_met",
            },
            {
                "query_id": "q2",
                "level": None,
                "wanted": 0,
                "cap": 8,
                "spent": 1,
                "spent_tokens": 5,
                "got": 0,
                "outcome": "not_wanted",
            },
        ],
    }
    whole = {
        config: [dict.fromkeys(table.schema) | row for row in filled.get(config, [])] for config, table in LINE.items()
    }
    return {config: frames.frame(table, whole[config]) for config, table in LINE.items()}


def held_row(text: str) -> dict[str, Any]:
    return {**query(9), "query_id": "t", "query": text, "test_set": "held", "domain": "in"}


def pair_row(index: int, chosen: str = "sample-0", rejected: str = "sample-1") -> dict[str, Any]:
    return {
        "query_id": f"q{index}",
        "chosen_id": chosen,
        "rejected_id": rejected,
        "level": "easy",
        "round": "r1",
        "prompt": ASKED,
        "chosen": completion("It is 2."),
        "rejected": completion("It is 3."),
    }


def shared(part: str, index: int, rollout_id: str = "", contaminated: bool = True) -> dict[str, Any]:
    """Evidence that a query or response has words in common with the test query t of the set held."""
    return {
        "part": part,
        "query_id": f"q{index}",
        "rollout_id": rollout_id,
        "test_set": "held",
        "test_query_id": "t",
        "test_part": "query",
        "kind": "n_gram",
        "n_shared": 3,
        "share": 0.6,
        "test_share": 0.7,
        "words": "a b c",
        "contaminated": contaminated,
    }


def run_stage(
    folder: Path,
    rows: Mapping[str, pl.DataFrame],
    tests: list[dict[str, Any]],
    *,
    found: list[dict[str, Any]] | None = None,
    round_name: str = "r1",
    policy: str = "base",
    **changes: Any,
) -> Path:
    """Writes every input of the stage below `folder`, runs it, and gives the package's folder.

    Args:
        folder: Made where it is not there.
        rows: Rows of every config, in the line's own tables.
        tests: Rows of the test set held; none writes no set.
        found: Evidence (CONTAMINATION).
        round_name: Its package is `<folder>/<round>/hub`.
        policy: Base, or a round packaged below the same folder.
        changes: Sections of the default settings and what differs in them.
    """
    made = folder / round_name
    graded, evidence = rows["rollouts"], frames.frame(tables.CONTAMINATION, found or [])
    parts = {
        **{name: (LINE[name], rows[name]) for name in LINE if name != "rollouts"},
        "graded": (tables.GRADED, graded.filter(pl.col("step") == "sample")),
        "augmented": (tables.GRADED, graded.filter(pl.col("step") != "sample")),
        "augmented_prompts": (tables.PROMPTS, rows["prompts"]),
        "augmented_settings": (tables.SETTINGS, rows["settings"]),
        "pool": (tables.POOL, frames.frame(tables.POOL, [])),
        "query_contamination": (tables.CONTAMINATION, evidence.filter(pl.col("part") == "query")),
        "contamination": (tables.CONTAMINATION, evidence.filter(pl.col("part") == "response")),
    }
    for name, (table, part) in parts.items():
        frames.write(table, part, made / f"{name}.parquet")
    (made / "tests").mkdir(exist_ok=True)
    if tests:
        frames.write(tables.TEST_QUERIES, frames.frame(tables.TEST_QUERIES, tests), made / "tests" / "held.parquet")
    resolved = merge(load_project(ROOT / "presets" / "default.yaml").settings_of("r1"), changes)
    (made / "params.yaml").write_text(yaml_text(resolved), encoding="utf-8")
    audit = {"n_pairs": 9, "n_checked": 8, "n_disagree": 1, "n_accepted_yet_different": 0, "n_refused_yet_equal": 1}
    write_json(made / "difficulty.json", {"agreement_rate": 0.975, "audit": audit})
    write_json(made / "augment.json", {"n_newly_solved": 3, "audit": {**audit, "n_pairs": 0}})
    write_json(made / "build.json", {"left_out": {"incorrect": 7, "repetition": 0}})
    build = [{"level": "easy", "n_self": 5, "asked_rate": 0.5, "got_rate": 1.0, "lucky_rate": 0.25}]
    write_csv(made / "build.csv", build)
    package.main(
        params=made / "params.yaml",
        round_name=round_name,
        policy=policy,
        levels=round_name,
        **{name: made / f"{name}.parquet" for name in parts},
        tests=made / "tests",
        earlier=folder / policy / "hub",
        hub=made / "hub",
        metrics=made / "package.json",
        score_metrics=made / "difficulty.json",
        augment_metrics=made / "augment.json",
        build_metrics=made / "build.json",
        build_plot=made / "build.csv",
    )
    return made / "hub"


def card_of(hub: Path) -> str:
    return (hub / "README.md").read_text(encoding="utf-8")
