"""base, test sets (a query) → test_graded (a rollout), test_levels (a query): the base's accuracy, and test levels."""

import logging
from pathlib import Path

from dast.entry import run
from dast.evaluation import accuracy_rows, examples, levels_of_tests, run_tests, spoken, summary
from dast.grading import Grader, refuse_ungraded
from dast.ledger import ledger
from dast.params.project import load_project
from dast.prompts import style_for
from dast.recording import recording
from dast.smallfiles import write_csv, write_json
from dast.store.blocks import Asker
from dast.tables import TEST_GRADED, TEST_LEVELS, TEST_QUERIES, read_all, write

log = logging.getLogger("evaluate_base")


def main(
    *, params: Path, model: Path, tests: Path, graded: Path, levels: Path, metrics: Path, plot: Path, shown: Path
) -> None:
    chosen = load_project(params).defaults
    asked, wish = read_all(TEST_QUERIES, tests), chosen.evaluate
    asker = Asker("base", "base", "evaluate_base")
    with (
        Grader(chosen.grading) as grader,
        recording(chosen.generation, model, asker, wish.seed, None) as recorder,
    ):
        done = run_tests(asked, recorder, grader, style_for(chosen.prompt, "base"), wish, with_levels=True)
    refuse_ungraded(done, chosen.grading.max_ungraded_rate)
    levelled = levels_of_tests(done, chosen.difficulty)
    rows = accuracy_rows(done, asked, levelled, wish)
    write(TEST_GRADED, done, graded)
    write(TEST_LEVELS, levelled, levels)
    write_csv(plot, rows)
    write_json(metrics, {**summary(rows), "ledger": ledger(done, recorder.seconds_table(), levelled)})
    write_json(shown, examples(done, asked))
    log.info("%s", spoken(rows))


if __name__ == "__main__":
    run(main)
