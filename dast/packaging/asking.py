"""The part of a dataset's card that says what the model was sent, and how it was sampled: both verbatim.

Guarantees: what is not known (what a recorded response was asked) is said to be so. Grain: one text a round.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from dast.engines.protocol import Message
from dast.markdown import verbatim
from dast.packaging.facts import CardFacts
from dast.params.decoding import Decoding
from dast.prompts import plain_prompt, prompt_with, sampling_prompt, started, style_for

_SHOWN_SETTINGS = 3
_QUERY = "{query}"
_SOLVED = ("{a solved query}", "{its worked solution}")
_START = "{the start of the reference solution}"


def prompting(facts: CardFacts) -> list[str]:
    """Blocks of the card: every shape of prompt, and the settings."""
    if facts.recorded:
        return ["The responses were recorded: what was asked, and by which settings, is not known."]
    style, tuned = style_for(facts.recipe.prompt, facts.policy), facts.recipe.prompt.tuned
    steps = set(facts.rows["rollouts"]["step"].unique())
    template = facts.recipe.prompt.chat_template
    shapes = {
        "Plain rollouts": sampling_prompt(style, _QUERY),
        **({"Length control (`matched`)": prompt_with(style, _QUERY, [_SOLVED])} if "matched" in steps else {}),
        **({"Started (`hinted`)": started(plain_prompt(style, _QUERY), _START)} if "hinted" in steps else {}),
        "Rows of `sft` and `dpo`": plain_prompt(tuned, _QUERY),
    }
    return [
        "Prompts, verbatim; a word in braces stands for a text.",
        *(block for title, messages in shapes.items() for block in (f"{title}:", _shown(messages))),
        *(["Chat template, for a base without one:", verbatim(template, "jinja")] if template else []),
        "\n".join(f"- {line}" for line in _decodings(facts)),
        *_settings(facts),
    ]


def _decodings(facts: CardFacts) -> list[str]:
    augment = facts.recipe.augment
    told = [_decoding("Plain rollouts", facts.recipe.sample.decoding), _decoding("Augmentation", augment.decoding)]
    other = augment.ladder.decoding
    return [*told, *([_decoding("The step `decoding`", other.decoding)] if other.enabled else [])]


def _decoding(what: str, decoding: Decoding) -> str:
    limit = decoding.top_k or "no limit"
    stops = f", stopping at {', '.join(repr(text) for text in decoding.stop)}" if decoding.stop else ""
    return (
        f"{what}: temperature {decoding.temperature:g}, top-p {decoding.top_p:g}, top-k {limit}, "
        f"at most {decoding.max_new_tokens} new tokens{stops}."
    )


def _settings(facts: CardFacts) -> list[str]:
    settings = facts.rows["settings"]
    texts = [_line(text) for text in settings["settings"].head(_SHOWN_SETTINGS)]
    more = settings.height - len(texts)
    lead = "Settings as recorded" + (f" ({more} more in the config `settings`):" if more > 0 else ":")
    return [lead, verbatim("\n".join(texts), "json")] if texts else []


def _shown(messages: Sequence[Message]) -> str:
    return verbatim("\n\n".join(f"{message['role']}:\n{message['content']}" for message in messages), "text")


def _line(text: str) -> str:
    return json.dumps(json.loads(text), ensure_ascii=False, sort_keys=True)
