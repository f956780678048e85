"""graded, augmented (a rollout), difficulty, tests (a query) → sft, dpo (a pair), contamination (a response)."""

import logging
from pathlib import Path

import polars as pl

from dast import tables
from dast.building.sets import build_sets
from dast.contamination import counted, found_in_tests, refuse_contaminated, response_texts, told
from dast.entry import run
from dast.params.project import load_settings
from dast.smallfiles import write_csv, write_json
from dast.tables import read, write

log = logging.getLogger("build")


def main(
    *, params: Path, round_name: str, queries: Path, tests: Path, graded: Path, augmented: Path, prompts: Path,
    augmented_prompts: Path, difficulty: Path, previous: Path, sft: Path, dpo: Path, contamination: Path,
    metrics: Path, plot: Path,
) -> None:  # fmt: skip
    chosen = load_settings(params)
    rollouts = pl.concat([read(tables.GRADED, graded), read(tables.GRADED, augmented)])
    built = build_sets(
        queries=read(tables.QUERIES, queries),
        graded=rollouts,
        prompts=pl.concat([read(tables.PROMPTS, prompts), read(tables.PROMPTS, augmented_prompts)]).unique(
            "prompt_digest"
        ),
        difficulty=read(tables.DIFFICULTY, difficulty),
        previous=read(tables.SFT, previous),
        style=chosen.prompt.tuned,
        settings=chosen.build,
        round_name=round_name,
    )
    texts = response_texts(built.sft, built.dpo)
    shared = found_in_tests(texts, tables.read_all(tables.TEST_QUERIES, tests), chosen.contamination)
    write(tables.CONTAMINATION, shared, contamination)
    refuse_contaminated(shared, chosen.contamination, str(contamination))
    near = counted(shared, texts.height)
    write(tables.SFT, built.sft, sft)
    write(tables.DPO, built.dpo, dpo)
    write_csv(plot, built.levels)
    counts = {"n_rollouts": rollouts.height, "n_sft": built.sft.height, "n_dpo": built.dpo.height}
    write_json(metrics, {**counts, "left_out": built.left_out, "contamination": near, **built.facts})
    left_out = ", ".join(f"{reason} {count}" for reason, count in sorted(built.left_out.items()) if count)
    log.info("%d rollouts → %d sft rows, %d pairs; left out: %s", *counts.values(), left_out or "none")
    log.info("%s", told(near))


if __name__ == "__main__":
    run(main)
