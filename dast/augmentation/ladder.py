"""The ladder: which step is on offer to each query, and how often a rollout of it is probably correct.

Steps come in order: `more` of the plain prompt, `matched` exemplars in front, another `decoding`. A query moves on when
the step has had its number of rollouts, or when the posterior says that its next rollout is correct too rarely, and
only if its level has a later step; the last one stays on offer. (`hinted` comes when all this has ended.)

The plain rate's posterior is the round's prior with the query's plain rollouts, `sample`'s among them. Another step's
prior is fitted to what the step has given to the other queries of the level in this round, and is the level's mean
plain rate before it has given anything; the query's own rollouts of that step update it. Grain: one entry a query.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from dast.allocation.standings import Flags, Floats, Ints
from dast.difficulty.posterior import Beta
from dast.difficulty.prior import prior_of
from dast.params.augment import Ladder
from dast.params.sections import Prior
from dast.tables import LEVELS

PLAIN = "more"
CLIMBED = ("more", "matched", "decoding")
"""Steps that a strategy spends on, in order."""
NO_STEP = -1

_BOUNDS = (0.001, 100.0)
"""What `Prior` allows for a and b."""


@dataclass(frozen=True)
class Tries:
    """What one step gave to each query."""

    given: Ints
    """Rollouts; of the plain step without `sample`'s."""
    graded: Ints
    """Of the plain step with `sample`'s."""
    correct: Ints


@dataclass(frozen=True)
class Offer:
    """The step on offer to each query (a place in `CLIMBED`, or `NO_STEP`) and its rate's posterior."""

    step: Ints
    a: Floats
    b: Floats


def offer(level: Ints, tries: Mapping[str, Tries], plain: Beta, ladder: Ladder, bare: Flags) -> Offer:
    """Each query's step.

    Args:
        level: codes of the levels.
        tries: by step of `CLIMBED`.
        plain: prior of the plain rate.
        ladder: the steps' settings.
        bare: flags of queries that no exemplar fits: `matched` would send them the plain prompt, so it is `more`.
    """
    beliefs = [_belief(step, level, tries, plain) for step in CLIMBED]
    has = [_has(level, getattr(ladder, step).levels, getattr(ladder, step).enabled) for step in CLIMBED]
    has[0] |= has[1] & bare
    has[1] &= ~bare
    chosen = np.full(level.size, NO_STEP)
    for place in reversed(range(len(CLIMBED))):
        step = getattr(ladder, CLIMBED[place])
        a, b = beliefs[place]
        given = tries[CLIMBED[place]].given
        worn_out = a / (a + b) < step.min_chance
        if step.most is not None:
            worn_out |= given >= step.most
        stays = has[place] & ~(worn_out & (chosen != NO_STEP))
        chosen = np.where(stays, place, chosen)
    at = np.maximum(chosen, 0)
    rows = np.arange(level.size)
    return Offer(chosen, np.stack([a for a, _ in beliefs])[at, rows], np.stack([b for _, b in beliefs])[at, rows])


def _has(level: Ints, names: list[str] | tuple[str, ...], enabled: bool) -> Flags:
    codes = [LEVELS.index(name) for name in names] if enabled else []
    return np.isin(level, codes)


def _belief(step: str, level: Ints, tries: Mapping[str, Tries], plain: Beta) -> tuple[Floats, Floats]:
    own, base = tries[step], tries[PLAIN]
    if step == PLAIN:
        return _updated(np.full(level.size, plain.a), np.full(level.size, plain.b), own)
    a, b = (np.full(level.size, value, dtype=np.float64) for value in plain)
    for code in range(len(LEVELS)):
        among = level == code
        if among.any():
            a[among], b[among] = _step_prior(own, base, among, plain)
    return _updated(a, b, own)


def _updated(a: Floats, b: Floats, own: Tries) -> tuple[Floats, Floats]:
    return np.add(a, own.correct, dtype=np.float64), np.add(b, own.graded - own.correct, dtype=np.float64)


def _step_prior(own: Tries, base: Tries, among: Flags, plain: Beta) -> Beta:
    strength = plain.a + plain.b
    mean = float(((plain.a + base.correct[among]) / (strength + base.graded[among])).mean())
    a, b = (float(np.clip(share * strength, *_BOUNDS)) for share in (mean, 1.0 - mean))
    tried = among & (own.graded > 0)
    if not tried.any():
        return Beta(a, b)
    counts = pl.DataFrame({"n_graded": own.graded[tried], "n_correct": own.correct[tried]})
    return prior_of(counts, Prior(kind="fitted", a=a, b=b, weight=1.0))
