"""graded, augmented (a rollout), difficulty, tests (a query) → sft, dpo (a pair), contamination (a response)."""

import logging
from pathlib import Path

import polars as pl

from dast import frames, tables
from dast.building.sets import build_sets
from dast.contamination import (
    contaminated,
    counted,
    found_in_tests,
    refuse_contaminated,
    response_texts,
    rollout_texts,
    told,
)
from dast.entry import run
from dast.frames import read, write
from dast.params.project import load_settings
from dast.smallfiles import write_csv, write_json

log = logging.getLogger("build")


def main(
    *, params: Path, round_name: str, queries: Path, tests: Path, graded: Path, augmented: Path, prompts: Path,
    augmented_prompts: Path, difficulty: Path, previous: Path, sft: Path, dpo: Path, contamination: Path,
    metrics: Path, plot: Path,
) -> None:  # fmt: skip
    chosen = load_settings(params)
    rollouts = pl.concat([read(tables.GRADED, graded), read(tables.GRADED, augmented)])
    held, wish = frames.read_all(tables.TEST_QUERIES, tests), chosen.contamination
    looked_at = rollouts if wish.action == "drop" else rollouts.clear()
    left = found_in_tests(rollout_texts(looked_at), held, wish).filter("contaminated")
    built = build_sets(
        queries=read(tables.QUERIES, queries),
        graded=rollouts.join(contaminated(left), on=["query_id", "rollout_id"], how="anti", maintain_order="left"),
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
    shared = pl.concat([left, found_in_tests(texts, held, wish)])
    write(tables.CONTAMINATION, shared, contamination)
    refuse_contaminated(shared, wish, str(contamination))
    n_left = contaminated(left).height
    near = counted(shared, texts.height + n_left, wish)
    left_out = {**built.left_out, **({"contaminated": n_left} if n_left else {})}
    write(tables.SFT, built.sft, sft)
    write(tables.DPO, built.dpo, dpo)
    write_csv(plot, built.levels)
    counts = {"n_rollouts": rollouts.height, "n_sft": built.sft.height, "n_dpo": built.dpo.height}
    write_json(metrics, {**counts, "left_out": left_out, "contamination": near, **built.facts})
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(left_out.items()) if count)
    log.info("%d rollouts → %d sft rows, %d pairs; left out: %s", *counts.values(), reasons or "none")
    log.info("%s", told(near))


if __name__ == "__main__":
    run(main)
