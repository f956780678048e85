"""test_graded of r, its policy and the base (a rollout) → comparisons (a test set, measure); fails on a regression."""

import logging
from pathlib import Path

from dast.comparison import compare, require_no_drop
from dast.entry import run
from dast.params.project import load_settings
from dast.smallfiles import write_csv, write_json
from dast.tables import TEST_GRADED, TEST_QUERIES, read, read_all

log = logging.getLogger("gate")


def main(
    *,
    params: Path,
    round_name: str,
    tests: Path,
    ours: Path,
    policy: str,
    theirs: Path,
    base: Path,
    plot: Path,
    gate: Path,
) -> None:
    wish = load_settings(params).gate
    asked, mine = read_all(TEST_QUERIES, tests), read(TEST_GRADED, ours)
    others = {"base": read(TEST_GRADED, base), policy: read(TEST_GRADED, theirs)}
    rows = [row for name, other in others.items() for row in compare(mine, other, asked, name)]
    write_csv(plot, rows)
    named = {"base": "base", "policy": policy}
    held = {named[which]: others[named[which]] for which in wish.against}
    require_no_drop(mine, held, asked, wish.max_drop, round_name)
    # A constant: the next round's sampling waits for it, and a changed evaluation does not change it.
    write_json(gate, {"passed": True})
    log.info(
        "%s",
        "; ".join(
            f"{row['test_set']} {row['measure']} against {row['against']}: {row['difference']:+.3f} ({row['verdict']})"
            for row in rows
            if row["measure"] == "pass@1"
        ),
    )


if __name__ == "__main__":
    run(main)
