"""The story of a run in sections: a sentence that says what to read off, and the tables behind it.

Guarantees: a section or table whose stages have not run is there, and empty; figures are the small files' own. Grain:
one section a concern, over all rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dast.report import checks, leads, settings
from dast.report import rows as work
from dast.report.accuracy import Row, by_group, by_test_set, comparisons, responses
from dast.report.metrics import RoundMetrics, gather

_BY_LUCK = (
    "Lengths are of the kept sampled responses; by luck: those with the right answer and a wrong step. Chosen longer "
    "by: characters of a pair's chosen response less those of the rejected one."
)


@dataclass(frozen=True)
class Block:
    """A table with what one must know to read it; `long` ones stand in the page alone, folded."""

    title: str
    note: str
    rows: list[Row]
    long: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the story; plots name it by `key`."""

    key: str
    title: str
    lead: str
    """What to read off, said from the figures; empty when there are none."""
    blocks: tuple[Block, ...]


def sections_of(rounds: Sequence[RoundMetrics]) -> list[Section]:
    """Every section, in the order in which they are read."""
    return [*_results(rounds), *_work(rounds), *_guards(rounds)]


def _results(rounds: Sequence[RoundMetrics]) -> list[Section]:
    accuracy, levels, moved = (_rows(rounds, name) for name in ("accuracy", "levels", "transitions"))
    percent = "Percent, with the interval that `intervals.confidence` asks for; guess always gives its level's commonest answer."
    paired = "Differences in points with their interval, paired over queries; the gate asks all in-domain queries together."
    shares = "Shares of all rollouts; truncated ones met the token limit. An ungraded one is no wrong answer."
    return [
        Section(
            "accuracy",
            "Accuracy",
            leads.accuracy(accuracy),
            (
                Block("Accuracy by test set", percent, by_test_set(accuracy)),
                Block(
                    "Accuracy in domain by source level",
                    "pass@1 in percent, with its interval.",
                    by_group(accuracy, "source_level"),
                ),
                Block(
                    "Accuracy in domain by difficulty",
                    "pass@1 in percent, with its interval; the base sets the levels.",
                    by_group(accuracy, "level"),
                ),
                Block("Test responses", shares, responses(_rows(rounds, "responses"))),
                Block("Compared", paired, comparisons(_rows(rounds, "comparisons"))),
            ),
        ),
        Section(
            "mix",
            "Difficulty of the training queries",
            leads.mix(levels),
            (
                Block(
                    "Difficulty mix",
                    "Share of training queries by level, as the round's policy solves them.",
                    work.mix(levels),
                ),
            ),
        ),
        Section(
            "moves",
            "Queries that changed level",
            leads.moves(moved),
            (
                Block(
                    "Level transitions",
                    "A level follows from a few rollouts, so some queries change it though the model solves them as "
                    "often as before. By noise alone: how many would, were every rate unchanged, with the interval "
                    "that holds 95 of 100 repetitions; exact, by each query's posterior.",
                    work.moves(moved),
                ),
            ),
        ),
        Section("pass_rates", "Pass rates", leads.pass_rates(_rows(rounds, "pass_rate")), ()),
    ]


def _work(rounds: Sequence[RoundMetrics]) -> list[Section]:
    rows = {
        name: _rows(rounds, name) for name in ("lengths", "allocation", "forecast", "ladder", "levels", "build")
    }
    return [
        Section(
            "lengths",
            "Lengths",
            leads.lengths(rows["lengths"]),
            (Block("Response lengths", "Of the plain rollouts.", work.lengths(rows["lengths"])),),
        ),
        Section(
            "allocation",
            "Allocation",
            leads.allocation(rows["allocation"]),
            (
                Block("Allocation", _formulas(rounds), work.allocation(rows["allocation"])),
                Block(
                    "Forecast",
                    "Expected before anything was spent, with its interval, and what became of it.",
                    work.forecast(rows["forecast"]),
                ),
            ),
        ),
        Section(
            "ladder",
            "Ladder",
            leads.ladder(rows["ladder"]),
            (
                Block(
                    "Ladder",
                    "Rollouts by step and what they gave. Length control shows as longer correct responses than "
                    "`sample`'s.",
                    work.ladder(rows["ladder"]),
                ),
            ),
        ),
        Section(
            "sets",
            "Training sets",
            leads.sets(rows["build"], rows["levels"]),
            (Block("Training sets", _BY_LUCK, work.sets(rows["build"])),),
        ),
        Section("training", "Training", leads.training(rounds), ()),
        Section(
            "cost",
            "Cost",
            leads.cost(rounds),
            (
                Block(
                    "Cost",
                    "Sampled tokens, and the seconds that generating them took when they were generated.",
                    work.cost(rounds),
                ),
            ),
        ),
    ]


def _guards(rounds: Sequence[RoundMetrics]) -> list[Section]:
    shared = (
        "Train queries (base) and kept responses that have an n-gram in common with a test query, and those above "
        "`contamination.min_share`."
    )
    return [
        Section(
            "settings",
            "What was set differently",
            leads.settings(rounds),
            (
                Block("Rounds", "What each round is made from.", work.about(rounds)),
                Block("Parameters that differ", "All others are the same in every round.", settings.differing(rounds)),
            ),
        ),
        Section(
            "audits",
            "Audits",
            leads.audits(rounds),
            (
                Block(
                    "Grading",
                    "Distinct pairs of reference and predicted answer that a second path compared; it changes no "
                    "verdict.",
                    checks.audits(rounds),
                ),
                Block("Contamination", shared, checks.contamination(rounds)),
                Block("Pairs to look at", "Disagreements first, then drawn at random.", checks.review(rounds), long=True),
            ),
        ),
    ]


def _formulas(rounds: Sequence[RoundMetrics]) -> str:
    """The table's note, and each strategy with its numbers and the rounds that followed it."""
    told = [(entry.name, entry.numbers().get("augment", {})) for entry in rounds]
    followed: dict[str, list[str]] = {}
    for name, about in told:
        if "formula" in about:
            followed.setdefault(f"`{about['strategy']}`: {about['formula']}", []).append(name)
    lines = [f"- {', '.join(names)}: {formula}" for formula, names in followed.items()]
    return "\n".join(["Wanted and got are correct responses; spent is rollouts.", *([""] if lines else []), *lines])


def _rows(rounds: Sequence[RoundMetrics], name: str) -> list[Row]:
    return gather(rounds, name, ())[1]
