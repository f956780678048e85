"""Measured values as rows of a CSV file, and those rows as a page of tables.

Guarantees: a measurement replaces its own rows alone; the page is a function of the file. Grain: one value, by
measurement, table, row and column; rows without a table are sentences.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dast.markdown import table
from dast.smallfiles import read_csv, write_csv, write_text

RESULTS = Path(__file__).parent / "results"
COLUMNS = ("measurement", "table", "row", "column", "value")
Value = dict[str, Any]


def cells(name: str, row: str, **values: Any) -> Iterator[Value]:
    """One line of the table `name`."""
    yield from ({"table": name, "row": row, "column": column, "value": value} for column, value in values.items())


def timed(run: Callable[[], Any], count: int, repeats: int = 1) -> tuple[dict[str, float], Any]:
    """The result; of the median run the seconds, the seconds of CPU (ended children's too) and rows a second."""
    runs = []
    for _ in range(repeats):
        start, before = time.perf_counter(), os.times()
        result = run()
        runs.append((time.perf_counter() - start, sum(os.times()[:4]) - sum(before[:4])))
    seconds, cpu = sorted(runs)[len(runs) // 2]
    return {"seconds": seconds, "cpu_seconds": cpu, "rows_a_second": count / seconds}, result


def save(page: str, measurement: str, values: Iterable[Value], prose: Mapping[str, str], about: str) -> None:
    """Writes results/`page`.csv with the measurement's rows anew, and results/`page`.md from it."""
    path = RESULTS / f"{page}.csv"
    known = [row for row in read_csv(path) if row["measurement"] != measurement] if path.exists() else []
    values = [*values, *cells("", "", about=f"{about} · {circumstances()}")]
    write_csv(path, [*known, *({"measurement": measurement, **value} for value in values)], COLUMNS)
    write_text(RESULTS / f"{page}.md", _page(page, list(read_csv(path)), prose))


def circumstances() -> str:
    """Device, versions, date."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    device = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    packages = ", ".join(f"{package} {version(package)}" for package in ("math-verify", "sympy", "polars"))
    python = f"Python {platform.python_version()}, {packages}"
    return (
        f"{device}, {os.cpu_count()} cores, {python} · {time.strftime('%Y-%m-%d')} · "
        f"load {os.getloadavg()[0]:.1f} at the end"
    )


def _page(title: str, rows: Sequence[Mapping[str, str]], prose: Mapping[str, str]) -> str:
    parts = [f"# {title.capitalize()}"]
    for name, said in prose.items():
        mine = [row for row in rows if row["measurement"] == name]
        if mine:
            parts += [f"## {name.capitalize()}", *(row["value"] for row in mine if not row["table"]), said]
        for heading in dict.fromkeys(row["table"] for row in mine if row["table"]):
            found = {(row["row"], row["column"]): row["value"] for row in mine if row["table"] == heading}
            parts += [f"### {heading.capitalize()}", table(_lines(found))]
    return "\n\n".join(parts) + "\n"


def _lines(found: Mapping[tuple[str, str], str]) -> list[dict[str, str]]:
    columns = list(dict.fromkeys(column for _, column in found))
    return [
        {"": row, **{column.replace("_", " "): _shown(found.get((row, column), "")) for column in columns}}
        for row in dict.fromkeys(row for row, _ in found)
    ]


def _shown(value: str) -> str:
    try:
        number = float(value)
    except ValueError:
        return value
    return f"{number:,.0f}" if number.is_integer() or number >= 1000 else f"{number:.3g}"
