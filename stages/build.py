"""graded, augmented (a rollout), difficulty (a query) → sft (a prompt-completion), dpo (a chosen-rejected pair)."""

import logging
from pathlib import Path

import polars as pl

from dast.building.sets import build_sets
from dast.entry import run
from dast.params.project import load_settings
from dast.smallfiles import write_csv, write_json
from dast.tables import DIFFICULTY, DPO, GRADED, PROMPTS, QUERIES, SFT, read, write

log = logging.getLogger("build")


def main(
    *,
    params: Path,
    round_name: str,
    queries: Path,
    graded: Path,
    augmented: Path,
    prompts: Path,
    augmented_prompts: Path,
    difficulty: Path,
    previous: Path,
    sft: Path,
    dpo: Path,
    metrics: Path,
    plot: Path,
) -> None:
    chosen = load_settings(params)
    rollouts = pl.concat([read(GRADED, graded), read(GRADED, augmented)])
    built = build_sets(
        queries=read(QUERIES, queries),
        graded=rollouts,
        prompts=pl.concat([read(PROMPTS, prompts), read(PROMPTS, augmented_prompts)]).unique("prompt_digest"),
        difficulty=read(DIFFICULTY, difficulty),
        previous=read(SFT, previous),
        style=chosen.prompt.tuned,
        settings=chosen.build,
        round_name=round_name,
    )
    write(SFT, built.sft, sft)
    write(DPO, built.dpo, dpo)
    write_csv(plot, built.levels)
    counts = {"n_rollouts": rollouts.height, "n_sft": built.sft.height, "n_dpo": built.dpo.height}
    write_json(metrics, {**counts, "left_out": built.left_out, **built.facts})
    left_out = ", ".join(f"{reason} {count}" for reason, count in sorted(built.left_out.items()) if count)
    log.info("%d rollouts → %d sft rows, %d pairs; left out: %s", *counts.values(), left_out or "none")


if __name__ == "__main__":
    run(main)
