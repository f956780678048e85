"""The plan as text and as JSON: what would run and why, what it would cost, what is reused.

Guarantees: a total counts every stage that may run, so it is the most that the plan expects; what cannot be told says
so. Grain: one line a stage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dast.planning.asking import Plan
from dast.planning.costs import COSTLY, Cost, split
from dast.progress import duration
from dast.report.metrics import BASE


@dataclass(frozen=True)
class Spending:
    """What one stage would spend."""

    stage: str
    cost: Cost | None
    """All of it; None where nothing like it ran."""
    n_kept: int | None
    """Rollouts of it that the store has (a whole training run counts as 1); None where that is not known yet."""

    @property
    def left(self) -> Cost | None:
        """What is left to spend."""
        if self.cost is None:
            return None
        if self.cost.n_rollouts:
            return self.cost.share(self.cost.n_rollouts - min(self.n_kept or 0, self.cost.n_rollouts))
        return Cost(self.cost.told_from) if self.n_kept else self.cost


def plan_text(plan: Plan, spending: Sequence[Spending]) -> str:
    """The whole answer."""
    if not plan.pending:
        return "Everything is up to date."
    width = max(len(item.stage) for item in plan.pending)
    lines = [f"{len(plan.pending)} of {len(plan.stages)} stages would run:"]
    lines += [f"  {item.stage:<{width}}  {item.told()}" for item in plan.pending]
    if spending:
        lines += ["at most, as earlier rounds tell:"]
        lines += [f"  {one.stage:<{width}}  {_spent(one)}" for one in spending]
        lines += [f"  {'together':<{width}}  {_together(spending)}"] if any(one.left for one in spending) else []
    if plan.reused:
        lines.append(f"{len(plan.reused)} are reused: {'; '.join(_grouped(plan))}")
    return "\n".join(lines)


def plan_json(plan: Plan, spending: Sequence[Spending]) -> dict[str, Any]:
    """The same for scripts; `left` is what the store and the kept training runs do not spare."""
    costs = {
        one.stage: {
            "cost": asdict(one.cost) if one.cost else None,
            "n_kept": one.n_kept,
            "left": asdict(one.left) if one.left else None,
        }
        for one in spending
    }
    stages = [
        {"stage": item.stage, "reasons": item.reasons, "after": item.after, **costs.get(item.stage, {})}
        for item in plan.pending
    ]
    return {"pending": stages, "reused": plan.reused, "n_stages": len(plan.stages), "left": _sums(spending)}


def _spent(one: Spending) -> str:
    if one.cost is None or one.left is None:
        return "not known: nothing like it has run; `dast preflight` forecasts"
    if one.cost.steps:
        told = f"{one.cost.steps:,} steps, {duration(one.cost.seconds)}"
        return f"nothing: a finished run of {told} is kept" if one.n_kept else f"{told} (as {one.cost.told_from})"
    kept = "" if one.n_kept is None else f", {min(one.n_kept, one.cost.n_rollouts):,} of them kept"
    told = f"{one.cost.n_rollouts:,} rollouts{kept}"
    if not one.left.n_rollouts:
        return f"{told}: nothing to generate"
    return f"{told}: about {_rounded(one.left.n_tokens)} tokens, {duration(one.left.seconds)} (as {one.cost.told_from})"


def _together(spending: Sequence[Spending]) -> str:
    sums = _sums(spending)
    unknown = sum(one.left is None for one in spending)
    parts = [
        *(f"{sums['n_rollouts']:,} rollouts", f"about {_rounded(sums['n_tokens'])} tokens"),
        *(f"{sums['steps']:,} optimiser steps", duration(sums["seconds"])),
        *([f"and {unknown} stages of unknown cost"] if unknown else []),
    ]
    return ", ".join(parts)


def _sums(spending: Sequence[Spending]) -> dict[str, Any]:
    left = [one.left for one in spending if one.left]
    return {name: sum(getattr(one, name) for one in left) for name in ("n_rollouts", "n_tokens", "steps", "seconds")}


def _rounded(count: int) -> str:
    """Two digits of it, as much as a forecast is worth."""
    return f"{int(float(f'{count:.2g}')):,}"


def _grouped(plan: Plan) -> Iterator[str]:
    """Reused stages, those of rounds that reuse the same together."""
    reused, rounds = set(plan.reused), dict.fromkeys(split(stage)[1] for stage in plan.stages)
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in rounds:
        stages = [stage for stage in plan.stages if split(stage)[1] == name]
        kinds = tuple(split(stage)[0] for stage in stages if stage in reused)
        whole = name != BASE and len(kinds) == len(stages)
        if kinds:
            groups.setdefault(("all",) if whole else kinds, []).append(name)
    for kinds, names in groups.items():
        yield ", ".join(kinds) if names == [BASE] else f"{', '.join(kinds)} of {', '.join(names)}"


def is_costly(stage: str) -> bool:
    """Whether a stage generates or trains."""
    return split(stage)[0] in COSTLY
