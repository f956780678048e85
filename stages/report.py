"""metrics (the small files of every round), plot templates → report (tables and a summary across rounds), page."""

import logging
from pathlib import Path

from dast.entry import run
from dast.report.metrics import read_rounds
from dast.report.page import page_text
from dast.report.sections import sections_of
from dast.report.writing import write_report
from dast.smallfiles import write_text

log = logging.getLogger("report")


def main(*, metrics: Path, templates: list[Path], report: Path, page: Path) -> None:
    rounds = read_rounds(metrics)
    sections = sections_of(rounds)
    write_report(rounds, sections, report)
    text = page_text(rounds, sections, report, templates)
    write_text(page, text)
    names = ", ".join(entry.name for entry in rounds)
    log.info("%d rounds: %s; a page of %d kB", len(rounds), names, round(len(text.encode()) / 1000))


if __name__ == "__main__":
    run(main)
