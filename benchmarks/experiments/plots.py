"""Two plots as Vega-Lite: pass@1 by round, and the contrasts with their intervals. Grain: one plot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import vl_convert

from benchmarks.experiments.analysis import Finding, rates
from benchmarks.experiments.design import Design, Run
from benchmarks.experiments.rows import Row, base_run

Spec = dict[str, Any]

_CONFIG = {"font": "Helvetica, Arial, sans-serif", "background": "white", "view": {"stroke": None}}


def svg(spec: Spec) -> str:
    """The plot drawn."""
    return str(vl_convert.vegalite_to_svg(json.dumps(spec)))


def rounds_plot(design: Design, rows: Mapping[Run, Row]) -> Spec:
    """pass@1 by round of the arms of the primary contrasts and their controls, a column a test set, a row a budget."""
    arms = list(dict.fromkeys(arm for tier in design.schedule[:2] for arm in tier.arms))
    values = []
    for run, row in rows.items():
        base = rows.get(base_run(*run.block))
        if run.arm not in arms or base is None:
            continue
        for test_set in base["tests"]:
            for number in range(design.measure.rounds + 1):
                rate = float(np.mean(rates(base if number == 0 else row, number, test_set)))
                values.append(
                    {"arm": run.arm, "budget": run.budget, "test set": test_set, "round": number, "rate": rate}
                )
    encoding = {
        "x": {"field": "round", "type": "ordinal", "axis": {"labelAngle": 0}},
        "y": {"field": "rate", "aggregate": "mean", "type": "quantitative", "title": "pass@1", "axis": {"format": "%"}},
        "color": {"field": "arm", "type": "nominal", "sort": arms},
        "column": {"field": "test set", "type": "nominal", "title": None},
        "row": {"field": "budget", "type": "nominal", "title": None},
    }
    return {**_plot(values), "mark": {"type": "line", "point": True}, "encoding": encoding, "width": 190, "height": 170}


def contrasts_plot(primary: Sequence[Finding], other: Sequence[Finding]) -> Spec:
    """Every contrast's mean and interval in points."""
    values = [
        {
            "contrast": one.contrast.name,
            "kind": kind,
            "mean": 100 * one.interval.mean,
            "low": 100 * one.interval.low if one.interval.low == one.interval.low else None,
            "high": 100 * one.interval.high if one.interval.high == one.interval.high else None,
        }
        for kind, found in (("primary", primary), ("exploratory", other))
        for one in found
    ]
    y = {"field": "contrast", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 420}}
    colour = {"field": "kind", "type": "nominal", "sort": ["primary", "exploratory"], "title": None}
    low = {"field": "low", "type": "quantitative", "title": "difference of pass@1, points"}
    layers = [
        {"mark": {"type": "rule", "color": "#999"}, "encoding": {"x": {"datum": 0, "type": "quantitative"}}},
        {"mark": "rule", "encoding": {"y": y, "x": low, "x2": {"field": "high"}, "color": colour}},
        {
            "mark": {"type": "point", "filled": True, "size": 45},
            "encoding": {"y": y, "x": {**low, "field": "mean"}, "color": colour},
        },
    ]
    return {**_plot(values), "layer": layers, "width": 420}


def _plot(values: Sequence[Mapping[str, Any]]) -> Spec:
    return {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "config": _CONFIG, "data": {"values": values}}
