"""How a rollout was drawn: by whom, from which prompt, under which settings, and what grading said of it.

Guarantees: a prompt is given word for word or, where a package leaves it out, by its digest. Grain: one rollout.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dast.engines.protocol import Message
from dast.params.sections import Prompt, PromptStyle
from dast.prompts import plain_prompt, style_for
from dast.tracing.material import Material

Told = dict[str, Any]

STEPS: Mapping[str, str] = {
    "sample": "a plain rollout, as every query has",
    "more": "a further rollout of the plain prompt",
    "matched": "a further rollout with worked solutions of the query's own level in front (length control)",
    "decoding": "a further rollout of the plain prompt by another decoding",
    "hinted": "a further rollout that began with a part of the reference solution",
}


def drawn(material: Material, rollout: Mapping[str, Any]) -> Told:
    """Everything about one rollout (a row of GRADED)."""
    found = material.table("settings").filter(settings_digest=rollout["settings_digest"]).collect()
    settings = json.loads(found["settings"][0]) if found.height else None
    asked = material.table("prompts").filter(prompt_digest=rollout["prompt_digest"]).collect()
    messages = asked["messages"][0].to_list() if asked.height else None
    own = {key: value for key, value in (settings or {}).items() if key != "policy"}
    return {
        "rollout_id": rollout["rollout_id"],
        "step": rollout["step"],
        "what": STEPS[rollout["step"]],
        "policy": {**policy(material), "fingerprint": (settings or {}).get("policy") or None},
        "prompt": {
            "digest": rollout["prompt_digest"],
            "messages": messages,
            "exemplars": _exemplars(material, messages or []),
        },
        "settings": {"digest": rollout["settings_digest"], **own},
        **{name: rollout[name] for name in ("response", "n_prompt_tokens", "n_tokens", "n_hint_tokens")},
        **{name: rollout[name] for name in ("finish_reason", "predicted", "verdict", "reason")},
    }


def policy(material: Material) -> Told:
    """The model that wrote the round's responses, and where its base is from."""
    bootstrap = material.settings["bootstrap"]
    base = {
        "tiny": f"the built-in tiny model, trained from scratch (seed {bootstrap['tiny']['seed']})",
        "hub": f"{bootstrap['source']} at revision {bootstrap['revision']}",
        "local": f"a local model with digest {bootstrap['digest']}",
        "none": "none: the responses were recorded elsewhere",
    }[bootstrap["kind"]]
    what = base if material.policy == "base" else f"the model that round {material.policy} trained; its base is {base}"
    return {"name": material.policy, "what": what}


def _exemplars(material: Material, messages: Sequence[Message]) -> list[Told]:
    """The solved queries in front, with the ids of those that are training queries."""
    turns = [message["content"] for message in messages if message["role"] == "user"][:-1]
    if not turns or not material.texts:
        return []
    style = style_for(material.section("prompt", Prompt), material.policy)
    known = material.table("queries").select("query_id", "query").collect()
    ids = dict(zip((_asked(style, text) for text in known["query"]), known["query_id"], strict=True))
    return [{"query_id": ids.get(turn)} for turn in turns]


def _asked(style: PromptStyle, query: str) -> str:
    return plain_prompt(style, query)[-1]["content"]
