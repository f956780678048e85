"""Which step is on offer, and what is believed of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dast.augmentation.ladder import CLIMBED, NO_STEP, Offer, Tries
from dast.augmentation.ladder import offer as offer_to
from dast.difficulty.posterior import Beta
from dast.params.augment import Ladder
from tests.standings import augment_settings

HARD, UNSOLVED, EASY, NONE = 2, 3, 0, -1


def ladder(**steps: dict[str, Any]) -> Ladder:
    whole = augment_settings().ladder.model_dump()
    whole["more"] |= {"most": 4, "min_chance": 0.0}
    return Ladder(**{name: {**whole[name], **steps.get(name, {})} for name in whole})


def offer(level: Any, found: dict[str, Tries], plain: Beta, steps: Ladder, bare: list[bool] | None = None) -> Offer:
    return offer_to(level, found, plain, steps, np.array(bare or [False] * len(level)))


def tries(n: int, **steps: tuple[list[int], list[int]]) -> dict[str, Tries]:
    """Graded and correct rollouts of each step; as many given as graded."""
    found = {}
    for step in CLIMBED:
        graded, correct = (np.array(column) for column in steps.get(step, ([0] * n, [0] * n)))
        found[step] = Tries(graded, graded, correct)
    return found


def names(steps: Any) -> list[str]:
    return ["none" if place == NO_STEP else CLIMBED[place] for place in steps]


def test_offer_moves_on_after_its_rollouts_only_where_the_level_has_a_next_step() -> None:
    level = np.array([EASY, HARD, UNSOLVED, HARD, NONE])
    found = offer(level, tries(5, more=([9, 4, 4, 3, 9], [0] * 5)), Beta(1, 1), ladder())
    assert names(found.step) == ["more", "matched", "matched", "more", "none"]


def test_offer_disabled_steps_are_passed_over() -> None:
    level = np.array([HARD, UNSOLVED])
    off = ladder(more={"enabled": False}, matched={"enabled": False}, decoding={"enabled": True})
    assert names(offer(level, tries(2), Beta(1, 1), off).step) == ["none", "decoding"]


def test_offer_query_without_an_exemplar_passes_matched_over_and_keeps_the_plain_belief() -> None:
    steps = ladder(matched={"most": 8}, decoding={"enabled": True})
    level, bare = np.array([UNSOLVED, UNSOLVED]), [True, False]
    found = offer(level, tries(2, more=([4, 4], [0, 0])), Beta(1, 1), steps, bare)
    assert names(found.step) == ["decoding", "matched"]
    last = ladder(decoding={"enabled": False})
    found = offer(level, tries(2, more=([40, 40], [0, 0])), Beta(1, 1), last, bare)
    assert names(found.step) == ["more", "matched"]
    assert (found.a[0], found.b[0]) == pytest.approx((1, 41))
    alone = ladder(more={"enabled": False}, decoding={"enabled": False})
    assert names(offer(level, tries(2), Beta(1, 1), alone, bare).step) == ["more", "matched"]


def test_offer_last_step_stays_whatever_it_gave() -> None:
    steps = ladder(matched={"most": 1, "min_chance": 0.9})
    found = offer(np.array([HARD]), tries(1, more=([4], [0]), matched=([50], [0])), Beta(1, 1), steps)
    assert names(found.step) == ["matched"]


def test_offer_plain_posterior_is_prior_and_own_rollouts() -> None:
    found = offer(np.array([EASY]), tries(1, more=([5], [2])), Beta(0.5, 0.7), ladder())
    assert (found.a[0], found.b[0]) == pytest.approx((2.5, 3.7))


def test_offer_untried_step_is_believed_as_good_as_the_levels_plain_mean() -> None:
    level = np.array([HARD, HARD])
    found = offer(level, tries(2, more=([4, 4], [1, 2])), Beta(1, 1), ladder())
    assert names(found.step) == ["matched"] * 2
    assert found.a / (found.a + found.b) == pytest.approx([(2 / 6 + 3 / 6) / 2] * 2)


def test_offer_step_that_helped_others_of_the_level_is_believed_to_help() -> None:
    level = np.array([UNSOLVED] * 41 + [HARD])
    plain = ([4] * 42, [0] * 42)
    helped = tries(42, more=plain, matched=([8] * 40 + [0, 0], [5] * 40 + [0, 0]))
    found = offer(level, helped, Beta(1, 1), ladder())
    chance = found.a / (found.a + found.b)
    assert 0.5 < chance[40] < 0.7
    assert chance[41] == pytest.approx(1 / 6)  # another level's success says nothing here
