"""graded, augmented (a rollout), difficulty of r and of its policy's round (a query), queries → transitions (a pair of
levels), rollouts to read.
"""

import logging
from pathlib import Path

import polars as pl

from dast.difficulty.moves import ALL, MOVE_COLUMNS, move_rows
from dast.entry import run
from dast.frames import read
from dast.params.project import load_settings
from dast.smallfiles import write_csv, write_json
from dast.specimens import specimens
from dast.tables import DIFFICULTY, GRADED, QUERIES

log = logging.getLogger("observe")


def main(
    *,
    params: Path,
    policy: str,
    queries: Path,
    graded: Path,
    augmented: Path,
    difficulty: Path,
    earlier: Path,
    transitions: Path,
    shown: Path,
) -> None:
    chosen = load_settings(params)
    levels = read(DIFFICULTY, difficulty)
    moves = move_rows(read(DIFFICULTY, earlier), levels, chosen.difficulty)
    rollouts = pl.concat([read(GRADED, graded), read(GRADED, augmented)])
    examples = specimens(rollouts, levels, read(QUERIES, queries), chosen.observe)
    write_csv(transitions, [{"since": policy, **row} for row in moves], ("since", *MOVE_COLUMNS))
    write_json(shown, examples)
    turned = ", ".join(
        f"{row['n_queries']} {row['after']} (noise alone: {row['expected']:.0f} ± {row['sd']:.0f})"
        for row in moves
        if row["before"] == ALL
    )
    log.info(
        "levels since %s: %s; %d of %d rollouts to read",
        policy,
        turned or "no earlier estimate",
        len(examples["rollouts"]),
        rollouts.height,
    )


if __name__ == "__main__":
    run(main)
