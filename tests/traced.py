"""A small round whose every kind of row can be traced: as a package, and as a clone that git and dvc.lock record."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from dast import tables
from dast.building.sets import build_sets
from dast.frames import frame
from dast.params.build import Build
from dast.params.project import load_project, merge
from dast.params.writing import yaml_text
from dast.prompts import prompt_digest
from tests.builders import SETTINGS
from tests.packages import query, rollout, rows_of_configs, run_stage
from tests.publishable import call, commit

PLAIN = {index: [{"role": "user", "content": f"What is {index} + 1?"}] for index in (1, 2, 3)}
MATCHED = [*PLAIN[2], {"role": "assistant", "content": "2+1=3; #### 3"}, *PLAIN[1]]
STARTED = [*PLAIN[3], {"role": "assistant", "content": "3+1="}]
PROMPTS = [*PLAIN.values(), MATCHED, STARTED]
BUILD = {"reference_rate": 0.25, "reference_chosen": True}

_SETTINGS = '{"engine": "transformers", "policy": "%s", "seed": 11, "temperature": 0.7}' % ("f" * 64)


def _rollout(index: int, number: int, step: str, text: str, verdict: str) -> dict[str, Any]:
    asked = {"matched": MATCHED, "hinted": STARTED}.get(step, PLAIN[index])
    return {
        **rollout(index, number, step, verdict),
        "rollout_id": f"q{index}-{number}",
        "prompt_digest": prompt_digest(asked),
        "response": text,
        "predicted": text.rpartition(" ")[2],
        "n_hint_tokens": 3 if step == "hinted" else 0,
    }


ROLLOUTS = [
    # Hard: one of four, then six further ones in two waves of four and two.
    *(_rollout(1, number, "sample", "1+1=3; #### 3", "incorrect") for number in range(2)),
    _rollout(1, 2, "sample", "1+1=2; #### 2", "correct"),
    _rollout(1, 3, "sample", "1+1=4; #### 4", "incorrect"),
    *(_rollout(1, number, "more", "1+1=5; #### 5", "incorrect") for number in range(4, 8)),
    _rollout(1, 8, "matched", "1+1=1+1=2; #### 2", "correct"),
    _rollout(1, 9, "matched", "1+1=2; #### 2", "correct"),
    # Easy: three say one thing, one another.
    *(_rollout(2, number, "sample", "2+1=3; #### 3", "correct") for number in range(3)),
    _rollout(2, 3, "sample", "1+2=3; #### 3", "correct"),
    # Unsolved.
    *(_rollout(3, number, "sample", f"3+1={number + 5}; #### {number + 5}", "incorrect") for number in range(4)),
    _rollout(3, 4, "hinted", "3+1=9; #### 9", "incorrect"),
]


def _difficulty(index: int, level: str, n_correct: int) -> dict[str, Any]:
    rate = n_correct / 4
    ends = {"pass_rate_low": rate / 2, "pass_rate_high": (1 + rate) / 2, "decided": False}
    return {
        "query_id": f"q{index}",
        "n_graded": 4,
        "n_correct": n_correct,
        "pass_rate": rate,
        "pass_rate_mean": rate,
        **ends,
        "level": level,
    }


def _allocation(index: int, level: str, wanted: int, spent: int, got: int, outcome: str) -> dict[str, Any]:
    counts = {"wanted": wanted, "cap": 32, "spent": spent, "spent_tokens": 4 * spent, "got": got, "chance": 0.5}
    return {"query_id": f"q{index}", "level": level, **counts, "outcome": outcome}


@cache
def rows(round_name: str = "r1") -> Mapping[str, pl.DataFrame]:
    """Rows of every config; the sets are what `build` makes of the others."""
    queries = [{**query(index), "solution": f"{index}+1={index + 1}; #### {index + 1}"} for index in (1, 2, 3)]
    levels = [_difficulty(1, "hard", 1), _difficulty(2, "easy", 4), _difficulty(3, "unsolved", 0)]
    spent = [
        *(_allocation(1, "hard", 4, 10, 3, "budget"), _allocation(2, "easy", 1, 4, 4, "quota_met")),
        _allocation(3, "unsolved", 4, 5, 0, "budget"),
    ]
    made = {
        **rows_of_configs(),
        "queries": frame(tables.QUERIES, queries),
        "rollouts": frame(tables.GRADED, ROLLOUTS),
        "prompts": frame(tables.PROMPTS, [{"prompt_digest": prompt_digest(one), "messages": one} for one in PROMPTS]),
        "settings": frame(tables.SETTINGS, [{"settings_digest": "s", "settings": _SETTINGS}]),
        "difficulty": frame(tables.DIFFICULTY, levels),
        "allocation": frame(tables.ALLOCATION, spent),
    }
    built = build_sets(
        queries=made["queries"],
        graded=made["rollouts"],
        prompts=made["prompts"],
        difficulty=made["difficulty"],
        previous=frame(tables.SFT, []),
        style=SETTINGS.prompt.tuned,
        settings=Build.model_validate({**SETTINGS.build.model_dump(), **BUILD}),
        round_name=round_name,
    )
    return {**made, "sft": built.sft, "dpo": built.dpo}


def make_package(folder: Path, round_name: str = "r1", **changes: Any) -> Path:
    """The round's package, as the stage makes it below `folder`; sections of the settings may differ further."""
    return run_stage(folder, rows(round_name), [], round_name=round_name, build=BUILD, **changes)


def make_clone(root: Path) -> str:
    """A project with the round at `root`, committed; gives the commit."""
    make_package(root / "data")
    for old, new in {"queries.parquet": "queries/train.parquet", "params.yaml": "metrics/r1/params.yaml"}.items():
        (root / "data" / new).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(root / "data" / "r1" / old, root / "data" / new)
    paths = [
        "data/queries/train.parquet",
        *(f"data/r1/{name}.parquet" for name in ("sft", "dpo", "graded", "augmented")),
    ]
    outs = [{"path": path, "md5": hashlib.md5((root / path).read_bytes()).hexdigest()} for path in paths]
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / "dvc.lock").write_text(yaml_text({"schema": "2.0", "stages": {"made": {"outs": outs}}}))
    (root / ".gitignore").write_text("*.parquet\nhub/\n")
    call(root, "git", "init", "-q")
    return commit(root, "made")


def add_round(root: Path) -> None:
    """A second round that takes over the first one's SFT rows and has none of its own."""
    shutil.copytree(root / "data" / "r1", root / "data" / "r2")
    raw = merge(load_project(Path("presets/default.yaml")).settings_of("r2"), {"build": {**BUILD, "accumulate": True}})
    (root / "data" / "metrics" / "r2").mkdir()
    (root / "data" / "metrics" / "r2" / "params.yaml").write_text(yaml_text(raw))
