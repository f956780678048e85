"""The dataset's card: README.md of a package, with the YAML that the Hub and `datasets` read.

Guarantees: equal facts give equal text, without a date or a machine's name; prompts and settings stand verbatim.
Grain: one card a round.
"""

from __future__ import annotations

from dast.markdown import code, number, percent, table, verbatim
from dast.packaging import facts as figures
from dast.packaging.facts import CardFacts
from dast.packaging.folder import CONFIGS, features_of, type_name
from dast.packaging.glossary import CONFIGS as MEANING_OF
from dast.packaging.glossary import meanings
from dast.packaging.method import making, names
from dast.params.writing import yaml_text

_HUB_LICENCES = frozenset(
    (
        *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "gpl-3.0", "odc-by", "odbl", "pddl", "unknown"),
        *("cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"),
    )
)
"""Identifiers that the Hub accepts in a card (its page on repository licences); any other becomes `other`."""

_SHOWN_SUSPECTS = 10

_SIZES = {10**3: "n<1K", 10**4: "1K<n<10K", 10**5: "10K<n<100K", 10**6: "100K<n<1M", 10**7: "1M<n<10M"}

_CITATION = """@misc{xue2025dast,
  title         = {Difficulty-Aware Self-Training on Large Language Models},
  author        = {Xue and others},
  year          = {2025},
  eprint        = {2503.09029},
  archivePrefix = {arXiv}
}"""


def card(facts: CardFacts) -> str:
    """The whole text of README.md."""
    blocks = [
        f"# {facts.recipe.package.title}",
        *_demonstration(facts),
        *_summary(facts),
        "## Load it",
        *_loading(facts),
        "## What is in it",
        *_contents(facts),
        "## How it was made",
        *making(facts),
        "## Sources and licences",
        *_sources(facts),
        "## Checks",
        *_checks(facts),
        "## Limits",
        *_limits(facts),
        "## Columns",
        *_columns(),
        "## Reproduce it",
        *_reproduction(facts),
        "## Cite",
        "The method is DAST. This project follows its abstract and public descriptions; the constants are its own.",
        verbatim(_CITATION, "bibtex"),
    ]
    return front_matter(facts) + "\n" + "\n\n".join(block for block in blocks if block) + "\n"


def front_matter(facts: CardFacts) -> str:
    """The YAML between dashes: name, licence, tags, size, and where each config's files are."""
    licences = sorted({name.lower() for name in facts.rows["queries"]["licence"].unique()})
    known = sorted({name if name in _HUB_LICENCES else "other" for name in licences}) or ["unknown"]
    content = {
        "pretty_name": facts.recipe.package.title,
        "license": known[0] if len(known) == 1 else known,
        "task_categories": ["text-generation"],
        "tags": ["dast", "self-training", "difficulty", "math", "reasoning", "synthetic"],
        "size_categories": [size_category(facts.rows["sft"].height)],
        "configs": [
            {
                "config_name": config,
                **({"default": True} if index == 0 else {}),
                "data_files": [{"split": "train", "path": f"{config}/train-*.parquet"}],
            }
            for index, config in enumerate(_filled(facts))
        ],
    }
    return f"---\n{yaml_text(content)}---\n"


def size_category(n_rows: int) -> str:
    """The Hub's name for a number of rows."""
    return next((name for bound, name in _SIZES.items() if n_rows < bound), "n>10M")


def _filled(facts: CardFacts) -> list[str]:
    # datasets 5.2 cannot load a split without rows, so an empty table is no config; its file is there all the same.
    return [config for config in CONFIGS if facts.rows[config].height]


def _demonstration(facts: CardFacts) -> list[str]:
    reason = facts.recipe.package.demonstration
    return [f"> **A demonstration, not for training.** {' '.join(reason.split())}"] if reason else []


def _summary(facts: CardFacts) -> list[str]:
    count = {config: number(rows.height) for config, rows in facts.rows.items()}
    whose = "Recorded" if facts.recorded else "A language model's"
    return [
        f"{whose} answers to {count['queries']} mathematical queries: {count['rollouts']} responses, graded "
        f"against reference answers, and built into {count['sft']} rows for supervised training (`sft`) and "
        f"{count['dpo']} preference pairs (`dpo`). How often the model solves a query is its difficulty, and more "
        "responses are sought where the model is weak: difficulty-aware self-training (DAST). "
        f"Round `{facts.round_name}`, by {facts.recipe.package.author}."
    ]


def _loading(facts: CardFacts) -> list[str]:
    filled, empty = _filled(facts), [config for config in CONFIGS if not facts.rows[config].height]
    call = f'rows = load_dataset("folder or repository", "{filled[0] if filled else "sft"}", split="train")'
    shown = [
        {"config": f"`{name}`", "rows": number(facts.rows[name].height), "what": MEANING_OF[name]} for name in CONFIGS
    ]
    note = f"Empty here, and so no config (`datasets` loads no split without rows): {names(empty)}." if empty else ""
    return [
        verbatim(f"from datasets import load_dataset\n\n{call}", "python"),
        table(shown),
        note,
        "`sft` and `dpo` have TRL's conversational columns.",
    ]


def _contents(facts: CardFacts) -> list[str]:
    return [
        f"Difficulty by `{facts.round_name}`'s own plain rollouts:",
        table(figures.by_own_level(facts.rows)),
        f"Allocation and training rows by the level that steered the round (from `{facts.levels}`); wanted and got are "
        "correct responses, spent is rollouts, the plain ones included:",
        table(figures.by_steering_level(facts.rows, facts.build)),
    ]


def _sources(facts: CardFacts) -> list[str]:
    origins = figures.pool_origins(facts.pool)
    return [
        table(figures.by_source(facts.rows)),
        "Recorded responses:" if origins else "",
        table(origins),
    ]


def _checks(facts: CardFacts) -> list[str]:
    sizes = figures.sizes_of_test_sets(facts.tests)
    sets = ", ".join(f"{name} ({number(count)})" for name, count in sizes.items())
    luck = figures.luck_rate(facts.build)
    counts = figures.verdicts(facts.rows["rollouts"])
    lines = [
        f"Test queries: no query of `sft` or `dpo` stands, as normalised text, in {sets}. Only equal texts count."
        if sizes
        else "Test queries: the project had no test set, so nothing was held against one.",
        f"Verdicts of all responses: {', '.join(f'{name} {number(count)}' for name, count in counts.items())}.",
        f"References that may be wrong (`suspects`), since responses agree on one other answer: "
        f"{number(facts.rows['suspects'].height)}.",
    ]
    if facts.agreement_rate is not None:
        lines.append(f"Agreement of the grades with labels that came with the pool: {percent(facts.agreement_rate)}.")
    if luck is not None:
        lines.append(f"Right by luck (right answer, a wrong step), of the kept sampled responses: {percent(luck)}.")
    return ["\n".join(f"- {line}" for line in lines), *_suspects(facts)]


def _suspects(facts: CardFacts) -> list[str]:
    """The likeliest of the references that may be wrong, by id: some sources allow no text."""
    rows = facts.rows["suspects"].sort(["probability", "query_id"], descending=[True, False]).head(_SHOWN_SUSPECTS)
    shown = [
        {
            "query": f"`{row['query_id']}`",
            "reference": code(row["answer"]),
            "other answer": code(row["predicted"]),
            "responses": f"{row['n_agree']} of {row['n_graded']}",
            "probability of a majority": percent(row["probability"]),
        }
        for row in rows.iter_rows(named=True)
    ]
    return ["The likeliest suspects; nothing was changed:", table(shown)] if shown else []


def _limits(facts: CardFacts) -> list[str]:
    lines = [
        "A response is kept for its final answer: its steps may be wrong.",
        "A pass rate from few rollouts is uncertain: see its interval in `difficulty`. It belongs to this policy, "
        "prompt and decoding, not to the query alone.",
        "A reference answer may be wrong; `suspects` lists the likeliest, and nothing was corrected.",
    ]
    if facts.recorded:
        lines.append("Nothing was sampled here: pass rates are those of the mixture of models that wrote the pool.")
    return ["\n".join(f"- {line}" for line in lines)]


def _columns() -> list[str]:
    blocks = []
    for config, shape in CONFIGS.items():
        features = features_of(shape)
        rows = [
            {"column": f"`{name}`", "type": type_name(features[name]), "meaning": meaning}
            for name, meaning in meanings(config, shape).items()
        ]
        blocks += [f"### {config}", MEANING_OF[config], table(rows)]
    return blocks


def _reproduction(facts: CardFacts) -> list[str]:
    settings = yaml_text(facts.recipe.plain()).rstrip()
    return [
        f"`dvc repro package@{facts.round_name}` in a clone of the project, with these settings for round "
        f"`{facts.round_name}` (policy `{facts.policy}`, levels from `{facts.levels}`):",
        f"<details><summary>Settings</summary>\n\n{verbatim(settings, 'yaml')}\n\n</details>",
        f"SHA-256 of the table of training queries that it starts from: `{facts.queries_digest}`.",
    ]
