"""model, test sets, test levels (a query) → test_graded (a rollout), accuracies (a test set, group and measure)."""

import logging
from pathlib import Path

from dast.entry import run
from dast.evaluation import accuracy_rows, examples, run_tests, spoken, summary
from dast.grading import Grader, refuse_ungraded
from dast.ledger import ledger
from dast.params.project import load_settings
from dast.prompts import style_for
from dast.recording import recording
from dast.smallfiles import write_csv, write_json
from dast.store.blocks import Asker
from dast.tables import TEST_GRADED, TEST_LEVELS, TEST_QUERIES, read, read_all, write

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
    shown: Path,
) -> None:
    chosen = load_settings(params)
    asked, wish = read_all(TEST_QUERIES, tests), chosen.evaluate
    asker = Asker(round_name, round_name, "evaluate")
    with (
        Grader(chosen.grading) as grader,
        recording(chosen.generation, model, asker, wish.seed, None) as recorder,
    ):
        done = run_tests(asked, recorder, grader, style_for(chosen.prompt, round_name), wish, with_levels=False)
    refuse_ungraded(done, chosen.grading.max_ungraded_rate)
    levelled = read(TEST_LEVELS, levels)
    rows = accuracy_rows(done, asked, levelled, wish)
    write(TEST_GRADED, done, graded)
    write_csv(plot, rows)
    write_json(metrics, {**summary(rows), "ledger": ledger(done, recorder.seconds_table(), levelled)})
    write_json(shown, examples(done, asked))
    log.info("%s: %s", round_name, spoken(rows))


if __name__ == "__main__":
    run(main)
