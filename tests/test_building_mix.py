"""The mix of a set: quotas by level that are met within what there is."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dast.building.mixing import quotas
from dast.params.build import LevelRates
from dast.tables import LEVELS

COUNTS = st.dictionaries(st.sampled_from([*LEVELS, None]), st.integers(1, 500))
RATES = st.lists(st.integers(0, 10), min_size=4, max_size=4).filter(sum)
SIZES = st.none() | st.integers(1, 800)


def rates_of(parts: list[int]) -> LevelRates:
    """Shares in thousandths, the last level with a share taking what rounding leaves."""
    shares = [1000 * part // sum(parts) for part in parts]
    shares[max(at for at, part in enumerate(parts) if part)] += 1000 - sum(shares)
    return LevelRates(**{level: share / 1000 for level, share in zip(LEVELS, shares, strict=True)})


@given(COUNTS, RATES, SIZES)
def test_quotas_stay_within_what_there_is_and_meet_the_shares(
    have: dict[str | None, int], parts: list[int], most: int | None
) -> None:
    rates = rates_of(parts)
    counts = quotas(have, rates, most)
    size = sum(counts.values())
    assert all(0 <= count <= have[level] for level, count in counts.items())
    assert most is None or size <= most
    asked = {level: Fraction(str(rates.at(level))) for level in LEVELS if have.get(level) and rates.at(level)}
    assert set(counts) == set(asked)
    for level, count in counts.items():
        assert abs(count - size * asked[level] / sum(asked.values())) < 1
    if most is None and asked:  # one more row could not be had: the scarcest level is used up, to within rounding
        assert any(have[level] < (size + 1) * rate / sum(asked.values()) for level, rate in asked.items())


@given(COUNTS, SIZES)
def test_quotas_without_rates_keep_the_shares_and_the_size(have: dict[str | None, int], most: int | None) -> None:
    counts = quotas(have, None, most)
    total = sum(have.values())
    assert sum(counts.values()) == min(total, most or total)
    assert all(abs(counts[level] - Fraction(sum(counts.values()) * n, total)) < 1 for level, n in have.items())


def test_quotas_a_level_without_rows_leaves_its_share_to_the_others() -> None:
    rates = LevelRates(easy=0.25, medium=0.25, hard=0.25, unsolved=0.25)
    assert quotas({"easy": 10, "hard": 4}, rates, None) == {"easy": 4, "hard": 4}


def test_level_rates_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the shares add up to 1\.1, not to 1"):
        LevelRates(easy=0.5, medium=0.2, hard=0.2, unsolved=0.2)
