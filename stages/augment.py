"""graded (a rollout), difficulty (a query), policy → augmented (a rollout), allocation (a query): further rollouts."""

import logging
from functools import partial
from pathlib import Path

import polars as pl

from dast import tables
from dast.allocation.forecast import COLUMNS
from dast.audit import REVIEW_COLUMNS, audit, told
from dast.augmentation.loop import Augmentation
from dast.augmentation.prompting import prompting_of
from dast.augmentation.records import (
    STEP_COLUMNS,
    allocation_table,
    level_rows,
    step_rows,
    steps_table,
    summary,
    unsolved_table,
)
from dast.augmentation.tally import start
from dast.difficulty.levels import round_prior
from dast.entry import run
from dast.exemplars import shelf_of
from dast.frames import read, read_all, write
from dast.grading import Grader, refuse_ungraded
from dast.ledger import ledger
from dast.params.project import load_settings
from dast.policies.counting import token_counter
from dast.prompts import style_for
from dast.recording import recording
from dast.smallfiles import write_csv, write_json
from dast.store.blocks import Asker
from dast.supply import RECORDED
from dast.suspects import suspects_table

log = logging.getLogger("augment")


def main(
    *, params: Path, round_name: str, policy: str, model: Path, queries: Path, tests: Path, pool: Path, graded: Path,
    difficulty: Path, solved: Path, augmented: Path, prompts: Path, settings: Path, allocation: Path, steps: Path,
    unsolved: Path, suspects: Path, metrics: Path, forecast: Path, plot: Path, ladder: Path, review: Path,
) -> None:  # fmt: skip
    chosen = load_settings(params)
    wish, style = chosen.augment, style_for(chosen.prompt, policy)
    asked, before = read(tables.QUERIES, queries), read(tables.GRADED, graded)
    levels, recorded = read(tables.DIFFICULTY, difficulty), read(tables.POOL, pool)
    shelf = None
    if wish.ladder.matched.enabled:
        exemplars, own, held_out = (
            *(wish.ladder.matched.exemplars, read(tables.SFT, solved)),
            read_all(tables.TEST_QUERIES, tests),
        )
        shelf = shelf_of(own, asked, levels, held_out, exemplars, token_counter(model), wish.seed)

    asker = Asker(policy, round_name, "augment")
    with (
        Grader(chosen.grading) as grader,
        recording(chosen.generation, model, asker, wish.seed, recorded) as recorder,
    ):
        recorder.count_earlier(before)
        given = recorded if recorder.engine.name == RECORDED else None
        work = Augmentation(
            asked,
            start(asked, before, levels, given, wish.budget, wish.seed),
            round_prior(before, asked["query_id"], chosen.difficulty),
            prompting_of(asked, style, shelf, wish.ladder.hinted),
            wish,
            recorder,
            grader,
            partial(write_csv, forecast, columns=COLUMNS),
        )
        added = work.run()
        checked = audit(grader.compared, added, chosen.grading.n_review)
    refuse_ungraded(added, chosen.grading.max_ungraded_rate)
    table, rollouts = allocation_table(work), pl.concat([before, added])
    disputed = suspects_table(asked, rollouts, wish.suspect)
    write(tables.GRADED, added, augmented)
    write(tables.PROMPTS, recorder.prompts_table(), prompts)
    write(tables.SETTINGS, recorder.settings_table(), settings)
    write(tables.ALLOCATION, table, allocation)
    write(tables.ALLOCATION_STEPS, steps_table(added), steps)
    write(tables.UNSOLVED, unsolved_table(asked, rollouts), unsolved)
    write(tables.SUSPECTS, disputed, suspects)
    write_csv(forecast, work.forecasted, COLUMNS)
    write_csv(plot, level_rows(table, before))
    write_csv(ladder, step_rows(table, added, before), STEP_COLUMNS)
    write_csv(review, checked.review, REVIEW_COLUMNS)
    counts = {**summary(table, added, before, wish), "n_waves": work.n_waves, "n_suspects": disputed.height}
    cost = ledger(added, recorder.seconds_table(), levels)
    write_json(metrics, {**counts, "audit": checked.counts, "ledger": cost})
    log.info("%s", ", ".join(f"{key} {value}" for key, value in counts.items()))
    log.info("%s", told(checked.counts))


if __name__ == "__main__":
    run(main)
