"""What strategies have in common: a wave to all who are short, the fewest rollouts first; and even shares."""

from __future__ import annotations

import numpy as np

from dast.allocation.budget import Purse
from dast.allocation.standings import Flags, Ints, Standings, Targets, Wave

UNLIMITED = np.iinfo(np.int32).max
"""No cap, as a count that a table can hold."""


def wants_more(standings: Standings, targets: Targets) -> Flags:
    """Short of what is wanted, below the cap, and the engine has more."""
    return (standings.got < targets.wanted) & (standings.spent < targets.cap) & (standings.room > 0)


def quota_wave(standings: Standings, targets: Targets, wave: int) -> Wave:
    """Up to `wave` rollouts for every query that wants more."""
    most = np.minimum(np.minimum(wave, targets.cap - standings.spent), standings.room)
    counts = np.where(wants_more(standings, targets), most, 0)
    return Wave(counts, fewest_first(standings))


def fewest_first(standings: Standings) -> Ints:
    """Places by rollouts spent; ties by turn."""
    return np.lexsort((standings.turn, standings.spent))


def even_wave(standings: Standings, among: Flags, purse: Purse, wave: int) -> Wave:
    """Each chosen query's share of what is left, at most `wave` of it at once."""
    chosen = among & (standings.room > 0)
    mean_cost = float(standings.cost[chosen].mean()) if chosen.any() else 1.0
    share = even_counts(standings.spent, chosen, int(purse.left / mean_cost), standings.turn)
    return Wave(np.minimum(np.minimum(share, wave), standings.room), np.argsort(standings.turn))


def even_counts(spent: Ints, among: Flags, n_rollouts: int, turn: Ints) -> Ints:
    """Rollouts that raise the chosen queries' spending to one height, as far as `n_rollouts` go.

    Nobody is taken from; what is left of less than one each goes to the first by turn.
    """
    chosen = np.flatnonzero(among)
    counts = np.zeros_like(spent)
    if not chosen.size or n_rollouts <= 0:
        return counts
    held = spent[chosen]
    low, high = int(held.min()), int(held.min()) + n_rollouts
    while low < high:  # the largest height that is paid for
        height = (low + high + 1) // 2
        low, high = (height, high) if np.maximum(0, height - held).sum() <= n_rollouts else (low, height - 1)
    counts[chosen] = np.maximum(0, low - held)
    rest = n_rollouts - int(counts.sum())
    at_height = chosen[(held + counts[chosen]) == low]
    counts[at_height[np.argsort(turn[at_height])][:rest]] += 1
    return counts
