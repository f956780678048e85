"""The run as one HTML page that needs nothing else: opens from a mail attachment, without a network.

Vega, the plots, their data, tables and texts are all inside; a content security policy forbids the page any request.
Text of the data is escaped, so a response cannot become markup.

Guarantees: equal small files and templates give equal bytes. Grain: one page over all rounds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import vl_convert
from jinja2 import Environment, StrictUndefined, Template
from markdown_it import MarkdownIt
from markupsafe import Markup

from dast.markdown import NONE
from dast.report.accuracy import Row
from dast.report.curves import packed, tables_of
from dast.report.metrics import RoundMetrics
from dast.report.overview import glances, subtitle_of, title_of
from dast.report.plots import PLOTS, drawn
from dast.report.reading import browsed
from dast.report.sections import Section
from dast.report.summary import NOTHING
from dast.smallfiles import read_csv

_HERE = Path(__file__).parent
_OPEN_ROWS = 16
"""Rows up to which a table stands open."""


def page_text(
    rounds: Sequence[RoundMetrics], sections: Sequence[Section], tables: Path, templates: Iterable[Path]
) -> str:
    """The page.

    Args:
        rounds: Whose small files it tells.
        sections: The story.
        tables: Folder of the report's tables, which the plots draw.
        templates: Vega-Lite templates of the plots, named as in dvc.yaml.
    """
    gathered = {name: read_csv(tables / f"{name}.csv") for name in dict.fromkeys(plot.table for plot in PLOTS)}
    return _template().render(
        title=title_of(rounds),
        subtitle=subtitle_of(rounds),
        glances=glances(rounds),
        sections=sections,
        browsed=browsed(rounds),
        style=Markup(_asset("page.css")),
        script=Markup(_script()),
        nothing=NOTHING,
        open_rows=_OPEN_ROWS,
        **_plots(gathered, templates),
    )


def _plots(gathered: Mapping[str, list[Row]], templates: Iterable[Path]) -> dict[str, Any]:
    """`plots` of each section, by key: their ids and titles; `data`: everything that is drawn, as JSON."""
    tables = tables_of(gathered)
    found = drawn(tables, templates)
    titles: dict[str, list[tuple[str, str]]] = {}
    for number, (plot, _) in enumerate(found):
        titles.setdefault(plot.section, []).append((f"plot-{number}", plot.title))
    content = {
        "tables": {name: packed(tables[name]) for name in sorted({plot.table for plot, _ in found})},
        "plots": {f"plot-{number}": {"table": plot.table, "spec": spec} for number, (plot, spec) in enumerate(found)},
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return {"plots": titles, "data": Markup(text.replace("<", "\\u003c"))}


def _template() -> Template:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    marked = MarkdownIt("commonmark", {"html": False})
    environment.filters["marked"] = lambda text: Markup(marked.render(text))
    environment.filters["marked_line"] = lambda text: Markup(marked.renderInline(text))
    environment.filters["unbroken"] = lambda text: text.replace(" %", "\N{NO-BREAK SPACE}%")
    environment.filters |= {"filled": _filled, "numeric": _numeric}
    return environment.from_string(_asset("page.html.jinja"))


def _filled(rows: Sequence[Row]) -> list[Row]:
    """The rows without columns that say nothing in any of them."""
    names = [name for name in rows[0] if any(row[name] not in (NONE, "") for row in rows)]
    return [{name: row[name] for name in names} for row in rows]


def _numeric(rows: Sequence[Row], column: str) -> bool:
    """Whether a column's cells begin with figures, so that it stands at the right."""
    cells = [row[column].lstrip("+-−") for row in rows]
    return any(cell[:1].isdigit() for cell in cells) and all(cell[:1].isdigit() or len(cell) < 2 for cell in cells)


@cache
def _script() -> str:
    """Vega and the page's own script in one: two seconds of bundling."""
    bundle: str = vl_convert.javascript_bundle(_asset("page.js"))
    return bundle.replace("</script", "<\\/script")


def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
