"""graded (a rollout), difficulty (a query), policy → augmented (a rollout), allocation (a query): further rollouts."""

import logging
from pathlib import Path

import polars as pl

from dast import augmentation, tables
from dast.entry import run
from dast.exemplars import shelf_of
from dast.grading import Grader
from dast.ledger import ledger
from dast.params.project import load_settings
from dast.prompts import style_for
from dast.recording import recording
from dast.smallfiles import write_csv, write_json
from dast.store.blocks import Asker
from dast.tables import read, read_all, write

log = logging.getLogger("augment")


def main(
    *, params: Path, round_name: str, policy: str, model: Path, queries: Path, tests: Path, pool: Path, graded: Path,
    difficulty: Path, solved: Path, augmented: Path, prompts: Path, settings: Path, allocation: Path, steps: Path,
    unsolved: Path, suspects: Path, metrics: Path, plot: Path,
) -> None:  # fmt: skip
    chosen = load_settings(params)
    asked, before, levels = (
        read(tables.QUERIES, queries),
        read(tables.GRADED, graded),
        read(tables.DIFFICULTY, difficulty),
    )
    wish = chosen.augment
    shelf = None
    if wish.length.enabled:
        shelf = shelf_of(
            read(tables.SFT, solved), asked, levels, read_all(tables.TEST_QUERIES, tests), wish.length, wish.seed
        )

    asker = Asker(policy, round_name, "augment")
    with (
        Grader(chosen.grading) as grader,
        recording(chosen.generation, model, asker, wish.seed, read(tables.POOL, pool)) as recorder,
    ):
        recorder.count_earlier(before)
        style = style_for(chosen.prompt, policy)
        work = augmentation.Augmentation(asked, before, levels, style, shelf, wish, lambda: recorder, grader)
        added = work.run()
    table, rollouts = work.allocation_table(), pl.concat([before, added])
    write(tables.GRADED, added, augmented)
    write(tables.PROMPTS, work.prompts_table(), prompts)
    write(tables.SETTINGS, work.settings_table(), settings)
    write(tables.ALLOCATION, table, allocation)
    write(tables.ALLOCATION_STEPS, augmentation.steps_table(added), steps)
    write(tables.UNSOLVED, augmentation.unsolved_table(asked, rollouts), unsolved)
    write(tables.SUSPECTS, augmentation.suspects_table(asked, rollouts, wish.suspect_min_agree), suspects)
    write_csv(plot, augmentation.allocation_summary(table, added, before))
    counts = augmentation.summary(table, added, before, wish)
    write_json(metrics, {**counts, "ledger": ledger(added, recorder.seconds_table(), levels)})
    log.info("%s", ", ".join(f"{key} {value}" for key, value in counts.items()))


if __name__ == "__main__":
    run(main)
