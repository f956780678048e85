"""Size of the report's page, and the time until Chromium has drawn its first and its last plot, for 3 and 10 rounds.

    python -m benchmarks.report_page                 from data/metrics (needs Chromium; half a minute)
    python -m benchmarks.report_page --keep FOLDER   also leaves the pages there

writes benchmarks/results/report_page.md. Ten rounds are the run's own, copied under other names, each sampled by the
one before. The last case is what a large model gives: as many rollouts as `observe` keeps at its defaults, each as long
as it lets one be, and 2,000 logged steps of training a round.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.machine import measured_on, table
from dast.params.project import load_yaml
from dast.params.writing import yaml_text
from dast.smallfiles import read_csv, read_json, write_csv, write_json, write_text
from dast.tables import LEVELS, VERDICTS
from stages import report
from tests.chromium import Tab, visit

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "report_page.md"
TEMPLATES = sorted((ROOT / ".dvc" / "plots").glob("*.json"))
REPEATS = 7
STEPS = 2_000
PER_KIND = 3
LONGEST = 1_500
NOTE = (
    "Median of seven visits, each by a new headless browser with an empty profile and a window of 1,280 × 900, from "
    "the start of the navigation; the page is read from the disk. Text is the first contentful paint, a plot counts "
    "from the frame that shows it. The first page's making holds that of the script, which serves the others."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", type=Path, default=ROOT / "data" / "metrics")
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.keep or Path(name)
        lines = [measured(case, metrics, folder) for case, metrics in cases(arguments.metrics, Path(name))]
    heads = ["page", "MB", "MB, gzip", "s to make it", "plots", "s to the text", "s to the first plot", "s to the last"]
    about = measured_on("python -m benchmarks.report_page", ["vl-convert-python", "Jinja2"])
    browser = visit(product)
    write_text(
        RESULT,
        "\n\n".join(
            ["# The report's page", f"{about} · {browser} · load {os.getloadavg()[0]:.1f}", NOTE, table(heads, lines)]
        )
        + "\n",
    )


def cases(metrics: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """What each page is, and its small files."""
    yield "3 rounds", metrics
    copied(metrics, folder / "ten", 10)
    yield "10 rounds", folder / "ten"
    shutil.copytree(folder / "ten", folder / "large")
    for path in (folder / "large").glob("r*"):
        enlarge(path)
    yield "10 rounds, long responses and curves", folder / "large"


def copied(metrics: Path, folder: Path, n_rounds: int) -> None:
    """The rounds r1 to r`n_rounds`: the run's own in turn, the later ones never its first."""
    shutil.copytree(metrics / "base", folder / "base")
    sources = sorted(path.name for path in metrics.iterdir() if path.name != "base")
    for number in range(1, n_rounds + 1):
        source = sources[number - 1] if number <= len(sources) else sources[1 + number % (len(sources) - 1)]
        target = folder / f"r{number}"
        shutil.copytree(metrics / source, target)
        policy = "base" if number == 1 else f"r{number - 1}"
        settings: dict[str, Any] = load_yaml(target / "params.yaml")
        settings["round"] |= {"name": target.name, "policy": policy, "init": policy, "levels": target.name}
        write_text(target / "params.yaml", yaml_text(settings))
        moves = [{**row, "since": policy} for row in read_csv(target / "transitions.csv")]
        if moves:
            write_csv(target / "transitions.csv", moves)


def enlarge(folder: Path) -> None:
    """A round's small files as a large model's: all that `observe` may keep, and a long training."""
    content = read_json(folder / "rollouts.json")
    first = content["rollouts"][0]
    content["rollouts"] = [
        {**first, "level": level, "verdict": verdict, "response": f"{number} " + "and so on " * (LONGEST // 10)}
        for level in LEVELS
        for verdict in VERDICTS
        for number in range(PER_KIND)
    ]
    write_json(folder / "rollouts.json", content)
    steps = read_csv(folder / "train.csv")
    write_csv(folder / "train.csv", [{**steps[step % len(steps)], "step": step + 1} for step in range(STEPS)])


def measured(case: str, metrics: Path, folder: Path) -> list[str]:
    """One line of the table; the page stays in `folder`."""
    page = folder / f"{case.replace(',', '').replace(' ', '_')}.html"
    start = time.perf_counter()
    report.main(metrics=metrics, templates=TEMPLATES, report=folder / "report", page=page)
    made = time.perf_counter() - start
    visits = [visit(lambda tab: watched(tab, page)) for _ in range(REPEATS)]
    content = page.read_bytes()
    sizes = [f"{size / 1e6:.2f}" for size in (len(content), len(gzip.compress(content)))]
    times = [f"{statistics.median(found[name] for found in visits) / 1000:.2f}" for name in ("text", "first", "last")]
    return [case, *sizes, f"{made:.1f}", str(visits[0]["plots"]), *times]


async def watched(tab: Tab, page: Path) -> dict[str, float]:
    """Milliseconds until the text, the first plot and the last stood there, and how many plots."""
    await tab.size(1280, 900)
    await tab.open(page)
    await tab.until("document.documentElement.dataset.plots === 'done'")
    await tab.until("performance.getEntriesByName('plot').length === document.querySelectorAll('figure').length")
    plots = await tab.evaluate("performance.getEntriesByName('plot').map((mark) => mark.startTime)")
    text = await tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    return {"plots": len(plots), "text": text, "first": plots[0], "last": plots[-1]}


async def product(tab: Tab) -> str:
    """The browser's name and version."""
    said = await tab.send("Browser.getVersion")
    return str(said["product"])


if __name__ == "__main__":
    main()
