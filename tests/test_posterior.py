"""The Beta distribution, held against numeric integration of its density."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dast.difficulty.posterior import beta_probability, beta_quantile

parameters = st.floats(0.5, 40.0)
few = settings(max_examples=40)


def integrated(rate: float, a: float, b: float) -> float:
    """Share of the density's area up to `rate`, by the trapezoid rule on angles (rate = sin²): no end is singular."""
    angles = np.linspace(0.0, math.pi / 2, 20_001)[1:-1]
    density = np.sin(angles) ** (2 * a - 1) * np.cos(angles) ** (2 * b - 1)
    below = angles <= math.asin(math.sqrt(rate))
    return float(density[below].sum() / density.sum())


@given(st.floats(0.01, 0.99), parameters, parameters)
def test_probability_equals_numeric_integration(rate: float, a: float, b: float) -> None:
    assert float(beta_probability(rate, a, b)) == pytest.approx(integrated(rate, a, b), abs=2e-3)


@pytest.mark.parametrize("a", [0.001, 0.3, 1.0, 7.5, 300.0])
@pytest.mark.parametrize("b", [0.001, 0.6, 2.0, 40.0, 1_000.0])
def test_probability_equals_an_independent_library(a: float, b: float) -> None:
    rates = [0.0, 1e-6, 0.01, 0.3, 0.4, 0.5, 0.7, 0.99, 1.0, a / (a + b)]
    wanted = [float(mpmath.betainc(a, b, 0, rate, regularized=True)) for rate in rates]
    assert beta_probability(rates, a, b) == pytest.approx(wanted, abs=1e-9)


def test_probability_large_counts_are_normal() -> None:
    # Beta(a, a) is symmetric; one standard deviation below its middle lies 15.866 % of a normal.
    a = 100_000.0
    deviation = 0.5 / math.sqrt(2 * a + 1)
    assert beta_probability([0.5, 0.5 - deviation], a, a) == pytest.approx([0.5, 0.158655], abs=1e-5)


@few
@given(st.floats(0.001, 0.999), parameters, parameters)
def test_quantile_inverts_the_probability(probability: float, a: float, b: float) -> None:
    rate = float(beta_quantile(probability, a, b))
    assert float(beta_probability(rate - 1e-11, a, b)) <= probability + 1e-9
    assert float(beta_probability(rate + 1e-11, a, b)) >= probability - 1e-9


@few
@given(st.floats(0.001, 0.999), parameters, parameters)
def test_quantile_is_mirrored_when_right_and_wrong_are_exchanged(probability: float, a: float, b: float) -> None:
    mirrored = 1.0 - float(beta_quantile(1.0 - probability, b, a))
    assert float(beta_quantile(probability, a, b)) == pytest.approx(mirrored, abs=1e-9)


def test_quantile_element_does_not_depend_on_its_neighbours() -> None:
    a, b = np.array([0.02, 1.0, 35.5]), np.array([0.4, 9.0, 3.25])
    together = beta_quantile(0.05, a, b)
    assert together.tolist() == [float(beta_quantile(0.05, x, y)) for x, y in zip(a, b, strict=True)]
    # Beta(1, 9): quantile = 1 - (1 - q)^(1/9)
    assert together[1] == pytest.approx(1 - 0.95 ** (1 / 9), abs=1e-11)
