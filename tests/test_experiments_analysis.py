"""Intervals, p-values and their correction, held against hand-made cases and simulated data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.experiments.afterwards import Afterthought
from benchmarks.experiments.analysis import (
    Paired,
    differences,
    expanded,
    findings,
    holm,
    interval_of,
    nested_draws,
    p_value,
)
from benchmarks.experiments.design import Bootstrap, Contrast, Run, load_design
from benchmarks.experiments.rows import Row, base_run

SETTINGS = Bootstrap(draws=2000, seed=1, interval=0.95)
P_VALUES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6)


def blocks(rng: np.random.Generator, effect: float, n_bases: int, between: float) -> dict[tuple[int, int], Paired]:
    found: dict[tuple[int, int], Paired] = {}
    for base in range(n_bases):
        own = effect + rng.normal(0, between)
        for data in (1, 2):
            found[base, data] = (np.round(8 * rng.normal(own + rng.normal(0, between / 2), 0.25, 60)) / 8,)
    return found


def row(right: str, easy: str = "e" * 4) -> Row:
    return {"rounds": [{"tests": {"s": {"sample": right, "greedy": "0" * 4}}}], "tests": {"s": {"levels": easy}}}


def contrast(**more: object) -> Contrast:
    about = {"name": "n", "arm": "a", "against": "b", "test_set": "s", "budgets": ["K4", "K8"]}
    return Contrast.model_validate(about | more)


def test_holm_three_hand_computed() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


def test_holm_one_is_left_alone() -> None:
    assert holm([0.2]) == [0.2]


@given(P_VALUES)
def test_holm_keeps_order_and_lies_between_raw_and_bonferroni(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(
        raw <= fixed <= min(1.0, len(p_values) * raw) + 1e-12 for raw, fixed in zip(p_values, corrected, strict=True)
    )
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    assert [corrected[index] for index in order] == sorted(corrected)


def test_expanded_tail_is_that_of_t() -> None:
    # 8 bases: t(.025, 7) = 2.3646, times sqrt(8/7) = 2.5279, which a normal variable exceeds with probability .005737.
    assert expanded(0.025, 8) == pytest.approx(0.005737, abs=2e-6)


def test_interval_coverage_simulated() -> None:
    rng = np.random.default_rng(3)
    found = [interval_of(blocks(rng, 0.05, 8, 0.03), Bootstrap(draws=400, seed=1, interval=0.95)) for _ in range(60)]
    assert sum(one.low <= 0.05 <= one.high for one in found) in range(55, 61)


def test_interval_mean_weighs_bases_alike() -> None:
    uneven = {(1, 1): (np.array([1.0]),), (2, 1): (np.zeros(50),), (2, 2): (np.zeros(5),)}
    assert interval_of(uneven, SETTINGS).mean == pytest.approx(0.5)


def test_interval_one_base_has_none() -> None:
    found = interval_of({(1, 1): (np.array([0.0, 1.0]),)}, SETTINGS)
    assert found.mean == 0.5
    assert np.isnan(found.low)
    assert np.isnan(found.p)


@pytest.mark.parametrize("effect", [0.0, 0.01, 0.02, 0.03, 0.04, 0.08])
@pytest.mark.parametrize("n_bases", [3, 4, 8])
def test_p_value_agrees_with_interval(effect: float, n_bases: int) -> None:
    for seed in range(7, 12):
        found = interval_of(blocks(np.random.default_rng(seed), effect, n_bases, 0.02), SETTINGS)
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high)


def test_interval_of_few_bases_does_not_hang_on_a_draw_or_two() -> None:
    few = blocks(np.random.default_rng(3), 0.05, 4, 0.03)
    one, other = (interval_of(few, SETTINGS.model_copy(update={"draws": 4000, "seed": seed})) for seed in (1, 2))
    width = one.high - one.low
    assert abs(one.low - other.low) < 0.1 * width
    assert abs(one.high - other.high) < 0.1 * width


def test_p_value_of_skewed_draws_agrees_with_their_interval() -> None:
    rng = np.random.default_rng(4)
    found = {(base, 1): (rng.choice([0.01, 0.4], 80, p=[0.9, 0.1]) * (40 if base == 0 else 1),) for base in range(6)}
    one = interval_of(found, SETTINGS.model_copy(update={"draws": 10_000}))
    assert one.low > 0
    assert one.p < 0.05


def test_p_value_far_beyond_draws_is_small() -> None:
    draws = np.random.default_rng(1).normal(0.1, 0.01, 1000)
    assert p_value(draws, 8) < 1e-4


def test_draws_vary_by_each_level_of_nesting() -> None:
    def spread(found: dict[tuple[int, int], Paired]) -> float:
        return float(nested_draws(found, 1000, 1).std())

    same, mixed = (np.full(20, 0.5),), (np.array([0.0, 1.0] * 10),)
    ones, zeros = (np.ones(20),), (np.zeros(20),)
    assert spread({(1, 1): same, (2, 1): same}) == pytest.approx(0.0)
    assert spread({(1, 1): mixed, (2, 1): mixed}) == pytest.approx(0.5 / 20**0.5 / 2**0.5, rel=0.1)
    assert spread({(1, 1): ones, (1, 2): zeros}) == pytest.approx(0.5 / 2**0.5, rel=0.1)
    assert spread({(1, 1): ones, (2, 1): zeros}) == pytest.approx(0.5 / 2**0.5, rel=0.1)


def test_differences_average_budgets_and_keep_levels() -> None:
    rows = {
        Run("a", "K4", 1, 1): row("4400"), Run("b", "K4", 1, 1): row("0000"),
        Run("a", "K8", 1, 1): row("4000"), Run("b", "K8", 1, 1): row("0040"),
        base_run(1, 1): row("0000", "hueu"),
    }  # fmt: skip
    (part,) = differences(rows, contrast(levels=["hard", "unsolved"]), 1)[1, 1]
    assert part.tolist() == [1.0, 0.5, 0.0]


def test_differences_incomplete_block_is_left_out() -> None:
    rows = {Run("a", "K4", 1, 1): row("4400"), Run("b", "K4", 1, 1): row("0000"), base_run(1, 1): row("0000")}
    assert differences(rows, contrast(), 1) == {}


def test_differences_less_takes_off_other_set() -> None:
    tests = {"s": {"sample": "4", "greedy": "1"}, "t": {"sample": "20", "greedy": "00"}}
    none = {"s": {"sample": "0", "greedy": "0"}, "t": {"sample": "00", "greedy": "00"}}
    rows: dict[Run, Row] = {
        Run("a", "K4", 1, 1): {"rounds": [{"tests": tests}]},
        Run("b", "K4", 1, 1): {"rounds": [{"tests": none}]},
        base_run(1, 1): {"tests": {"s": {"levels": "e"}, "t": {"levels": "eh"}}},
    }
    gained, lost = differences(rows, contrast(budgets=["K4"], less="t"), 1)[1, 1]
    assert gained.tolist() == [1.0]
    assert lost.tolist() == [-0.5, 0.0]


def test_differences_afterthought_keeps_the_generators_levels_of_the_sets_it_names() -> None:
    base = row("0000", "hueu")
    base["tests"]["s"]["source_levels"] = "L1 L2 L3 L2"
    rows = {Run("a", "K4", 1, 1): row("4210"), Run("b", "K4", 1, 1): row("0000"), base_run(1, 1): base}
    about = contrast(budgets=["K4"], levels=["hard", "unsolved"]).model_dump()
    (part,) = differences(rows, Afterthought(**about, among={"s": ["L1", "L2"]}), 1)[1, 1]
    assert part.tolist() == [1.0, 0.5, 0.0]
    (part,) = differences(rows, Afterthought(**about, among={"t": ["L1"]}), 1)[1, 1]
    assert part.size == 3


def test_findings_unmeasured_contrast_still_counts_in_correction() -> None:
    rng = np.random.default_rng(5)
    digits = ["".join(rng.choice(list("3344"), 40)) for _ in range(8)]
    rows = {Run("a", "K4", base, 1): row(digits[base]) for base in range(8)}
    rows |= {Run("b", "K4", base, 1): row("".join(rng.choice(list("2334"), 40))) for base in range(8)}
    rows |= {base_run(base, 1): row("", "e" * 40) for base in range(8)}
    design = load_design().model_copy(update={"measure": load_design().measure.model_copy(update={"round": 1})})
    asked = [contrast(budgets=["K4"]), contrast(budgets=["K4"], arm="absent")]
    (found,) = findings(design, rows, asked, corrected=True)
    assert found.p_holm == pytest.approx(min(1.0, 2 * found.interval.p))
