"""The ray engine on local clusters: chunks, workers that die, nodes that go, what ends the stage."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dast.engines.choose import open_engine
from dast.engines.protocol import Engine, Item
from dast.engines.transformers import TransformersEngine
from dast.errors import EngineError, ModelError
from dast.prompts import prompt_digest
from tests.full import need
from tests.makers import default_settings
from tests.sleeper import Sleeper, killed_by, killed_once, no_model, refuse
from tests.tiny_models import save_tiny_model

if TYPE_CHECKING:
    from dast.engines.ray import RayEngine

pytestmark = pytest.mark.full

GENERATION = default_settings().generation
DECODING = default_settings().sample.decoding


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[Any]:
    """Two nodes of one CPU each on this machine; the second may be taken away by the last test."""
    need("ray")
    import ray
    from ray.cluster_utils import Cluster

    assert not ray.is_initialized()
    local = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = local.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = local.address
    yield local, second
    del os.environ["RAY_ADDRESS"]
    ray.shutdown()
    local.shutdown()


@pytest.fixture
def start() -> Iterator[Callable[..., RayEngine]]:
    from dast.engines.ray import RayEngine

    opened: list[RayEngine] = []

    def start(open_inner: Callable[[], Engine], **changes: Any) -> RayEngine:
        pool = GENERATION.ray.model_copy(update={"chunk_rollouts": 10, **changes})
        opened.append(RayEngine(pool, open_inner))
        return opened[-1]

    yield start
    for engine in opened:
        engine.close()


def items(n: int) -> list[Item]:
    messages = [[{"role": "user", "content": f"Tom has {i} coins. How many?"}] for i in range(n)]
    return [Item(f"q{i}", "sample", 0, prompt_digest(m), m) for i, m in enumerate(messages)]


def expected(n: int, seed: int) -> dict[str, str]:
    return {f"q{i}": f"q{i} {seed + i}" for i in range(n)}


def texts(engine: RayEngine, n: int, seed: int = 7) -> dict[str, str]:
    done = [(item.query_id, response.text) for item, response in engine.generate(items(n), DECODING, seed)]
    assert len(dict(done)) == len(done) == n
    return dict(done)


def test_ray_answers_do_not_depend_on_the_number_of_workers(start: Callable[..., RayEngine]) -> None:
    for workers in (1, 2):
        engine = start(Sleeper, workers=workers)
        assert texts(engine, 95) == expected(95, 7)
        assert texts(engine, 5, seed=8) == expected(5, 8)
        engine.close()


def test_ray_responses_come_while_other_chunks_are_worked_on(start: Callable[..., RayEngine]) -> None:
    for workers in (1, 2):
        engine = start(Sleeper, workers=workers)
        given = engine.generate(items(100), DECODING, 1)
        first = next(given)
        assert engine._busy  # the worker whose chunk it was has the next one, whether or not the other has started
        assert len({first[0].query_id, *(item.query_id for item, _ in given)}) == 100
        engine.close()


def test_ray_killed_worker_is_replaced_and_its_chunk_asked_again(
    start: Callable[..., RayEngine], tmp_path: Path
) -> None:
    engine = start(partial(Sleeper, killed_once(tmp_path / "killed")))
    assert texts(engine, 95) == expected(95, 7)
    assert (tmp_path / "killed").exists()
    assert engine._n_deaths == 1
    assert texts(engine, 20) == expected(20, 7)


def test_ray_worker_whose_engine_fails_is_replaced_until_it_is_the_chunk(start: Callable[..., RayEngine]) -> None:
    with pytest.raises(EngineError, match="the engine of this worker is dead") as caught:
        texts(start(partial(Sleeper, refuse)), 10)
    assert "\n" not in str(caught.value)


def test_ray_chunk_that_kills_its_workers_ends_the_stage(start: Callable[..., RayEngine]) -> None:
    with pytest.raises(EngineError, match="3 workers died of one chunk of 10") as caught:
        texts(start(partial(Sleeper, killed_by("q5"))), 10)
    assert "\n" not in str(caught.value)


def test_ray_too_many_deaths_end_the_stage(start: Callable[..., RayEngine]) -> None:
    with pytest.raises(EngineError, match="max_deaths: 1 workers died"):
        texts(start(partial(Sleeper, killed_by("q5")), max_deaths=0), 10)


def test_ray_model_that_no_worker_can_load_is_refused_in_one_line(start: Callable[..., RayEngine]) -> None:
    with pytest.raises(ModelError) as caught:
        texts(start(no_model), 10)
    assert str(caught.value) == "models/r9: no model there"


def test_ray_workers_that_fit_nowhere_are_an_error_and_not_a_wait(start: Callable[..., RayEngine]) -> None:
    with pytest.raises(EngineError, match=r"each wants 1 CPUs and 4 GPUs, and there are 2 CPUs and 0 GPUs"):
        texts(start(Sleeper, gpus_per_worker=4.0, start_timeout_s=0.5), 10)


def test_ray_two_transformers_workers_give_the_greedy_text_of_one_engine(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "r1", spread=0.3)
    pool = GENERATION.ray.model_copy(update={"engine": "transformers", "chunk_rollouts": 10})
    engine = open_engine(GENERATION.model_copy(update={"engine": "ray", "ray": pool}), folder, None)
    wish = DECODING.model_copy(update={"temperature": 0.0, "max_new_tokens": 12})
    ours = {item.query_id: response for item, response in engine.generate(items(45), wish, 1)}
    theirs = TransformersEngine(GENERATION, folder).generate(items(45), wish, 1)
    assert ours == {item.query_id: response for item, response in theirs}
    engine.close()  # type: ignore[attr-defined]


def test_ray_node_that_goes_takes_nothing_along(cluster: tuple[Any, Any], start: Callable[..., RayEngine]) -> None:
    local, second = cluster
    engine = start(Sleeper)
    texts(engine, 40)
    done = {}
    for item, response in engine.generate(items(195), DECODING, 7):
        if not done:
            local.remove_node(second, allow_graceful=False)
        done[item.query_id] = response.text
    assert done == expected(195, 7)
    assert engine._n_deaths == 1
