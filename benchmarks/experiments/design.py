"""The design of the experiments: what design.yaml says, which runs follow from it, and whether it is committed.

Guarantees: a name that the file does not define is refused; the runs come in the order of the schedule, what matters
most first and whole tiers before the next one; the digest is of the file's content, comments left out. Grain: one run.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from dast.errors import CommandError
from dast.params.project import load_yaml, merge
from dast.params.section import Count, PositiveCount, Rate, Section, Text
from dast.prompts import digest

PATH = Path(__file__).parent / "design.yaml"
FIXED = Path(__file__).parent / "defaults.yaml"
"""What the design is laid over."""

Kind = Literal["test", "validation"]
LevelName = Literal["easy", "medium", "hard", "unsolved"]
EVERY_LEVEL: tuple[LevelName, ...] = ("easy", "medium", "hard", "unsolved")


class Run(NamedTuple):
    """One arm from base to its last round: the grain of a row."""

    arm: str
    budget: str
    base: int
    data: int

    @property
    def block(self) -> tuple[int, int]:
        """Base and data seed."""
        return self.base, self.data


class Arm(Section):
    """What is played: parts of settings, laid over one another, and how the rounds hang together."""

    about: Text
    parts: list[Text]
    dpo_from: PositiveCount | None = None
    """First round that trains on pairs; null for none."""
    dpo_parts: list[Text] = Field(default_factory=list)
    """Parts of those rounds alone."""
    levels: Literal["own", "first"] = "own"
    """Levels that steer a round: its own estimate, or the first round's."""
    init: Literal["policy", "base"] = "policy"
    """Where training starts."""


class Seeds(Section):
    """Seeds of bases, and of the draws of queries and rollouts within each base."""

    bases: list[Count]
    data: list[Count]


class Tier(Section):
    """Runs that are finished before the next tier's begin."""

    name: Text
    arms: list[Text]
    budgets: list[Text]
    bases: PositiveCount
    """The first so many bases."""
    data: PositiveCount
    """The first so many data seeds of each."""


class Contrast(Section):
    """`arm` less `against` on the queries of a test set, averaged over budgets."""

    name: Text
    arm: Text
    against: Text
    test_set: Text
    levels: list[LevelName] = Field(default_factory=lambda: list(EVERY_LEVEL))
    """Levels, by the base, of the queries that count."""
    less: Text | None = None
    """Another test set, whose difference is taken off: is the gain larger on `test_set`?"""
    question: Text | None = None
    """Key of the question that it helps to answer."""
    budgets: list[Text]


class Measure(Section):
    """What is compared: pass@1 of the samples after `round`."""

    round: PositiveCount
    rounds: PositiveCount
    """Rounds that every arm plays."""


class Bootstrap(Section):
    """Of the intervals."""

    draws: PositiveCount
    seed: Count
    interval: Rate


class Design(Section):
    """design.yaml as a whole."""

    settings: dict[str, Any]
    """Laid over presets/default.yaml for every arm."""
    parts: dict[str, dict[str, Any]]
    budgets: dict[str, dict[str, Any]]
    arms: dict[str, Arm]
    seeds: dict[Kind, Seeds]
    measure: Measure
    questions: dict[str, Text]
    """What the report answers, in order."""
    primary: list[Contrast]
    exploratory: list[Contrast]
    bootstrap: Bootstrap
    schedule: list[Tier]

    @model_validator(mode="after")
    def _names_known(self) -> Self:
        compared = [*self.primary, *self.exploratory]
        budgets = [budget for tier in self.schedule for budget in tier.budgets]
        named: dict[str, tuple[Iterable[str], Iterable[str]]] = {
            "part": ([p for arm in self.arms.values() for p in (*arm.parts, *arm.dpo_parts)], self.parts),
            "arm": ([a for tier in self.schedule for a in tier.arms], self.arms),
            "arm of a contrast": ([side for one in compared for side in (one.arm, one.against)], self.arms),
            "question": ([one.question for one in compared if one.question], self.questions),
            "budget": ([*budgets, *(budget for one in compared for budget in one.budgets)], self.budgets),
        }
        for what, (used, known) in named.items():
            if unknown := sorted(set(used) - set(known)):
                raise ValueError(f"no {what} {', '.join(unknown)}; there are {', '.join(known)}")
        return self

    @property
    def digest(self) -> str:
        """16 hex digits of everything that the file says."""
        return digest(self.model_dump(mode="json"))


def load_design(path: Path = PATH) -> Design:
    """The design.

    Raises:
        ValidationError: a fault in the file.
    """
    return Design.model_validate(load_yaml(path))


def varied(design: Design, settings: Mapping[str, Any]) -> Design:
    """The design with other settings, to be tried on validation seeds: one with a digest of its own, if any differ."""
    return design.model_copy(update={"settings": merge(design.settings, settings)})


def planned(design: Design, kind: Kind) -> list[Run]:
    """Every run of the schedule, each once, in the order in which they are to be played."""
    return list(dict.fromkeys(_scheduled(design, design.seeds[kind])))


def runs_of(arms: Iterable[str], budgets: Sequence[str], seeds: Seeds) -> list[Run]:
    """The named arms at each budget on each seed, a block at a time."""
    named = list(arms)
    return [Run(arm, b, base, data) for base in seeds.bases for data in seeds.data for b in budgets for arm in named]


def require_committed(paths: Iterable[Path] = (PATH, FIXED)) -> None:
    """Refuses a design that is not in git as it stands.

    Raises:
        CommandError: not committed, or changed since.
    """
    for path in paths:
        for command in (["ls-files", "--error-unmatch"], ["diff", "--quiet", "HEAD", "--"]):
            done = subprocess.run(["git", *command, path.name], cwd=path.parent, capture_output=True, check=False)
            if done.returncode:
                raise CommandError(
                    f"{path.name}: test seeds wait until the design is committed unchanged; commit it first"
                )


def _scheduled(design: Design, seeds: Seeds) -> Iterator[Run]:
    for tier in design.schedule:
        chosen = Seeds(bases=seeds.bases[: tier.bases], data=seeds.data[: tier.data])
        yield from runs_of(tier.arms, tier.budgets, chosen)
