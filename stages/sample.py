"""queries (a query), pool, policy → rollouts (a rollout), prompts, settings: K plain responses of the policy each."""

import logging
import time
from pathlib import Path

from dast.engines.choose import open_engine
from dast.entry import run
from dast.params.project import load_settings
from dast.prompts import sampling_prompt, style_for
from dast.rollouts import Recorder, wanted
from dast.smallfiles import write_json
from dast.tables import POOL, PROMPTS, QUERIES, ROLLOUTS, SETTINGS, read, write

log = logging.getLogger("sample")


def main(
    *,
    params: Path,
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
    start = time.monotonic()
    engine = open_engine(chosen.generation, model, read(POOL, pool))
    recorder = Recorder(engine, policy, wish.seed, chosen.generation.batch_rollouts)
    recorder.collect(items, wish.decoding, "rollouts")
    done = recorder.rollouts_table()
    write(ROLLOUTS, done, rollouts)
    write(PROMPTS, recorder.prompts_table(), prompts)
    write(SETTINGS, recorder.settings_table(), settings)
    n_tokens = int(done.get_column("n_tokens").sum())
    seconds = time.monotonic() - start
    counts = {"n_queries": asked.height, "n_rollouts": done.height, "n_asked": len(items), "n_tokens": n_tokens}
    write_json(metrics, {**counts, "engine": engine.name, "seconds": seconds})
    log.info(
        "%d queries × %d: %d of %d rollouts, %d tokens, %.0f s by %s",
        *(asked.height, wish.n_rollouts, done.height, len(items), n_tokens, seconds, engine.name),
    )


if __name__ == "__main__":
    run(main)
