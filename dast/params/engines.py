"""The section `generation`: the engine, and what each kind of engine needs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dast.params.section import Count, NonNegativeFloat, PositiveCount, PositiveFloat, Rate, Section, Text

EngineName = Literal["auto", "transformers", "vllm", "ray", "server", "recorded"]


class RayPool(Section):
    """Engine `ray`: the same engine several times, on one machine's devices or on a cluster (docs/engines.md)."""

    engine: Literal["auto", "transformers", "vllm"]
    """What each worker runs."""
    workers: PositiveCount
    """Engines at the same time. How many there are, and which of them die, has no effect on what is asked of them."""
    gpus_per_worker: NonNegativeFloat
    """GPUs that a worker has to itself: 0 for a CPU, `tensor_parallel` for vllm."""
    cpus_per_worker: PositiveFloat
    chunk_rollouts: PositiveCount
    """Rollouts that a worker is given at once, of one batch; what a dead worker costs."""
    max_deaths: Count
    """Workers that may die in one stage before it gives up."""
    start_timeout_s: PositiveFloat
    """Seconds without any running worker before the stage gives up."""


class Server(Section):
    """Engine `server`: an endpoint with OpenAI's interface. Its key is the environment variable DAST_SERVER_KEY."""

    url: Annotated[str, Field(pattern=r"^https?://[^@\s]+[^/@\s]$")]
    """Up to the version, such as http://127.0.0.1:8000/v1; never with a password."""
    model: Text
    """The model's name there; `{policy}` stands for the policy's, so that a server of another round's model refuses."""
    api: Literal["chat", "completions"]
    """chat: messages, and the server's own chat template. completions: the tokens that the policy's tokenizer makes."""
    concurrency: PositiveCount
    """Requests at the same time, each for one rollout."""
    timeout_s: PositiveFloat
    """Seconds that a request may take."""
    max_attempts: PositiveCount
    """Times that a request is sent before it counts as failed."""
    backoff_s: PositiveFloat
    """Seconds before the second attempt; each later wait is twice as long, a minute at most."""


class Generation(Section):
    """The engine, for sampling, augmentation and evaluation alike."""

    engine: EngineName
    """`auto`: vllm where it and a GPU are there, else transformers."""
    dtype: Literal["float32", "bfloat16", "float16"]
    batch_rollouts: PositiveCount
    """Rollouts generated and kept together. Batches are formed from the full list of keys and seeded by them."""
    max_model_tokens: PositiveCount
    """Longest prompt and response together, in tokens."""
    gpu_memory_rate: Rate
    """Share of a GPU's memory that vllm may take."""
    tensor_parallel: PositiveCount
    """GPUs that one model is spread over (vllm)."""
    ray: RayPool
    server: Server
