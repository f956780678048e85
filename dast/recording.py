"""A stage's recorder: engine, policy and store put together.

Guarantees: the engine starts with the first missing rollout, so that a stage without one reads no weights; the store is
closed, and its lock given back, however the stage ends. Grain: one recorder a stage.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from dast.dvc import store_folder
from dast.engines.choose import open_engine, resolved
from dast.engines.lazy import LazyEngine
from dast.params.engines import Generation
from dast.policies.counting import token_counter
from dast.policies.folder import fingerprint
from dast.rollouts import Recorder
from dast.samplers import text_settings
from dast.store.blocks import Asker
from dast.store.keeping import Store
from dast.supply import RECORDED, is_replay


@contextmanager
def recording(
    generation: Generation, model: Path, asker: Asker, seed: int, pool: pl.DataFrame | None
) -> Iterator[Recorder]:
    """The recorder of one stage.

    Args:
        generation: The `generation` section.
        model: Folder of the policy that samples.
        asker: Policy, round and stage, by name.
        seed: The stage's seed.
        pool: Recorded responses; None where a stage cannot use them.

    Raises:
        ModelError: the model's folder is not what its card says.
        CommandError: no place for the store.
        StoreError: a `DAST_REPLAY` that is neither yes nor no.
    """
    chosen = resolved(generation)
    engine = LazyEngine(chosen.engine, lambda: open_engine(chosen, model, pool))
    about = text_settings(chosen, fingerprint(model))
    recorder = Recorder(
        *(engine, asker.policy_name, seed, chosen.batch_rollouts, about, None, asker, is_replay(), token_counter(model))
    )
    if chosen.engine == RECORDED:
        yield recorder
        return
    with Store(store_folder(Path.cwd())) as recorder.store:
        yield recorder
