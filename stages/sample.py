"""queries (a query), pool, policy → rollouts (a rollout), prompts, settings: K plain responses of the policy each."""

import logging
from pathlib import Path

from dast.entry import run
from dast.frames import read, write
from dast.params.project import load_settings
from dast.prompts import sampling_prompt, style_for
from dast.recording import recording
from dast.rollouts import wanted
from dast.smallfiles import write_json
from dast.store.blocks import Asker
from dast.tables import POOL, PROMPTS, QUERIES, ROLLOUTS, SETTINGS

log = logging.getLogger("sample")


def main(
    *,
    params: Path,
    round_name: str,
    policy: str,
    model: Path,
    queries: Path,
    pool: Path,
    rollouts: Path,
    prompts: Path,
    settings: Path,
    metrics: Path,
) -> None:
    chosen = load_settings(params)
    asked = read(QUERIES, queries)
    style, wish = style_for(chosen.prompt, policy), chosen.sample
    items = [
        item
        for query_id, query in asked.select("query_id", "query").iter_rows()
        for item in wanted(query_id, "sample", range(wish.n_rollouts), sampling_prompt(style, query))
    ]
    asker = Asker(policy, round_name, "sample")
    with recording(chosen.generation, model, asker, wish.seed, read(POOL, pool)) as recorder:
        done = recorder.collect(items, wish.decoding, "rollouts")
    write(ROLLOUTS, done, rollouts)
    write(PROMPTS, recorder.prompts_table(), prompts)
    write(SETTINGS, recorder.settings_table(), settings)
    counts = {"n_queries": asked.height, "n_rollouts": done.height, "n_asked": len(items), **recorder.cost()}
    write_json(metrics, {**counts, "engine": recorder.engine.name})
    log.info(
        "%d queries × %d: %d of %d rollouts, %d tokens, which %s took %.0f s to generate",
        *(asked.height, wish.n_rollouts, done.height, len(items)),
        *(counts["n_tokens"], recorder.engine.name, counts["seconds"]),
    )


if __name__ == "__main__":
    run(main)
