"""sft (a prompt-completion) or dpo (a pair), start model → models/r: the round's model with its tokenizer."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from dast.entry import run
from dast.params.project import load_settings
from dast.policies.folder import fingerprint, write_policy
from dast.smallfiles import write_csv, write_json
from dast.tables import DPO, SFT, read
from dast.training import train_model

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
    kind: Literal["sft", "dpo"] = "dpo" if method == "dpo" else "sft"
    done = train_model(read(DPO if kind == "dpo" else SFT, rows), kind, start, chosen.train, model)
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
