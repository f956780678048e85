"""graded (a rollout), difficulty (a query), policy → augmented (a rollout), allocation (a query): further rollouts."""

import logging
from pathlib import Path

import polars as pl

from dast import augmentation, tables
from dast.audit import REVIEW_COLUMNS, audit, told
from dast.entry import run
from dast.exemplars import shelf_of
from dast.grading import Grader, refuse_ungraded
from dast.ledger import ledger
from dast.params.ladder import Matched
from dast.params.project import load_settings
from dast.params.sections import Length
from dast.policies.counting import TokenCounter
from dast.prompts import style_for
from dast.recording import recording
from dast.smallfiles import write_csv, write_json
from dast.store.blocks import Asker
from dast.suspects import suspects_table
from dast.tables import read, read_all, write

log = logging.getLogger("augment")


def main(
    *, params: Path, round_name: str, policy: str, model: Path, queries: Path, tests: Path, pool: Path, graded: Path,
    difficulty: Path, solved: Path, augmented: Path, prompts: Path, settings: Path, allocation: Path, steps: Path,
    unsolved: Path, suspects: Path, metrics: Path, plot: Path, review: Path,
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
        held_out = read_all(tables.TEST_QUERIES, tests)
        shelf = shelf_of(read(tables.SFT, solved), asked, levels, held_out, matched(wish.length), CHARACTERS, wish.seed)

    asker = Asker(policy, round_name, "augment")
    with (
        Grader(chosen.grading) as grader,
        recording(chosen.generation, model, asker, wish.seed, read(tables.POOL, pool)) as recorder,
    ):
        recorder.count_earlier(before)
        style = style_for(chosen.prompt, policy)
        work = augmentation.Augmentation(asked, before, levels, style, shelf, wish, lambda: recorder, grader)
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
    cost = ledger(added, recorder.seconds_table(), levels)
    write_json(metrics, {**counts, "audit": checked.counts, "ledger": cost})
    log.info("%s", ", ".join(f"{key} {value}" for key, value in counts.items()))
    log.info("%s", told(checked.counts))


CHARACTERS = TokenCounter(lambda texts: [len(text) for text in texts])


def matched(length: Length) -> Matched:
    """The step's settings, until `augment` holds them itself."""
    return Matched(
        source="policy_set",
        n_exemplars=length.n_exemplars,
        length_quantile=length.length_quantile,
        max_exemplar_tokens=length.max_exemplar_chars * length.n_exemplars,
        n_candidates=8 * length.n_exemplars,
        choose_by="length",
        near_duplicate=1.0,
    )


if __name__ == "__main__":
    run(main)
