"""Paired comparison of two models over the same test queries, and the gate that rests on it.

The difference of per-query accuracies is averaged over queries, with an interval and a p-value (`dast.intervals`). A
comparison says `better`, `worse` or `not told apart`. Grain: one row a test set, group (all of it, or the queries of
one level by the base), measure and other model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import polars as pl

from dast.errors import GateError
from dast.intervals import FloatArray, difference
from dast.params.evaluate import Gate, Intervals
from dast.tables import LEVELS

IN_DOMAIN = "in domain"
"""Stands for a test set's name in the gate's own rows, which are of all in-domain test queries together."""


def compare(
    ours: pl.DataFrame, theirs: pl.DataFrame, asked: pl.DataFrame, against: str, wish: Intervals
) -> list[dict[str, Any]]:
    """Differences of accuracy (ours less theirs) in each test set and in its levels; `gate` is empty.

    Args:
        ours, theirs: graded test rollouts (TEST_GRADED).
        asked: `test_set`, `query_id` and `domain` of the test queries, and their `level` by the base.
        against: name of the other model, stands in each row.
        wish: how intervals are made.
    """
    rows = []
    for test_set, domain in asked.select("test_set", "domain").unique(maintain_order=True).iter_rows():
        for measure, kind in (("pass@1", "sample"), ("greedy", "greedy")):
            found = _differences(ours, theirs, kind, [test_set]).join(asked, on=["test_set", "query_id"])
            for group, value, values in _groups(found):
                head = {"test_set": test_set, "domain": domain, "group": group, "value": value}
                told = difference(values, wish)._asdict()
                rows.append({**head, "against": against, "measure": measure, **told, "gate": ""})
    return rows


def _groups(found: pl.DataFrame) -> Iterator[tuple[str, str, FloatArray]]:
    parts = [("level", level, found.filter(level=level)) for level in LEVELS]
    for group, value, part in [("all", "all", found), *parts]:
        if part.height:
            yield group, value, part["difference"].to_numpy()


def held(
    ours: pl.DataFrame,
    others: Mapping[str, pl.DataFrame],
    tests: pl.DataFrame,
    wish: Gate,
    intervals: Intervals,
    round_name: str,
) -> list[dict[str, Any]]:
    """One row for each other model: pass@1 over all in-domain test queries, and what the gate says of it.

    `gate` is `regressed` when the whole interval lies below a drop of `max_drop` and the verdict is worse, `accepted`
    when the params accept that of the round, else `passed`: what is not told apart passes. No in-domain query, no row.
    """
    inside = tests.filter(pl.col("domain") == "in").get_column("test_set").unique().to_list()
    rows = []
    for name, theirs in others.items():
        values = _differences(ours, theirs, "sample", inside)["difference"].to_numpy()
        if values.size:
            found = difference(values, intervals)
            fell = found.verdict == "worse" and found.high < -wish.max_drop
            said = "passed" if not fell else "accepted" if round_name in wish.accept else "regressed"
            head = {"test_set": IN_DOMAIN, "domain": "in", "group": "all", "value": "all"}
            rows.append({**head, "against": name, "measure": "pass@1", **found._asdict(), "gate": said})
    return rows


def refuse_regressions(rows: Iterable[Mapping[str, Any]], wish: Gate, intervals: Intervals, round_name: str) -> None:
    """Passes when no row of `held` regressed.

    Raises:
        GateError: one did; names the figures of all that did.
    """
    fallen = [
        f"by {-row['difference']:.3f} against {row['against']} ({-row['high']:.3f} to {-row['low']:.3f} with "
        f"{100 * intervals.confidence:g} % confidence, p {row['p_value']:.2g}, {row['n_queries']} queries)"
        for row in rows
        if row["gate"] == "regressed"
    ]
    if fallen:
        raise GateError(
            f"gate@{round_name}: pass@1 in domain fell {' and '.join(fallen)}, more than gate.max_drop "
            f"{wish.max_drop:g}; mend the round's training, or add {round_name} to gate.accept, and run again"
        )


def _differences(ours: pl.DataFrame, theirs: pl.DataFrame, kind: str, test_sets: list[str]) -> pl.DataFrame:
    """`difference` by query, of those that both models have graded rollouts of."""
    mine, other = _rates(ours, kind, test_sets), _rates(theirs, kind, test_sets)
    pairs = mine.join(other, on=["test_set", "query_id"], suffix="_theirs").sort("test_set", "query_id")
    return pairs.select("test_set", "query_id", difference=pl.col("rate") - pl.col("rate_theirs"))


def _rates(graded: pl.DataFrame, kind: str, test_sets: list[str]) -> pl.DataFrame:
    counted = graded.filter(
        (pl.col("decoding") == kind) & (pl.col("verdict") != "ungraded") & pl.col("test_set").is_in(test_sets)
    )
    return counted.group_by("test_set", "query_id").agg(rate=(pl.col("verdict") == "correct").mean())
