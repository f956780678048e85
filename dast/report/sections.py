"""The story of a run in sections: a sentence that says what to read off, and the tables behind it.

Guarantees: a section or table whose stages have not run is there, and empty; figures are the small files' own. Grain:
one section a concern, over all rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dast.report import checks, leads, settings
from dast.report import rows as work
from dast.report.accuracy import Row, by_group, by_test_set, comparisons, comparisons_by_level, responses
from dast.report.metrics import RoundMetrics, gather

Rounds = Sequence[RoundMetrics]

_PERCENT = (
    "Percent, with the interval that `intervals.confidence` asks for; guess always gives its level's commonest answer."
)
_RESPONSES = "Shares of all rollouts; truncated ones met the token limit. An ungraded one is no wrong answer."
_PAIRED = (
    "Differences in points with their interval, paired over queries; the gate asks all in-domain queries together."
)
_BY_LEVEL = (
    "pass@1 likewise, by the base's levels. So many verdicts are made that of twenty equal ones one is told apart."
)
_BY_NOISE = (
    "A level follows from a few rollouts, so some queries change it though the model solves them as often as before. "
    "By noise alone: how many would, were every rate unchanged, with the interval that holds 95 of 100 repetitions; "
    "exact, by each query's posterior."
)
_LADDER = "Rollouts by step and what they gave. Length control shows as longer correct responses than `sample`'s."
_BY_LUCK = (
    "Lengths are of the kept sampled responses; by luck: those with the right answer and a wrong step. Chosen longer "
    "by: characters of a pair's chosen response less those of the rejected one."
)
_SHARED = (
    "Train queries (base) and kept responses that have an n-gram in common with a test query, and those above "
    "`contamination.min_share`."
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


def sections_of(rounds: Rounds) -> list[Section]:
    """Every section, in the order in which they are read."""
    tellers = (
        *(_rounds, _accuracy, _mix, _moves, _pass_rates, _lengths),
        *(_allocation, _ladder, _sets, _training, _cost, _audits),
    )
    return [tell(rounds) for tell in tellers]


def _rounds(rounds: Rounds) -> Section:
    made = Block("Rounds", "What each round is made from.", work.about(rounds))
    differ = Block("Parameters that differ", "All others are the same in every round.", settings.differing(rounds))
    return Section("rounds", "Rounds", leads.settings(rounds), (made, differ))


def _accuracy(rounds: Rounds) -> Section:
    rows, compared = _rows(rounds, "accuracy"), _rows(rounds, "comparisons")
    blocks = (
        Block("Accuracy by test set", _PERCENT, by_test_set(rows)),
        Block(
            "Accuracy in domain by source level",
            "pass@1 in percent, with its interval.",
            by_group(rows, "source_level"),
        ),
        Block(
            "Accuracy in domain by difficulty",
            "pass@1 in percent, with its interval; the base sets the levels.",
            by_group(rows, "level"),
        ),
        Block("Test responses", _RESPONSES, responses(_rows(rounds, "responses"))),
        Block("Compared", _PAIRED, comparisons(compared)),
        Block("Compared by difficulty", _BY_LEVEL, comparisons_by_level(compared)),
    )
    return Section("accuracy", "Accuracy", leads.accuracy(rows), blocks)


def _mix(rounds: Rounds) -> Section:
    rows = _rows(rounds, "levels")
    note = "Share of training queries by level, as the round's policy solves them."
    block = Block("Difficulty mix", note, work.mix(rows))
    return Section("mix", "Difficulty of the training queries", leads.mix(rows), (block,))


def _moves(rounds: Rounds) -> Section:
    rows = _rows(rounds, "transitions")
    block = Block("Level transitions", _BY_NOISE, work.moves(rows))
    return Section("moves", "Queries that changed level", leads.moves(rows), (block,))


def _pass_rates(rounds: Rounds) -> Section:
    return Section("pass_rates", "Pass rates", leads.pass_rates(_rows(rounds, "pass_rate")), ())


def _lengths(rounds: Rounds) -> Section:
    rows = _rows(rounds, "lengths")
    block = Block("Response lengths", "Of the plain rollouts.", work.lengths(rows))
    return Section("lengths", "Lengths", leads.lengths(rows), (block,))


def _allocation(rounds: Rounds) -> Section:
    rows = _rows(rounds, "allocation")
    note = "Expected before anything was spent, with its interval, and what became of it."
    blocks = (
        Block("Allocation", _formulas(rounds), work.allocation(rows)),
        Block("Forecast", note, work.forecast(_rows(rounds, "forecast"))),
    )
    return Section("allocation", "Allocation", leads.allocation(rows), blocks)


def _ladder(rounds: Rounds) -> Section:
    rows = _rows(rounds, "ladder")
    return Section("ladder", "Ladder", leads.ladder(rows), (Block("Ladder", _LADDER, work.ladder(rows)),))


def _sets(rounds: Rounds) -> Section:
    rows = _rows(rounds, "build")
    lead = leads.sets(rows, _rows(rounds, "levels"))
    return Section("sets", "Training sets", lead, (Block("Training sets", _BY_LUCK, work.sets(rows)),))


def _training(rounds: Rounds) -> Section:
    return Section("training", "Training", leads.training(rounds), ())


def _cost(rounds: Rounds) -> Section:
    note = "Sampled tokens, and the seconds that generating them took when they were generated."
    return Section("cost", "Cost", leads.cost(rounds), (Block("Cost", note, work.cost(rounds)),))


def _audits(rounds: Rounds) -> Section:
    note = "Distinct pairs of reference and predicted answer that a second path compared; it changes no verdict."
    blocks = (
        Block("Grading", note, checks.audits(rounds)),
        Block("Contamination", _SHARED, checks.contamination(rounds)),
        Block("Pairs to look at", "Disagreements first, then drawn at random.", checks.review(rounds), long=True),
    )
    return Section("audits", "Audits", leads.audits(rounds), blocks)


def _formulas(rounds: Rounds) -> str:
    """The table's note, and each strategy with its numbers and the rounds that followed it."""
    told = [(entry.name, entry.numbers().get("augment", {})) for entry in rounds]
    followed: dict[str, list[str]] = {}
    for name, about in told:
        if "formula" in about:
            followed.setdefault(f"`{about['strategy']}`: {about['formula']}", []).append(name)
    lines = [f"- {', '.join(names)}: {formula}" for formula, names in followed.items()]
    return "\n".join(["Wanted and got are correct responses; spent is rollouts.", *([""] if lines else []), *lines])


def _rows(rounds: Rounds, name: str) -> list[Row]:
    return gather(rounds, name, ())[1]
