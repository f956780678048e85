"""What draws rollouts: one policy under one set of settings.

Guarantees: everything of the settings that changes a response's text is part of a sampler, and nothing that changes
cost or speed alone; equal samplers have equal digests on every machine. A rollout is named by its sampler, its prompt
and its draw (0, 1, … of that prompt by that sampler), whichever round, stage or step asked. Grain: one sampler.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dast.params.decoding import Decoding
from dast.params.engines import Generation
from dast.prompts import digest

TEXT_REVISION = 1
"""Raised when engine or rendering code changes so that equal settings no longer mean the same text: kept rollouts of
an older revision are then not found."""

CHANGES_TEXT = frozenset({"dtype", "max_model_tokens", "ray.engine", "server.model", "server.api"})
"""Fields of `generation` that a response's text depends on; `server.api` is the field `api` of what `server` reads."""

CHANGES_COST = frozenset(
    {
        *("engine", "batch_rollouts", "gpu_memory_rate", "tensor_parallel"),
        *(f"ray.{name}" for name in ("workers", "gpus_per_worker", "cpus_per_worker", "chunk_rollouts")),
        *(f"ray.{name}" for name in ("max_deaths", "start_timeout_s")),
        *(f"server.{name}" for name in ("url", "concurrency", "timeout_s", "max_attempts", "backoff_s")),
    }
)
"""Fields of `generation` that it does not; the engine enters by the name that `auto` stands for. A field that stands in
neither counts as one that changes text."""

_WHEN_DRAWN = ("seed", "top_p", "top_k")
"""Settings without effect at temperature 0."""


@dataclass(frozen=True)
class Sampler:
    """Settings as JSON with sorted keys, the policy's fingerprint among them."""

    settings: str

    @property
    def digest(self) -> str:
        """16 hex digits that name the sampler: `settings_digest` in tables."""
        return digest(json.loads(self.settings))

    @property
    def policy(self) -> str:
        """The policy's fingerprint; empty where the settings name none."""
        return str(json.loads(self.settings).get("policy", ""))


def sampler_of(about: Mapping[str, Any], engine: str, seed: int, decoding: Decoding) -> Sampler:
    """The sampler of one call.

    Args:
        about: `text_settings` of the policy and the `generation` section.
        engine: The engine's own name, never `auto`.
        seed: The stage's seed.
        decoding: How responses are drawn.
    """
    drawn: dict[str, Any] = {"seed": seed, **decoding.model_dump()}
    if decoding.temperature == 0:
        drawn = {key: value for key, value in drawn.items() if key not in _WHEN_DRAWN}
    return Sampler(json.dumps({**about, "engine": engine, **drawn}, sort_keys=True, ensure_ascii=False))


def text_settings(generation: Generation, fingerprint: str) -> dict[str, Any]:
    """What every sampler of one policy and one `generation` section shares; what another engine reads is left out."""
    chosen = {
        key: value
        for key, value in flat(generation.model_dump()).items()
        if key not in CHANGES_COST and key.partition(".")[0] in (key, generation.engine)
    }
    return {"policy": fingerprint, "revision": TEXT_REVISION, **chosen}


def flat(section: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a section, those of one within it by a dotted name."""
    fields: dict[str, Any] = {}
    for key, value in section.items():
        fields |= {f"{key}.{name}": inner for name, inner in value.items()} if isinstance(value, dict) else {key: value}
    return fields


def rollout_id(query_id: str, settings_digest: str, prompt_digest: str, draw: int) -> str:
    """16 hex digits that name a query's rollout by what determines it, so that rounds can be joined without a clash."""
    return digest([query_id, settings_digest, prompt_digest, draw])
