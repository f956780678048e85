"""The part of a dataset's card that says how to load it: a line for each config, and what trains on them as they are.

Guarantees: every line loads what it says, once `REPOSITORY` is a folder or a repository. Grain: one config.
"""

from __future__ import annotations

from dast.markdown import number, table, verbatim
from dast.packaging.configs import SHARED_CONFIGS
from dast.packaging.facts import CardFacts
from dast.packaging.glossary import config_meanings
from dast.packaging.method import names
from dast.params.sources import HubSource, TinySource

REPOSITORY = "USER/NAME"
"""Stands in the snippets for the repository, which is not known before it is published."""


def loading(facts: CardFacts) -> list[str]:
    """Blocks of the card: rows of each config and split, the calls that load them, and what to do with them."""
    empty = [name for name in facts.tables if not facts.n_rows(name)]
    note = f"Empty here, and so no config (`datasets` loads no split without rows): {names(empty)}." if empty else ""
    return [
        table([_config_row(facts, name) for name in facts.tables]),
        note,
        verbatim(_calls(facts), "python"),
        *(_texts_back(facts) if facts.recipe.package.ids_only else _training(facts)),
    ]


def _config_row(facts: CardFacts, name: str) -> dict[str, str]:
    counts = facts.n_rows(name)
    several = facts.recipe.package.rounds == "lineage" and name not in SHARED_CONFIGS
    rows = [f"{number(count)} ({split})" if several else number(count) for split, count in counts.items()]
    what = config_meanings(facts.recipe.package.ids_only)[name]
    return {"config": f"`{name}`", "rows": ", ".join(rows) or number(0), "what": what}


def _calls(facts: CardFacts) -> str:
    filled = {name: list(counts) for name in facts.tables if (counts := facts.n_rows(name))}
    longest = max((len(name) for name in filled), default=0)
    lines = [
        f'{name:<{longest}} = load_dataset(repository, "{name}", split="{splits[-1]}")'
        for name, splits in filled.items()
    ]
    start = f'repository = "{REPOSITORY}"  # or the folder that this page lies in'
    return "\n".join(["from datasets import load_dataset", "", start, *lines])


def _training(facts: CardFacts) -> list[str]:
    filled = [name for name in ("sft", "dpo") if facts.rows[name].height]
    if not filled:
        return []
    lines = {
        "sft": 'SFTTrainer("your/model", train_dataset=sft, args=SFTConfig("out")).train()',
        "dpo": 'DPOTrainer("your/model", train_dataset=dpo, args=DPOConfig("out"), processing_class=tokenizer).train()',
    }
    imports = ", ".join(f"{name.upper()}Config, {name.upper()}Trainer" for name in filled)
    code = "\n".join([f"from trl import {imports}", "", *(lines[name] for name in filled)])
    return [
        "`sft` and `dpo` have TRL's conversational columns, and train as they are; the other columns say where a row "
        "comes from, and trainers pass over them.",
        verbatim(code, "python"),
    ]


def _texts_back(facts: CardFacts) -> list[str]:
    source = facts.recipe.prepare.train[0]
    read = (
        f'load_dataset("{source.hub_id}", {source.config!r}, split="{source.split}", revision="{source.revision}")'
        if isinstance(source, HubSource)
        else "…  # the source, as you have it"
    )
    column = "" if isinstance(source, TinySource) else f'["{source.columns.query[0]}"]'
    code = [
        "from dast.queries import query_id  # a digest of the source's name and the query's text",
        "",
        f"source = {read}",
        f'text_of = {{query_id("{source.name}", row{column}): row{column} for row in source}}',
        'known = sft.filter(lambda row: row["query_id"] in text_of)',
        'rows = known.map(lambda row: {"prompt": [{"role": "user", "content": text_of[row["query_id"]]}]})',
    ]
    return [
        "With the sources at hand the queries come back by their ids; then `sft` and `dpo` are TRL's conversational "
        f"rows (prompts as below). For `{source.name}`:",
        verbatim("\n".join(code), "python"),
    ]
