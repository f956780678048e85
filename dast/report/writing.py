"""Tables across rounds, from the small files alone.

Guarantees: every table is written, with its header alone where no stage has run; rounds stand in the order they build
on each other. Grain: one row a round and key (level, test set, step, …), in long format as plots want it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dast.report.ledger import HEADER, ledger_rows
from dast.report.metrics import RoundMetrics, gather
from dast.report.sections import Section
from dast.report.settings import params_rows
from dast.report.summary import summary_text
from dast.smallfiles import write_csv, write_json, write_text

TABLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "levels": ("levels", ("level", "n_queries", "n_decided", "n_rollouts", "n_correct", "mean_tokens", "mean_chars")),
    "pass_rate": ("pass_rate", ("pass_rate", "n_queries")),
    "lengths": (
        "lengths",
        (
            *("level", "verdict", "n_rollouts", "mean_chars", "median_chars", "q90_chars"),
            *("n_known_tokens", "mean_tokens", "median_tokens", "q90_tokens"),
        ),
    ),
    "transitions": ("transitions", ("since", "before", "after", "n_queries", "expected", "sd")),
    "source_levels": ("source_levels", ("source", "source_level", "rank", "level", "n_queries", "mean_pass_rate")),
    "allocation": (
        "allocation",
        ("level", "n_queries", "wanted", "spent", "spent_tokens", "got", "n_newly_solved"),
    ),
    "forecast": ("forecast", ("level", "measure", "expected", "low", "high", "actual")),
    "ladder": (
        "ladder",
        (
            *("step", "level", "n_queries", "n_rollouts", "n_tokens", "n_correct", "n_queries_solved"),
            *("mean_tokens_correct", "median_tokens_correct", "mean_chars_correct"),
        ),
    ),
    "build": (
        "build",
        (
            *("level", "n_self", "n_reference", "asked_rate", "got_rate", "mean_chars", "mean_tokens", "lucky_rate"),
            *("n_pairs", "bias_chars", "bias_tokens", "chosen_longer_rate"),
        ),
    ),
    "training": (
        "train",
        ("step", "loss", "learning_rate", "reward_accuracy", "logps_chosen", "logps_rejected"),
    ),
    "accuracy": (
        "accuracy",
        ("test_set", "domain", "group", "value", "n_queries", "measure", "estimate", "se", "low", "high"),
    ),
    "responses": (
        "responses",
        (
            *("test_set", "domain", "decoding", "n_rollouts", "n_ungraded", "ungraded_rate", "no_answer_rate"),
            *("n_truncated", "truncated_rate", "mean_tokens", "mean_tokens_correct"),
        ),
    ),
    "comparisons": (
        "comparisons",
        (
            *("test_set", "domain", "group", "value", "against", "measure", "n_queries", "difference", "low", "high"),
            *("p_value", "verdict", "gate"),
        ),
    ),
}
"""Table of the report: the file of a round that it gathers, and the columns that it has even without rows."""


def write_report(rounds: Sequence[RoundMetrics], sections: Sequence[Section], folder: Path) -> None:
    """Writes every table of `TABLES`, ledger.csv, params.csv, summary.json and summary.md below `folder`."""
    for name, (source, columns) in TABLES.items():
        header, rows = gather(rounds, source, columns)
        write_csv(folder / f"{name}.csv", rows, header)
    write_csv(folder / "ledger.csv", ledger_rows(rounds), HEADER)
    names = [entry.name for entry in rounds if entry.params]
    write_csv(folder / "params.csv", params_rows(rounds), ["param", *names, "changed"])
    write_json(folder / "summary.json", {entry.name: entry.numbers() for entry in rounds})
    write_text(folder / "summary.md", summary_text(sections))
