"""graded (a rollout), difficulty (a query), policy → augmented (a rollout), allocation (a query): further rollouts."""

import logging
from pathlib import Path

import polars as pl

from dast import augmentation, tables
from dast.audit import REVIEW_COLUMNS, audit, told
from dast.engines.choose import open_engine
from dast.entry import run
from dast.exemplars import shelf_of
from dast.grading import Grader, refuse_ungraded
from dast.params.project import load_settings
from dast.prompts import style_for
from dast.rollouts import Recorder
from dast.smallfiles import write_csv, write_json
from dast.suspects import suspects_table
from dast.tables import read, read_all, write

log = logging.getLogger("augment")


def main(
    *, params: Path, policy: str, model: Path, queries: Path, tests: Path, pool: Path, graded: Path, difficulty: Path,
    solved: Path, augmented: Path, prompts: Path, settings: Path, allocation: Path, steps: Path, unsolved: Path,
    suspects: Path, metrics: Path, plot: Path, review: Path,
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

    def open_recorder() -> Recorder:
        engine = open_engine(chosen.generation, model, read(tables.POOL, pool))
        return Recorder(engine, policy, wish.seed, chosen.generation.batch_rollouts)

    with Grader(chosen.grading) as grader:
        style = style_for(chosen.prompt, policy)
        work = augmentation.Augmentation(asked, before, levels, style, shelf, wish, open_recorder, grader)
        added = work.run()
        checked = audit(grader.compared, added, chosen.grading.n_review)
    refuse_ungraded(added, chosen.grading.max_ungraded_rate)
    table, rollouts = work.allocation_table(), pl.concat([before, added])
    write(tables.GRADED, added, augmented)
    write(tables.PROMPTS, work.prompts_table(), prompts)
    write(tables.SETTINGS, work.settings_table(), settings)
    write(tables.ALLOCATION, table, allocation)
    write(tables.ALLOCATION_STEPS, augmentation.steps_table(added), steps)
    write(tables.UNSOLVED, augmentation.unsolved_table(asked, rollouts), unsolved)
    disputed = suspects_table(asked, rollouts, wish.suspect)
    write(tables.SUSPECTS, disputed, suspects)
    write_csv(plot, augmentation.allocation_summary(table, added, before))
    write_csv(review, checked.review, REVIEW_COLUMNS)
    counts = {**augmentation.summary(table, added, before, wish), "n_suspects": disputed.height}
    write_json(metrics, {**counts, "audit": checked.counts})
    log.info("%s", ", ".join(f"{key} {value}" for key, value in counts.items()))
    log.info("%s", told(checked.counts))


if __name__ == "__main__":
    run(main)
