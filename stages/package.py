"""every table of the round (a query, rollout, prompt or pair) → hub (a folder that `datasets` loads, and its card)."""

import hashlib
import logging
from pathlib import Path

from dast import tables
from dast.entry import run
from dast.packaging.card import card
from dast.packaging.facts import CardFacts, Recipe
from dast.packaging.folder import held_out_rows, refuse_test_queries, union, write_package
from dast.params.project import load_settings
from dast.smallfiles import read_csv, read_json, write_json
from dast.tables import read

log = logging.getLogger("package")


def main(
    *, params: Path, round_name: str, policy: str, levels: str, queries: Path, pool: Path, tests: Path,
    graded: Path, augmented: Path, prompts: Path, augmented_prompts: Path, settings: Path, augmented_settings: Path,
    difficulty: Path, allocation: Path, unsolved: Path, suspects: Path, sft: Path, dpo: Path,
    score_metrics: Path, build_plot: Path, hub: Path, metrics: Path,
) -> None:  # fmt: skip
    chosen = load_settings(params)
    recipe = Recipe(
        *(chosen.prepare, chosen.bootstrap, chosen.prompt, chosen.generation, chosen.grading),
        *(chosen.sample, chosen.difficulty, chosen.augment, chosen.build, chosen.package),
    )
    rows = {
        "sft": read(tables.SFT, sft),
        "dpo": read(tables.DPO, dpo),
        "queries": read(tables.QUERIES, queries),
        "rollouts": union(tables.GRADED, read(tables.GRADED, graded), read(tables.GRADED, augmented)),
        "prompts": union(tables.PROMPTS, read(tables.PROMPTS, prompts), read(tables.PROMPTS, augmented_prompts)),
        "settings": union(tables.SETTINGS, read(tables.SETTINGS, settings), read(tables.SETTINGS, augmented_settings)),
        "difficulty": read(tables.DIFFICULTY, difficulty),
        "allocation": read(tables.ALLOCATION, allocation),
        "unsolved": read(tables.UNSOLVED, unsolved),
        "suspects": read(tables.SUSPECTS, suspects),
    }
    held_out = held_out_rows(tests)
    refuse_test_queries(rows["queries"], held_out, rows)
    facts = CardFacts(
        *(round_name, policy, levels, recipe, rows, read(tables.POOL, pool), held_out),
        queries_digest=hashlib.sha256(queries.read_bytes()).hexdigest(),
        build=read_csv(build_plot),
        agreement_rate=read_json(score_metrics).get("agreement_rate"),
    )
    counts = {f"n_{name}": part.height for name, part in rows.items()}
    n_files, n_bytes = write_package(rows, card(facts), hub, chosen.package.max_rows_per_file)
    write_json(metrics, {**counts, "n_files": n_files, "n_bytes": n_bytes})
    log.info("%s: %d files, %d bytes: %s", round_name, n_files, n_bytes, counts)


if __name__ == "__main__":
    run(main)
