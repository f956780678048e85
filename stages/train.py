"""sft (a prompt-completion) or dpo (a pair), start model → models/r: the round's model with its tokenizer."""

import logging
from dataclasses import asdict
from pathlib import Path

from dast.dvc import training_folder
from dast.entry import run
from dast.frames import read
from dast.params.project import load_settings
from dast.policies.folder import fingerprint, write_policy
from dast.smallfiles import write_csv, write_json, write_text
from dast.tables import DPO, SFT
from dast.training.card import card_text
from dast.training.runs import find_run, finish_run
from dast.training.sets import without_template
from dast.training.trained import Method

log = logging.getLogger("train")


def main(
    *,
    params: Path,
    round_name: str,
    method: str,
    init: str,
    start: Path,
    rows: Path,
    model: Path,
    metrics: Path,
    plot: Path,
) -> None:
    chosen = load_settings(params)
    kind: Method = "dpo" if method == "dpo" else "sft"
    table = read(DPO if kind == "dpo" else SFT, rows)
    asked = without_template(table) if chosen.prompt.tuned.raw else table
    done = finish_run(find_run(asked, kind, start, chosen.train, training_folder(Path.cwd())), model, plot)
    write_text(model / "README.md", card_text(round_name, init, kind, table, chosen.train, done))
    write_policy(model, name=round_name, kind="trained", parent=init, method=kind)
    write_csv(plot, done.curve)
    counts = {key: value for key, value in asdict(done).items() if key != "curve"}
    losses = [row["loss"] for row in done.curve]
    write_json(
        metrics,
        {"method": kind, "fingerprint": fingerprint(model), **counts, "loss_first": losses[0], "loss_last": losses[-1]},
    )
    log.info(
        "%s from %s: %d rows, %d steps (%.1f epochs), loss %.4f → %.4f, %.0f s",
        *(kind, init, done.n_rows, done.steps, done.epochs, losses[0], losses[-1], done.seconds),
    )


if __name__ == "__main__":
    run(main)
