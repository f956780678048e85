"""The YAML of a dataset's card, by which the Hub files it and `datasets` finds its configs.

Guarantees: what stands in it is valid by the Hub's own rules as `huggingface_hub` and the Hub's pages tell them; the
Hub's check itself (`DatasetCard.validate`) needs the network. Grain: one card.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dast.packaging.facts import CardFacts
from dast.packaging.licences import LICENCES, hub_licence
from dast.params.sources import HubSource, Source, TinySource
from dast.params.writing import yaml_text

_ENDS = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
_SIZES = {
    10 ** (3 + index): f"n<{end}" if index == 0 else f"{_ENDS[index - 1]}<n<{end}" for index, end in enumerate(_ENDS)
}
_LARGEST = "n>1T"
_TASKS = {"text-generation", "question-answering", "reinforcement-learning", "other"}
"""Those of the Hub's task categories that such a dataset may serve."""
_TAGS = ("dast", "self-training", "difficulty", "math", "reasoning", "synthetic", "trl", "sft", "dpo")
_RULES = {
    "language": re.compile(r"[a-z]{2,3}"),
    "source_datasets": re.compile(r"original|extended(\|\S+)?"),
    "config_name": re.compile(r"[\w-]+"),
    "split": re.compile(r"\w+(\.\w+)*"),
    "path": re.compile(r"[^/\s][^\s]*"),
}


def front_matter(facts: CardFacts) -> dict[str, Any]:
    """The card's metadata: name, licence, tags, size, and where each config's files are."""
    licences = sorted({hub_licence(name) for name in _licences(facts)}) or ["unknown"]
    package = facts.recipe.package
    size = sum(facts.n_rows("sft").values())
    return {
        "pretty_name": package.title,
        "license": licences[0] if len(licences) == 1 else licences,
        "language": list(dict.fromkeys(package.language)),
        "task_categories": ["text-generation"],
        "tags": [tag for tag in _TAGS if tag not in ("sft", "dpo") or facts.rows[tag].height],
        "size_categories": [size_category(size)],
        "source_datasets": list(dict.fromkeys(_origin(source) for source in facts.recipe.prepare.train)),
        "configs": list(_configs(facts)),
    }


def front_text(content: Mapping[str, Any]) -> str:
    """The metadata between dashes, as a README.md begins with it."""
    return f"---\n{yaml_text(content)}---\n"


def faults(content: Mapping[str, Any]) -> list[str]:
    """What the Hub would refuse or not understand, each as `key: reason`; nothing for valid metadata."""
    return [*_value_faults(content), *_config_faults(content.get("configs", []))]


def size_category(n_rows: int) -> str:
    """The Hub's name for a number of rows."""
    return next((name for bound, name in _SIZES.items() if n_rows < bound), _LARGEST)


def _licences(facts: CardFacts) -> set[str]:
    pool = facts.recipe.prepare.pool
    return {*facts.rows["queries"]["licence"].unique(), *([pool.licence] if pool else [])}


def _origin(source: Source) -> str:
    match source:
        case TinySource():
            return "original"
        case HubSource():
            return f"extended|{source.hub_id}"
        case _:
            return f"extended|other-{source.name}"


def _configs(facts: CardFacts) -> Iterator[dict[str, Any]]:
    # datasets 5.2 cannot load a split without rows, so an empty table is no config; its file is there all the same.
    filled = {config: splits for config in facts.tables if (splits := list(facts.n_rows(config)))}
    for index, (config, splits) in enumerate(filled.items()):
        files = [{"split": split, "path": f"{config}/{split}-*.parquet"} for split in splits]
        yield {"config_name": config, **({"default": True} if index == 0 else {}), "data_files": files}


def _value_faults(content: Mapping[str, Any]) -> Iterator[str]:
    if not str(content.get("pretty_name") or "").strip():
        yield "pretty_name: empty"
    allowed = {"license": LICENCES, "task_categories": _TASKS, "size_categories": {*_SIZES.values(), _LARGEST}}
    for key, known in allowed.items():
        yield from (
            f"{key}: {value} is none that the Hub knows" for value in _listed(content, key) if value not in known
        )
    for key in ("language", "source_datasets"):
        yield from (f"{key}: {v!r} has not its form" for v in _listed(content, key) if not _fits(key, v))
    yield from (f"{key}: missing" for key in (*allowed, "language", "tags", "configs") if not content.get(key))
    yield from (f"tags: {tag!r} is no text" for tag in _listed(content, "tags") if not isinstance(tag, str) or not tag)


def _config_faults(configs: list[Mapping[str, Any]]) -> Iterator[str]:
    names = [config["config_name"] for config in configs]
    yield from (f"configs: {name} stands twice" for name in sorted({name for name in names if names.count(name) > 1}))
    if sum(bool(config.get("default")) for config in configs) > 1:
        yield "configs: several are the default"
    for config in configs:
        if not _fits("config_name", config["config_name"]):
            yield f"configs: {config['config_name']!r} is no name of a config"
        for entry in config["data_files"]:
            yield from (
                f"configs.{config['config_name']}.{key}: {entry[key]!r} has not its form"
                for key in ("split", "path")
                if not _fits(key, entry[key])
            )


def _listed(content: Mapping[str, Any], key: str) -> list[Any]:
    value = content.get(key, [])
    return value if isinstance(value, list) else [value]


def _fits(key: str, value: object) -> bool:
    return isinstance(value, str) and _RULES[key].fullmatch(value) is not None
