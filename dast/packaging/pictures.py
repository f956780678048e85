"""The card's pictures: a round by its levels, drawn from counts.

Guarantees: equal counts give equal bytes, whatever fonts a machine has: letters come from the font that the drawing
library carries. Grain: one PNG a subject; no picture of nothing.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dast.tables import LEVELS

Row = Mapping[str, Any]
Spec = dict[str, Any]

_SCALE = 1.5
_VEGA_LITE = "5.20"
_COLOURS = ("#4c9f70", "#e9b44c", "#d9572b", "#6b7280")
"""Of the levels, as in the plots across rounds."""
_KINDS = ("#b8bec8", "#6fb1e0", "#2f6fae")
_THIN = 0.007
"""Half the height of a median, as a share of the longest bar."""
_LABELS = {"fontSize": 11, "color": "#333"}

_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{folder}</dir></fontconfig>
"""
"""No fonts of the machine: the library then takes its own Liberation Sans."""


def difficulty_picture(levels: Sequence[Row], pass_rates: Sequence[Row]) -> bytes | None:
    """Queries by level (level, n_queries, share), and by observed pass rate (pass_rate, n_queries)."""
    if not levels:
        return None
    known = {
        "title": "Queries by pass rate over the plain rollouts",
        "width": 330,
        "height": 200,
        "data": {"values": list(pass_rates)},
        "mark": {"type": "bar", "color": "#2f6fae", "width": {"band": 0.8}},
        "encoding": {
            "x": {"field": "pass_rate", "type": "ordinal", "title": "pass rate", "axis": {"labelAngle": 0}},
            "y": _amount("n_queries", "queries"),
        },
    }
    counted = _bars("Queries by level", levels, "n_queries", "queries", "label")
    return _png({"hconcat": [counted, known] if pass_rates else [counted]})


def lengths_picture(lengths: Sequence[Row], unit: str) -> bytes | None:
    """Lengths of plain responses (level, verdict, q10, median, q90) in `unit`, by level and verdict."""
    if not lengths:
        return None
    axis = {"axis": {"gridColor": "#ececec"}}
    offset = {"xOffset": {"field": "verdict", "sort": ["correct", "incorrect"]}}
    colour = {"field": "verdict", "scale": {"domain": ["correct", "incorrect"], "range": ["#4c9f70", "#d9572b"]}}
    shared = {"x": _level_axis(), **offset, "color": {**colour, "title": None}}
    spread = {
        "mark": {"type": "bar", "opacity": 0.35, "width": {"band": 0.7}},
        "encoding": {
            **shared,
            "y": {"field": "q10", "type": "quantitative", "title": unit, **axis},
            "y2": {"field": "q90"},
        },
    }
    # A tick mark is set off from its bar in vega-lite 5, so the median is a thin bar of its own.
    thin = _THIN * max(row["q90"] for row in lengths)
    drawn = [{**row, "low": row["median"] - thin, "high": row["median"] + thin} for row in lengths]
    middle = {
        "mark": {"type": "bar", "width": {"band": 0.7}},
        "encoding": {**shared, "y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}},
    }
    title = f"Length of plain responses in {unit}: median, and the middle 80 %"
    return _png({"title": title, "width": 620, "height": 200, "data": {"values": drawn}, "layer": [spread, middle]})


def allocation_picture(amounts: Sequence[Row]) -> bytes | None:
    """Responses wanted, spent and got by level (level, kind, amount)."""
    return _grouped(
        "Correct responses wanted and got, rollouts spent", amounts, ("wanted", "spent", "got"), "responses"
    )


def mix_picture(shares: Sequence[Row]) -> bytes | None:
    """Share of each level among the queries and in the training sets (level, kind, amount between 0 and 1)."""
    kinds = [row["kind"] for row in shares]
    named = tuple(dict.fromkeys(kinds))
    return _grouped("Share of each level among queries and training rows", shares, named, "share", ".0%")


def _grouped(title: str, rows: Sequence[Row], kinds: Sequence[str], unit: str, form: str = ",d") -> bytes | None:
    if not rows:
        return None
    labels = {
        "mark": {"type": "text", "baseline": "bottom", "dy": -2, "fontSize": 9, "color": "#333"},
        "encoding": {"text": {"field": "amount", "format": form}},
    }
    colours = (*_KINDS, *_COLOURS)[: len(kinds)]
    encoding = {
        "x": _level_axis(),
        "xOffset": {"field": "kind", "sort": list(kinds)},
        "y": _amount("amount", unit, form),
    }
    colour = {"field": "kind", "title": None, "scale": {"domain": list(kinds), "range": list(colours)}}
    bars = {"mark": {"type": "bar"}, "encoding": {"color": colour}}
    return _png(
        {
            "title": title,
            "width": 620,
            "height": 200,
            "data": {"values": list(rows)},
            "encoding": encoding,
            "layer": [bars, labels],
        }
    )


def _bars(title: str, rows: Sequence[Row], field: str, unit: str, label: str) -> Spec:
    colour = {"field": "level", "scale": {"domain": list(LEVELS), "range": list(_COLOURS)}, "legend": None}
    return {
        "title": title,
        "width": 260,
        "height": 200,
        "data": {"values": list(rows)},
        "encoding": {"x": _level_axis(), "y": _amount(field, unit)},
        "layer": [
            {"mark": {"type": "bar", "width": {"band": 0.7}}, "encoding": {"color": colour}},
            {
                "mark": {"type": "text", "baseline": "bottom", "dy": -3, **_LABELS},
                "encoding": {"text": {"field": label}},
            },
        ],
    }


def _level_axis() -> Spec:
    return {"field": "level", "type": "ordinal", "sort": list(LEVELS), "title": None, "axis": {"labelAngle": 0}}


def _amount(field: str, title: str, form: str = ",d") -> Spec:
    return {"field": field, "type": "quantitative", "title": title, "axis": {"format": form, "gridColor": "#ececec"}}


def _png(spec: Spec) -> bytes:
    # The library and what it starts take half a second, and are wanted for pictures alone.
    import vl_convert

    axis = {"labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal"}
    axis |= {"domainColor": "#999", "tickColor": "#999"}
    looks = {
        "font": "Liberation Sans",
        "background": "white",
        "view": {"stroke": None},
        "axis": axis,
        "title": {"anchor": "start", "fontSize": 13, "offset": 12},
        "legend": {"labelFontSize": 11, "orient": "top"},
    }
    whole = {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "padding": 12, "config": looks, **spec}
    with tempfile.TemporaryDirectory() as folder:
        fonts = Path(folder) / "fonts.conf"
        fonts.write_text(_FONTS.format(folder=folder), encoding="utf-8")
        before = os.environ.get("FONTCONFIG_FILE")
        os.environ["FONTCONFIG_FILE"] = str(fonts)
        try:
            png: bytes = vl_convert.vegalite_to_png(json.dumps(whole), vl_version=_VEGA_LITE, scale=_SCALE)
        finally:
            if before is None:
                del os.environ["FONTCONFIG_FILE"]
            else:
                os.environ["FONTCONFIG_FILE"] = before
    return png
