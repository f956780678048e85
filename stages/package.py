"""every table of the round (a query, rollout, prompt or pair) → hub (a folder that `datasets` loads, and its card)."""

import logging
from pathlib import Path

from dast import tables
from dast.entry import run
from dast.frames import read
from dast.packaging.assembly import assemble
from dast.packaging.facts import Recipe, Round, input_of
from dast.packaging.folder import bounds_of, union, write_package
from dast.packaging.gates import held_out_rows
from dast.params.project import load_settings
from dast.smallfiles import read_csv, read_json, write_json
from dast.tables import Table

log = logging.getLogger("package")


def main(
    *, params: Path, round_name: str, policy: str, levels: str, queries: Path, pool: Path, tests: Path,
    query_contamination: Path, contamination: Path, graded: Path, augmented: Path, prompts: Path,
    augmented_prompts: Path, settings: Path, augmented_settings: Path, difficulty: Path, allocation: Path,
    unsolved: Path, suspects: Path, sft: Path, dpo: Path, earlier: Path, score_metrics: Path, augment_metrics: Path,
    build_metrics: Path, build_plot: Path, hub: Path, metrics: Path,
) -> None:  # fmt: skip
    chosen = load_settings(params)
    recipe = Recipe(
        *(chosen.prepare, chosen.bootstrap, chosen.prompt, chosen.generation, chosen.grading, chosen.sample),
        *(chosen.difficulty, chosen.augment, chosen.build, chosen.contamination, chosen.package),
    )
    sources: dict[str, tuple[Table, list[Path]]] = {
        "sft": (tables.SFT, [sft]),
        "dpo": (tables.DPO, [dpo]),
        "queries": (tables.QUERIES, [queries]),
        "rollouts": (tables.GRADED, [graded, augmented]),
        "prompts": (tables.PROMPTS, [prompts, augmented_prompts]),
        "settings": (tables.SETTINGS, [settings, augmented_settings]),
        "difficulty": (tables.DIFFICULTY, [difficulty]),
        "allocation": (tables.ALLOCATION, [allocation]),
        "unsolved": (tables.UNSOLVED, [unsolved]),
        "suspects": (tables.SUSPECTS, [suspects]),
        "contamination": (tables.CONTAMINATION, [query_contamination, contamination]),
    }
    rows = {name: union(table, *(read(table, path) for path in paths)) for name, (table, paths) in sources.items()}
    inputs = {name: input_of(rows[name].height, *paths) for name, (_, paths) in sources.items()}
    recorded, held_out = read(tables.POOL, pool), held_out_rows(tests)
    inputs |= {"pool": input_of(recorded.height, pool), "tests": input_of(held_out.height, tests)}
    told = {"score": score_metrics, "augment": augment_metrics, "build": build_metrics}
    said = {name: read_json(path) for name, path in told.items()}
    made = Round(round_name, policy, levels, recipe, rows, recorded, held_out, inputs, read_csv(build_plot), said)
    contents = assemble(made, earlier)
    n_files, n_bytes = write_package(contents, hub, bounds_of(recipe.package))
    counts = {f"n_{name}": part.height for name, part in contents.rows.items()}
    write_json(metrics, {**counts, "n_files": n_files, "n_bytes": n_bytes})
    log.info("%s: %d files, %d bytes: %s", round_name, n_files, n_bytes, counts)


if __name__ == "__main__":
    run(main)
