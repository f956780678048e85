"""Small tables and a fake engine for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl

from dast.engines.protocol import Item, Response
from dast.frames import frame
from dast.params.decoding import Decoding
from dast.params.project import load_project
from dast.params.sections import Settings
from dast.tables import DIFFICULTY, GRADED, QUERIES

ROOT = Path(__file__).parent.parent


def default_settings() -> Settings:
    return load_project(ROOT / "presets" / "default.yaml").defaults


class FakeEngine:
    """Answers by a function of the item; keeps every batch it was given."""

    name = "fake"

    def __init__(self, answer: Callable[[Item], str | None]) -> None:
        self.answer = answer
        self.batches: list[tuple[list[Item], int]] = []

    def generate(self, batch: Sequence[Item], decoding: Decoding, seed: int) -> Iterator[tuple[Item, Response]]:
        self.batches.append((list(batch), seed))
        for item in batch:
            text = self.answer(item)
            if text is not None:
                yield item, Response(text, 3, 5, "stop")


def queries_table(n: int, answer: str = "4") -> pl.DataFrame:
    return frame(
        QUERIES,
        [
            {
                "query_id": f"q{index:03}",
                "source": "s",
                "query": f"What is {index} + 4 - {index}?",
                "answer": answer,
                "solution": f"{index}+4-{index}=4 #### 4",
                "source_level": None,
                "licence": "MIT",
            }
            for index in range(n)
        ],
    )


def graded_table(rows: Sequence[tuple[str, str, str, str]], finish: str = "stop") -> pl.DataFrame:
    """Rows of (query_id, rollout_id, response, verdict)."""
    return frame(
        GRADED,
        [
            {
                "query_id": query_id,
                "rollout_id": rollout_id,
                "step": "sample",
                "sample_index": index,
                "prompt_digest": "p",
                "settings_digest": "s",
                "policy": "base",
                "response": response,
                "n_prompt_tokens": 3,
                "n_tokens": 5,
                "n_hint_tokens": 0,
                "finish_reason": finish,
                "predicted": "4" if verdict == "correct" else "5",
                "verdict": verdict,
                "reason": None,
            }
            for index, (query_id, rollout_id, response, verdict) in enumerate(rows)
        ],
    )


def difficulty_table(levels: dict[str, str | None]) -> pl.DataFrame:
    about = {"n_graded": 4, "n_correct": 2, "pass_rate": 0.5, "pass_rate_mean": 0.5}
    about |= {"pass_rate_low": 0.2, "pass_rate_high": 0.8, "decided": False}
    return frame(DIFFICULTY, [{"query_id": query_id, "level": level, **about} for query_id, level in levels.items()])


def graded_row(query_id: str, index: int, verdict: str, **changes: object) -> dict[str, object]:
    """A recorded plain rollout that answers 1 and was graded so, with what differs from that."""
    row: dict[str, object] = {
        "query_id": query_id,
        "rollout_id": f"{query_id}-{index}-{changes.get('step', 'sample')}",
        "step": "sample",
        "sample_index": index,
        "prompt_digest": "p",
        "settings_digest": "s",
        "policy": "base",
        "response": "A: 1",
        "n_prompt_tokens": None,
        "n_tokens": None,
        "n_hint_tokens": 0,
        "finish_reason": "recorded",
        "predicted": "1",
        "verdict": verdict,
        "reason": None,
    }
    return row | changes


def graded_of(said: dict[str, str]) -> pl.DataFrame:
    """One query a key, one rollout a letter: C(orrect), N(o answer), U(ngraded); any other is that wrong answer."""
    verdicts = {"C": "correct", "N": "no_answer", "U": "ungraded"}
    return frame(
        GRADED,
        [
            graded_row(query_id, index, verdicts.get(letter, "incorrect"), predicted=None if letter in "NU" else letter)
            for query_id, letters in said.items()
            for index, letter in enumerate(letters)
        ],
    )
