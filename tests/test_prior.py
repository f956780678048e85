"""The fitted prior: it finds what made the data, and survives data that say nothing or everything."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dast.difficulty.posterior import Beta
from dast.difficulty.prior import prior_of
from dast.params.sections import Prior

FITTED = Prior(kind="fitted", a=1.0, b=1.0, weight=1.0)

queries = st.lists(
    st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), min_size=0, max_size=30
)


def counts(pairs: Sequence[tuple[int, int]]) -> pl.DataFrame:
    """Rows of (graded, correct)."""
    return pl.DataFrame(pairs, schema={"n_graded": pl.Int32, "n_correct": pl.Int32}, orient="row")


def drawn(a: float, b: float, n_queries: int, seed: int) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    n = generator.integers(2, 17, n_queries)
    c = generator.binomial(n, generator.beta(a, b, n_queries))
    return counts(list(zip(n.tolist(), c.tolist(), strict=True)))


def log_evidence(pairs: Sequence[tuple[int, int]], weight: float, prior: Beta) -> float:
    """By log-gamma, term by term: another route than the sums of logarithms that are maximised."""

    def log_beta(a: float, b: float) -> float:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    a, b = prior
    added = [(weight / 21, (20, c)) for c in range(21)]  # a uniform fallback makes every number of 20 equally likely
    terms = [*((1.0, pair) for pair in pairs), *added]
    return math.fsum(share * (log_beta(a + c, b + n - c) - log_beta(a, b)) for share, (n, c) in terms)


def test_prior_fixed_is_what_the_params_say() -> None:
    assert prior_of(counts([(4, 4)] * 9), Prior(kind="fixed", a=2.0, b=0.5, weight=1.0)) == Beta(2.0, 0.5)


@pytest.mark.parametrize("made", [(0.45, 0.6), (2.0, 2.0), (6.0, 1.5), (0.2, 1.0)])
def test_prior_fitted_finds_what_made_the_queries(made: tuple[float, float]) -> None:
    found = prior_of(drawn(*made, n_queries=20_000, seed=5), FITTED)
    assert found == pytest.approx(made, rel=0.06)


@settings(max_examples=40)
@given(queries, st.floats(0.2, 5.0))
def test_prior_fitted_is_not_beaten_by_any_other(pairs: list[tuple[int, int]], weight: float) -> None:
    found = prior_of(counts(pairs), Prior(kind="fitted", a=1.0, b=1.0, weight=weight))
    best = log_evidence(pairs, weight, found)
    steps = np.exp(np.linspace(math.log(0.001), math.log(100.0), 25))
    assert all(log_evidence(pairs, weight, Beta(a, b)) <= best + 1e-6 for a in steps for b in steps)


def test_prior_fitted_without_evidence_is_the_fallback() -> None:
    fallback = Prior(kind="fitted", a=0.5, b=2.0, weight=3.0)
    assert prior_of(counts([]), fallback) == pytest.approx((0.5, 2.0), rel=1e-5)
    assert prior_of(counts([(0, 0)] * 50), fallback) == pytest.approx((0.5, 2.0), rel=1e-5)


def test_prior_fitted_to_few_queries_stays_near_the_fallback() -> None:
    a, b = prior_of(counts([(4, 4)]), FITTED)
    assert 0.5 < a / (a + b) < 0.8
    assert a + b > 1.0


@pytest.mark.parametrize("n_queries", [1, 30, 100_000])
@pytest.mark.parametrize("pairs", [[(4, 4)], [(4, 0)], [(4, 2)], [(4, 0), (4, 4)], [(1, 0), (1, 1)], [(200, 100)]])
def test_prior_fitted_never_diverges(pairs: list[tuple[int, int]], n_queries: int) -> None:
    found = prior_of(counts(pairs * n_queries), FITTED)
    assert all(0.001 <= value <= 100.0 for value in found)
    rates = [c / n for n, c in pairs]
    middle = found.a / (found.a + found.b)
    assert min(*rates, 0.5) <= middle <= max(*rates, 0.5)


def test_prior_one_rollout_a_query_says_nothing_of_the_spread() -> None:
    assert prior_of(counts([(1, 0), (1, 1)] * 500), FITTED) == pytest.approx((1.0, 1.0), rel=1e-4)


@given(queries, st.randoms())
def test_prior_fitted_does_not_depend_on_the_order(pairs: list[tuple[int, int]], random: object) -> None:
    shuffled = sorted(pairs, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert prior_of(counts(pairs), FITTED) == prior_of(counts(shuffled), FITTED)


@given(queries)
def test_prior_fitted_is_mirrored_when_right_and_wrong_are_exchanged(pairs: list[tuple[int, int]]) -> None:
    a, b = prior_of(counts(pairs), FITTED)
    assert prior_of(counts([(n, n - c) for n, c in pairs]), FITTED) == pytest.approx((b, a), rel=1e-4)
