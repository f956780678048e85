"""The recorded responses to GSM8K's test questions, and pools drawn from them.

Files: `test.jsonl` and `example_model_solutions.jsonl` of openai/grade-school-math (folder grade_school_math/data/),
read from data/raw/gsm8k/. Grain: one response.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from dast import tables
from dast.answers import reference_answer
from dast.frames import frame
from dast.grading import Attempt

RAW = Path(__file__).parent.parent / "data" / "raw" / "gsm8k"
MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
SEED, SAMPLES = 1, 16


class Row(NamedTuple):
    """A recorded response with its reference and the publisher's verdict."""

    query: str
    answer: str
    response: str
    label: bool


def recorded() -> list[Row]:
    """All 5,276, the four of a query side by side."""
    tests = [json.loads(line) for line in (RAW / "test.jsonl").read_text(encoding="utf-8").splitlines()]
    answers = {row["question"]: reference_answer(row["answer"], "hash") for row in tests}
    lines = (RAW / "example_model_solutions.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        Row(row["question"], answers[row["question"]], row[model]["solution"], row[model]["is_correct"])
        for row in map(json.loads, lines)
        for model in MODELS
    ]


def drawn(rows: Sequence[Row], count: int) -> list[Row]:
    """A pool as sampling leaves it: `SAMPLES` of a random query's four responses with replacement, and so on."""
    dice = random.Random(SEED)
    queries = [rows[place : place + len(MODELS)] for place in range(0, len(rows), len(MODELS))]
    chosen = (dice.choice(queries) for _ in range(count // SAMPLES))
    return [dice.choice(responses) for responses in chosen for _ in range(SAMPLES)]


def distinct(rows: Sequence[Row]) -> list[Row]:
    """The same with a line of its own in front of each response."""
    return [row._replace(response=f"Attempt {place}.\n{row.response}") for place, row in enumerate(rows)]


def attempts_of(rows: Sequence[Row]) -> list[Attempt]:
    """The rows as the grader takes them."""
    return [Attempt(row.answer, row.response, "recorded", row.query) for row in rows]


def frames(rows: Sequence[Row]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The table ROLLOUTS and, with the columns that grading reads, the queries."""
    ids = {query: f"q{place}" for place, query in enumerate(dict.fromkeys(row.query for row in rows))}
    fixed: dict[str, Any] = {"step": "sample", "prompt_digest": "p", "settings_digest": "s", "policy": "recorded"}
    fixed |= {"n_prompt_tokens": None, "n_tokens": None, "n_hint_tokens": 0, "finish_reason": "recorded"}
    rollouts = [
        {"query_id": ids[row.query], "rollout_id": f"r{place}", "sample_index": place, "response": row.response} | fixed
        for place, row in enumerate(rows)
    ]
    about = {row.query: row.answer for row in rows}
    queries = {"query_id": list(ids.values()), "query": list(ids), "answer": [about[query] for query in ids]}
    return frame(tables.ROLLOUTS, rollouts), pl.DataFrame(queries).with_columns(tolerance=pl.lit(None, pl.Float64))
