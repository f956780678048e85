"""Regenerates benchmarks/results/allocation.md, .csv and .png: python -m benchmarks.allocation

`python -m benchmarks.allocation page` writes the page and the plot anew from the .csv.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.allocation import honesty, studies
from benchmarks.allocation.draw import png
from benchmarks.allocation.page import Found, page
from benchmarks.allocation.studies import COLUMNS, Row
from benchmarks.allocation.worlds import worlds
from benchmarks.machine import measured_on
from dast.smallfiles import read_csv, write_csv, write_text

RESULTS = Path(__file__).parents[1] / "results"


def main(again: bool) -> None:
    start = time.process_time()
    table = RESULTS / "allocation.csv"
    if again:
        rows = list(measured())
        line = measured_on("python -m benchmarks.allocation", ("numpy", "polars"))
        empty: Row = dict.fromkeys(COLUMNS, "")
        rows.append({**empty, "part": "about", "strategy": line, "value": time.process_time() - start})
        write_csv(table, rows, COLUMNS)
    found = Found(read_csv(table))
    (RESULTS / "allocation.png").write_bytes(png(found))
    write_text(RESULTS / "allocation.md", page(found))


def measured() -> Iterator[Row]:
    """Every part."""
    usual, like_7b, *_ = every = worlds()
    for world in every:
        yield from studies.main_table(world)
    for world in (usual, like_7b):
        yield from studies.priors(world)
        yield from honesty.honesty(world)
    yield from studies.curve(usual)
    yield from studies.looks(usual)
    yield from studies.pilots(usual)
    yield from honesty.speed(usual)


if __name__ == "__main__":
    main(again=sys.argv[1:] != ["page"])
