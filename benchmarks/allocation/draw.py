"""The trade-off as a picture: yield against newly solved queries, a panel a budget.

The line is dast_budget by the worth of a first correct response; the grey line is what no strategy can exceed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import vl_convert

from benchmarks.allocation.found import Found
from benchmarks.allocation.studies import BUDGETS

OWN, OTHERS, LIMIT = "#c2410c", "#1f4e79", "#8a8a8a"
_N_POINTS = 60
Spec = dict[str, Any]


def png(found: Found) -> bytes:
    """The picture."""
    (world,) = found.distinct("world", part="curve")
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "title": {
            "text": f"Yield against newly solved queries: {world}, 7,500 queries, pilot 8, quota 4",
            "subtitle": "line: dast_budget by first_worth (numbers) · grey: no strategy without the rates expects more",
            "anchor": "start",
        },
        "hconcat": [_panel(found, world, budget) for budget in BUDGETS],
        "config": {"view": {"stroke": None}, "axis": {"grid": True, "gridColor": "#eeeeee"}},
    }
    return bytes(vl_convert.vegalite_to_png(spec, scale=1.6))


def _panel(found: Found, world: str, budget: int) -> Spec:
    own = _points(found, part="curve", belief="fitted", budget=budget)
    names = ("vanilla", "prop2diff, 4", "dast")
    others = [
        point
        for name in names
        for point in _points(found, part="main", world=world, belief="fitted", budget=budget, strategy=name)
    ]
    others += _points(found, part="main", world=world, budget=budget, strategy="oracle")
    x = {"field": "newly", "type": "quantitative", "title": "newly solved queries", "scale": {"zero": False}}
    y = {"field": "share", "type": "quantitative", "title": "yield, % of the oracle", "scale": {"zero": False}}
    axes = {"x": x, "y": y}
    reach = max(point["newly"] for point in [*own, *others])
    limit = [point for point in frontier(found, budget) if point["newly"] <= 1.1 * reach]
    shown = {"1", "3", "5", "10"}
    return {
        "title": f"{budget} rollouts a query",
        "width": 330,
        "height": 300,
        "layer": [
            _layer(limit, {"type": "line", "color": LIMIT, "strokeDash": [5, 3]}, axes),
            _layer(own, {"type": "line", "color": OWN, "point": {"color": OWN}}, {**axes, "order": {"field": "place"}}),
            _layer([p for p in own if p["label"] in shown], _label(OWN, "left", 6, -6), {**axes, "text": _TEXT}),
            _layer(others, {"type": "point", "color": OTHERS, "filled": True, "size": 60}, axes),
            _layer(others, _label(OTHERS, "right", -7, 0), {**axes, "text": _TEXT}),
        ],
    }


_TEXT = {"field": "label"}


def _layer(values: list[Spec], mark: Spec, encoding: Spec) -> Spec:
    return {"data": {"values": values}, "mark": mark, "encoding": encoding}


def _label(color: str, align: str, dx: int, dy: int) -> Spec:
    return {"type": "text", "color": color, "align": align, "baseline": "middle", "dx": dx, "dy": dy, "fontSize": 11}


def _points(found: Found, **wanted: object) -> list[Spec]:
    return [
        {
            "label": name,
            "place": place,
            "share": 100 * found.value(**{**wanted, "strategy": name}, measure="share"),
            "newly": found.value(**{**wanted, "strategy": name}, measure="newly"),
        }
        for place, name in enumerate(found.distinct("strategy", **wanted, measure="newly"))
    ]


def frontier(found: Found, budget: int) -> list[Spec]:
    """Most yield for so many newly solved: the least over w of (bound of yield + (w - 1) newly) - (w - 1) newly."""
    rows = found.rows(part="frontier", budget=budget, measure="weighted share")
    oracles = [float(row["value"]) for row in found.rows(part="frontier", budget=budget, measure="oracle")]
    worths = np.array([float(row["strategy"]) for row in rows])
    most = np.array([float(row["value"]) for row in rows])
    newly = np.linspace(0.0, 2_000.0, _N_POINTS)
    share = (most[:, None] - (worths[:, None] - 1.0) * newly / oracles[0]).min(axis=0)
    points = [{"newly": float(x), "share": 100 * float(y)} for x, y in zip(newly, share, strict=True)]
    return [point for point in points if point["share"] > 70.0]
