"""Paired comparison of two models over the same test queries, and the gate that rests on it.

The difference of per-query accuracies is averaged over queries; its interval is a percentile bootstrap over queries
with a fixed seed. A comparison says `better`, `worse` or `not told apart` (the interval holds zero).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from dast.errors import GateError

RESAMPLES = 2_000
CONFIDENCE = 0.95
_SEED = 20250309


def compare(ours: pl.DataFrame, theirs: pl.DataFrame, tests: pl.DataFrame, against: str) -> list[dict[str, Any]]:
    """One row a test set and measure: difference of accuracy (ours less theirs) with its interval.

    Args:
        ours, theirs: graded test rollouts (TEST_GRADED).
        tests: test queries (TEST_QUERIES).
        against: name of the other model, stands in each row.
    """
    rows = []
    for test_set, domain in tests.select("test_set", "domain").unique(maintain_order=True).iter_rows():
        for measure, kind in (("pass@1", "sample"), ("greedy", "greedy")):
            differences = _differences(ours, theirs, kind, [test_set])
            if differences.size:
                head = {"test_set": test_set, "domain": domain, "against": against, "measure": measure}
                rows.append({**head, **_interval(differences)})
    return rows


def require_no_drop(
    ours: pl.DataFrame, others: Mapping[str, pl.DataFrame], tests: pl.DataFrame, max_drop: float, round_name: str
) -> None:
    """Passes when pass@1 over all in-domain test queries fell by no more than `max_drop` against each other model.

    Raises:
        GateError: it fell by more.
    """
    inside = tests.filter(pl.col("domain") == "in").get_column("test_set").unique().to_list()
    for name, theirs in others.items():
        differences = _differences(ours, theirs, "sample", inside)
        if differences.size and float(differences.mean()) < -max_drop:
            raise GateError(
                f"gate@{round_name}: pass@1 in domain fell by {-differences.mean():.3f} against {name}, more than "
                f"gate.max_drop {max_drop}; mend the round's training, or raise gate.max_drop and run again"
            )


def _differences(ours: pl.DataFrame, theirs: pl.DataFrame, kind: str, test_sets: list[str]) -> np.ndarray[Any, Any]:
    mine, other = _rates(ours, kind, test_sets), _rates(theirs, kind, test_sets)
    pairs = mine.join(other, on=["test_set", "query_id"], suffix="_theirs").sort("test_set", "query_id")
    return pairs.select(pl.col("rate") - pl.col("rate_theirs")).to_series().to_numpy()


def _rates(graded: pl.DataFrame, kind: str, test_sets: list[str]) -> pl.DataFrame:
    counted = graded.filter(
        (pl.col("decoding") == kind) & (pl.col("verdict") != "ungraded") & pl.col("test_set").is_in(test_sets)
    )
    return counted.group_by("test_set", "query_id").agg(rate=(pl.col("verdict") == "correct").mean())


def _interval(differences: np.ndarray[Any, Any]) -> dict[str, Any]:
    low, high = np.quantile(_means(differences), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    verdict = "better" if low > 0 else "worse" if high < 0 else "not told apart"
    return {
        "n_queries": int(differences.size),
        "difference": float(differences.mean()),
        "low": float(low),
        "high": float(high),
        "verdict": verdict,
    }


def _means(differences: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    generator = np.random.default_rng(_SEED)
    return np.fromiter(_resampled(differences, generator), dtype=float, count=RESAMPLES)


def _resampled(differences: np.ndarray[Any, Any], generator: np.random.Generator) -> Iterator[float]:
    for _ in range(RESAMPLES):
        yield float(generator.choice(differences, differences.size).mean())
