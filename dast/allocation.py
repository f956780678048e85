"""Who gets the next rollouts: proportion control (DAST-P), as pure functions over each query's standing.

Proportion control asks a quota of correct responses of every query, by its level, and gives rollouts in waves to the
queries that are still short of theirs, those with the fewest rollouts first, until quota, cap or budget. Without it the
budget is spread evenly. The paper's own quotas are not known; every number is a parameter. Grain: one standing a query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dast.params.sections import Augment
from dast.prompts import digest

Outcome = Literal["quota_met", "cap", "budget", "pool_exhausted", "not_wanted"]


@dataclass
class Standing:
    """What one query has been given and has given so far, `sample`'s rollouts included."""

    query_id: str
    level: str | None
    spent: int
    """Rollouts."""
    got: int
    """Correct responses."""
    waves: int = 0
    """Waves of the augmentation that the query took part in."""
    exhausted: bool = False
    """The engine gave fewer than it was asked for, and has no more."""


@dataclass(frozen=True)
class Target:
    """What a query may get: correct responses wanted, and most rollouts."""

    wanted: int
    cap: int


def target_of(standing: Standing, settings: Augment) -> Target:
    """Quota and cap of a query's level; a query without a level (nothing of it could be graded) wants nothing.

    Without proportion control every query may have the even share of the budget, whatever it has got: `wanted` and
    `cap` are both that share.
    """
    if standing.level is None:
        return Target(0, standing.spent)
    if not settings.proportion.enabled:
        share = int(settings.budget_per_query)
        return Target(share, share)
    return Target(settings.proportion.quota.at(standing.level), settings.proportion.cap.at(standing.level))


def plan_wave(standings: Sequence[Standing], settings: Augment) -> Mapping[str, int]:
    """Rollouts for each query of the next wave, never beyond the round's budget; empty when the round is done."""
    left = int(settings.budget_per_query * len(standings)) - sum(standing.spent for standing in standings)
    plan: dict[str, int] = {}
    for standing in sorted(filter(lambda one: wants_more(one, settings), standings), key=_turn(settings.seed)):
        count = min(settings.wave, target_of(standing, settings).cap - standing.spent, left)
        if count <= 0:
            break
        plan[standing.query_id] = count
        left -= count
    return plan


def wants_more(standing: Standing, settings: Augment) -> bool:
    """Short of what is wanted, below the cap, and not exhausted."""
    target = target_of(standing, settings)
    short = standing.got < target.wanted or (not settings.proportion.enabled and target.wanted > 0)
    return short and standing.spent < target.cap and not standing.exhausted


def outcome_of(standing: Standing, settings: Augment) -> Outcome:
    """Why a query got no more."""
    target = target_of(standing, settings)
    if target.wanted == 0:
        return "not_wanted"
    if standing.got >= target.wanted:
        return "quota_met"
    if standing.exhausted:
        return "pool_exhausted"
    if standing.spent >= target.cap and settings.proportion.enabled:
        return "cap"
    return "budget"


def _turn(seed: int) -> Callable[[Standing], tuple[int, str]]:
    # Ties are broken by digest: neither the order of rows nor the queries' names decide who is served.
    return lambda standing: (standing.spent, digest([seed, standing.waves, standing.query_id]))
