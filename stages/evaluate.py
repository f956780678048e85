"""model, test sets, test levels (a query) → test_graded (a rollout), accuracies (a test set, group and measure)."""

import logging
from pathlib import Path

from dast.accuracy import ACCURACY_COLUMNS, RESPONSE_COLUMNS, accuracy_rows, response_rows, spoken, summary
from dast.audit import REVIEW_COLUMNS, audit, told
from dast.entry import run
from dast.evaluation import examples, run_tests
from dast.frames import read, read_all, write
from dast.grading import Grader, refuse_ungraded
from dast.ledger import ledger
from dast.params.project import load_settings
from dast.prompts import style_for
from dast.recording import recording
from dast.smallfiles import write_csv, write_json
from dast.store.blocks import Asker
from dast.tables import TEST_GRADED, TEST_LEVELS, TEST_QUERIES

log = logging.getLogger("evaluate")


def main(
    *,
    params: Path,
    round_name: str,
    model: Path,
    tests: Path,
    levels: Path,
    graded: Path,
    metrics: Path,
    plot: Path,
    responses: Path,
    shown: Path,
    review: Path,
) -> None:
    chosen = load_settings(params)
    asked, wish = read_all(TEST_QUERIES, tests), chosen.evaluate
    asker = Asker(round_name, round_name, "evaluate")
    with (
        Grader(chosen.grading, "evaluation") as grader,
        recording(chosen.generation, model, asker, wish.seed, None) as recorder,
    ):
        done = run_tests(asked, recorder, grader, style_for(chosen.prompt, round_name), wish, with_levels=False)
        checked = audit(grader.compared, done, chosen.grading.n_review)
    refuse_ungraded(done, chosen.grading.max_ungraded_rate)
    levelled = read(TEST_LEVELS, levels)
    rows = accuracy_rows(done, asked, levelled, wish, chosen.intervals)
    write(TEST_GRADED, done, graded)
    write_csv(plot, rows, ACCURACY_COLUMNS)
    write_csv(responses, response_rows(done, asked), RESPONSE_COLUMNS)
    cost = ledger(done, recorder.seconds_table(), levelled)
    write_json(metrics, {**summary(rows), "audit": checked.counts, "ledger": cost})
    write_csv(review, checked.review, REVIEW_COLUMNS)
    write_json(shown, examples(done, asked))
    log.info("%s: %s", round_name, spoken(rows))
    log.info("%s", told(checked.counts))


if __name__ == "__main__":
    run(main)
