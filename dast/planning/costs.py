"""What a stage would cost, told from the ledgers of stages that ran.

Guarantees: a cost is that of the same stage of the same round where it has run, else of the nearest round's, scaled to
what the params ask for now; a stage whose like never ran has none, and one that neither samples nor trains costs
nothing worth telling. Nothing heavy is imported. Grain: one `Cost` a stage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dast.params.project import Project
from dast.report.metrics import BASE, RoundMetrics

COSTLY = ("evaluate_base", "sample", "augment", "train", "evaluate")
"""Stages that generate or train."""


@dataclass(frozen=True)
class Cost:
    """An expectation; seconds are those that generating or training took on the machine that did it."""

    told_from: str
    """The round whose stage it is told from."""
    n_rollouts: int = 0
    n_tokens: int = 0
    """Generated ones."""
    steps: int = 0
    """Of an optimiser."""
    seconds: float = 0.0

    def share(self, n_rollouts: int) -> Cost:
        """What `n_rollouts` of them cost."""
        part = n_rollouts / self.n_rollouts if self.n_rollouts else 0.0
        return Cost(self.told_from, n_rollouts, round(self.n_tokens * part), self.steps, self.seconds * part)


def expected(stage: str, project: Project, rounds: Sequence[RoundMetrics]) -> Cost | None:
    """The cost of one stage, by its name in the pipeline; None where no like of it ran, or it costs nothing.

    Args:
        stage: Such as `sample@r2`.
        project: The params as they are now.
        rounds: Small files of base and rounds.
    """
    kind, name = split(stage)
    if kind not in COSTLY:
        return None
    settings = project.settings_of(name) if name != BASE else dict(project.raw["defaults"])
    for entry in _nearest(name, rounds):
        numbers = entry.numbers()
        match kind:
            case "sample" if "sample" in numbers:
                return _sampled(entry.name, numbers["sample"], settings)
            case "augment" if "ledger" in numbers.get("augment", {}):
                return _augmented(entry.name, numbers["augment"], settings)
            case "evaluate" | "evaluate_base" if "ledger" in numbers.get("evaluate", {}):
                return _evaluated(entry, numbers["evaluate"], settings, name)
            case "train" if numbers.get("train", {}).get("method") == settings["round"]["method"]:
                return _trained(entry.name, numbers["train"], settings)
    return None


def split(stage: str) -> tuple[str, str]:
    """A stage's kind and its round; stages of no round are the base's."""
    kind, _, name = stage.partition("@")
    return kind, name or BASE


def _nearest(name: str, rounds: Sequence[RoundMetrics]) -> Iterator[RoundMetrics]:
    """The round itself, then those before it, the last first, then those behind it; a new one comes last."""
    names = [entry.name for entry in rounds]
    place = names.index(name) if name in names else len(names)
    yield from (entry for entry in rounds if entry.name == name)
    yield from reversed(rounds[:place])
    yield from rounds[place + 1 :]


def _sampled(name: str, told: Mapping[str, Any], settings: Mapping[str, Any]) -> Cost:
    whole = Cost(name, told["n_rollouts"], told.get("n_tokens") or 0, 0, told.get("seconds") or 0.0)
    return whole.share(told["n_queries"] * settings["sample"]["n_rollouts"])


def _augmented(name: str, told: Mapping[str, Any], settings: Mapping[str, Any]) -> Cost:
    whole = _ledger(name, told["ledger"])
    budget = settings["augment"]["budget"]
    if told.get("unit") != budget["unit"] or not told.get("budget"):
        return whole
    return whole.share(round(whole.n_rollouts * budget["per_query"] * told["n_queries"] / told["budget"]))


def _evaluated(entry: RoundMetrics, told: Mapping[str, Any], settings: Mapping[str, Any], name: str) -> Cost:
    wish = settings["evaluate"]
    sets = {row["test_set"]: int(row["n_queries"]) for row in entry.rows("accuracy") if row["group"] == "all"}
    each = wish["n_samples"] + wish["greedy"] + (wish["n_level_rollouts"] if name == BASE else 0)
    return _ledger(entry.name, told["ledger"]).share(sum(sets.values()) * each)


def _trained(name: str, told: Mapping[str, Any], settings: Mapping[str, Any]) -> Cost:
    steps = settings["train"][told["method"]]["steps"] or told["steps"]
    return Cost(name, steps=steps, seconds=(told.get("seconds") or 0.0) * steps / max(told["steps"], 1))


def _ledger(name: str, levels: Mapping[str, Mapping[str, Any]]) -> Cost:
    def total(key: str) -> Any:
        return sum(row.get(key) or 0 for row in levels.values())

    return Cost(name, total("n_rollouts"), total("n_tokens"), 0, total("seconds"))
