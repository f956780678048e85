"""base, test sets (a query) → test_graded (a rollout), test_levels (a query): the base's accuracy, and test levels."""

import logging
from pathlib import Path

from dast.accuracy import ACCURACY_COLUMNS, RESPONSE_COLUMNS, accuracy_rows, response_rows, spoken, summary
from dast.audit import REVIEW_COLUMNS, audit, told
from dast.entry import run
from dast.evaluation import examples, levels_of_tests, run_tests
from dast.frames import read_all, write
from dast.grading import Grader, refuse_ungraded
from dast.ledger import ledger
from dast.params.project import load_project
from dast.prompts import style_for
from dast.recording import recording
from dast.smallfiles import write_csv, write_json
from dast.store.blocks import Asker
from dast.tables import TEST_GRADED, TEST_LEVELS, TEST_QUERIES

log = logging.getLogger("evaluate_base")


def main(
    *,
    params: Path,
    model: Path,
    tests: Path,
    graded: Path,
    levels: Path,
    metrics: Path,
    plot: Path,
    responses: Path,
    shown: Path,
    review: Path,
) -> None:
    chosen = load_project(params).defaults
    asked, wish = read_all(TEST_QUERIES, tests), chosen.evaluate
    asker = Asker("base", "base", "evaluate_base")
    with (
        Grader(chosen.grading, "evaluation") as grader,
        recording(chosen.generation, model, asker, wish.seed, None) as recorder,
    ):
        done = run_tests(asked, recorder, grader, style_for(chosen.prompt, "base"), wish, with_levels=True)
        checked = audit(grader.compared, done, chosen.grading.n_review)
    refuse_ungraded(done, chosen.grading.max_ungraded_rate)
    levelled = levels_of_tests(done, chosen.difficulty)
    rows = accuracy_rows(done, asked, levelled, wish, chosen.intervals)
    write(TEST_GRADED, done, graded)
    write(TEST_LEVELS, levelled, levels)
    write_csv(plot, rows, ACCURACY_COLUMNS)
    write_csv(responses, response_rows(done, asked), RESPONSE_COLUMNS)
    cost = ledger(done, recorder.seconds_table(), levelled)
    write_json(metrics, {**summary(rows), "audit": checked.counts, "ledger": cost})
    write_csv(review, checked.review, REVIEW_COLUMNS)
    write_json(shown, examples(done, asked))
    log.info("%s", spoken(rows))
    log.info("%s", told(checked.counts))


if __name__ == "__main__":
    run(main)
