"""metrics (the small files of every round) → report (a row a round and key): tables and a summary across rounds."""

import logging
from pathlib import Path

from dast.entry import run
from dast.report.metrics import read_rounds
from dast.report.writing import write_report

log = logging.getLogger("report")


def main(*, metrics: Path, report: Path) -> None:
    rounds = read_rounds(metrics)
    write_report(rounds, report)
    log.info("%d rounds: %s", len(rounds), ", ".join(entry.name for entry in rounds))


if __name__ == "__main__":
    run(main)
