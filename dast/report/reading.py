"""Rollouts and test responses of every round, for a person to browse in the page.

Guarantees: what a page has no room for is counted; every kind keeps its first rollouts before any keeps its second.
Grain: one rollout.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dast.markdown import NONE
from dast.report.metrics import RoundMetrics
from dast.smallfiles import read_json

_MOST_CHARS = 1_200_000
"""Of all rollouts together: with Vega's 0.9 MB the page stays below 3 MB, small enough for any mail."""
_MARKUP_CHARS = 900
"""What a rollout needs in the page beside its own text."""


@dataclass(frozen=True)
class Specimen:
    """A rollout and what is known of it; every field is text."""

    round: str
    source: str
    """`train`, or the test set's name."""
    level: str
    verdict: str
    step: str
    query: str
    answer: str
    predicted: str
    response: str
    facts: str

    @property
    def kind(self) -> tuple[str, ...]:
        """What a reader browses by."""
        return self.round, self.source, self.level, self.verdict


@dataclass(frozen=True)
class Browsed:
    """What the page shows, and of how many."""

    shown: list[Specimen]
    n_kept: int
    """Rollouts in the small files."""
    n_rollouts: int
    """Rollouts of training queries that there were."""


def browsed(rounds: Sequence[RoundMetrics]) -> Browsed:
    """The rollouts that there is room for, in the order of rounds, levels and verdicts."""
    files = [(entry.name, read_json(path)) for entry in rounds if (path := entry.folder / "rollouts.json").exists()]
    kept = [specimen for name, content in files for specimen in _of_training(name, content["rollouts"])]
    kept += [specimen for entry in rounds for specimen in _of_tests(entry)]
    n_rollouts = sum(row["n_rollouts"] for _, content in files for row in content["counts"])
    return Browsed(_fitting(kept), len(kept), n_rollouts)


def _of_training(name: str, rows: Sequence[dict[str, object]]) -> Iterator[Specimen]:
    for row in rows:
        known = (
            f"{row['n_tokens']} tokens" if row["n_tokens"] is not None else "",
            "cut off by the token limit" if row["finish_reason"] == "length" else "",
            f"query solved {row['n_correct']} of {row['n_graded']} times in plain rollouts",
            str(row["reason"] or ""),
            f"query {row['query_id']}",
        )
        yield _specimen(name, "train", row, " · ".join(filter(None, known)))


def _of_tests(entry: RoundMetrics) -> Iterator[Specimen]:
    path = entry.folder / "examples.json"
    for row in read_json(path)["examples"] if path.exists() else ():
        yield _specimen(entry.name, str(row["test_set"]), row, "test response")


def _specimen(name: str, source: str, row: dict[str, object], facts: str) -> Specimen:
    texts = {key: str(NONE if row.get(key) is None else row[key]) for key in ("level", "step", "predicted")}
    said = {key: str(row[key]) for key in ("query", "answer", "response")}
    return Specimen(name, source, verdict=str(row["verdict"]), facts=facts, **texts, **said)


def _fitting(kept: list[Specimen]) -> list[Specimen]:
    turns: dict[tuple[str, ...], int] = {}
    ranked = []
    for place, specimen in enumerate(kept):
        turns[specimen.kind] = turns.get(specimen.kind, -1) + 1
        ranked.append((turns[specimen.kind], place))
    room, fitting = _MOST_CHARS, []
    for _, place in sorted(ranked):
        room -= _MARKUP_CHARS + len(kept[place].query) + len(kept[place].response)
        if room < 0:
            break
        fitting.append(place)
    return [kept[place] for place in sorted(fitting)]
