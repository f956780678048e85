"""Opens the engine that the params name; each engine's module, and what it imports, is loaded only then."""

from __future__ import annotations

import importlib.util
import logging
from functools import partial
from pathlib import Path

import polars as pl

from dast.engines.protocol import Engine
from dast.errors import EngineError
from dast.params.engines import EngineName, Generation

log = logging.getLogger(__name__)


def open_engine(generation: Generation, model: Path, pool: pl.DataFrame | None) -> Engine:
    """The engine for a model folder; `pool` is needed by `recorded` alone.

    Raises:
        EngineError: the engine is not installed, or cannot serve here.
        ModelError: the folder holds no model that can be loaded.
    """
    name = resolve_name(generation.engine)
    match name:
        case "recorded":
            from dast.engines.recorded import RecordedEngine

            if pool is None:
                raise EngineError(
                    "generation.engine: recorded responses cannot answer test queries; `dvc repro package` builds the "
                    "datasets of a pool without training or evaluating"
                )
            if pool.is_empty():
                raise EngineError(
                    "generation.engine: recorded, but prepare.pool gave no responses; name a pool file there"
                )
            return RecordedEngine(pool)
        case "ray":
            _want("ray")
            from dast.engines.ray import RayEngine

            inner = generation.model_copy(update={"engine": generation.ray.engine})
            return RayEngine(generation.ray, partial(open_engine, inner, model.resolve(), None))
        case "server":
            from dast.engines.server import ServerEngine

            return ServerEngine(generation, model)
        case "vllm":
            _want("vllm")
            from dast.engines.vllm import VllmEngine

            return VllmEngine(generation, model)
        case _:
            from dast.engines.transformers import TransformersEngine

            return TransformersEngine(generation, model)


def resolved(generation: Generation) -> Generation:
    """The section with the names that `auto` stands for: what rollouts are kept under, and what the line works with.

    Workers of `ray` have a GPU each or none, whatever this machine has; so theirs is `vllm` where they have one.
    """
    name = resolve_name(generation.engine)
    pool = generation.ray
    if name == "ray" and pool.engine == "auto":
        has_vllm = pool.gpus_per_worker > 0 and importlib.util.find_spec("vllm") is not None
        pool = pool.model_copy(update={"engine": "vllm" if has_vllm else "transformers"})
    return generation.model_copy(update={"engine": name, "ray": pool})


def _want(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise EngineError(
            f"generation.engine: {package} is not installed; pip install {package}, or use another engine"
        )


def resolve_name(name: EngineName) -> EngineName:
    """What `auto` stands for on this machine; any other name is itself."""
    if name != "auto":
        return name
    if importlib.util.find_spec("vllm") is not None:
        import torch

        if torch.cuda.is_available():
            log.info("engine auto: vllm, which is installed, on a GPU")
            return "vllm"
        log.info("engine auto: transformers, since there is no GPU for vllm")
        return "transformers"
    log.info("engine auto: transformers, since vllm is not installed")
    return "transformers"
