"""The dataset's card: README.md of a package, and the pictures that it shows.

Guarantees: equal facts give equal text, without a date or a machine's name; prompts and settings stand verbatim. What
exists only later (the commit, what training made of the rows) has its marked places, which `dast publish` fills.
Grain: one card a round.
"""

from __future__ import annotations

from dast.markdown import code, number, percent, table
from dast.packaging import figures, pictures
from dast.packaging.asking import prompting
from dast.packaging.configs import features_of, type_name
from dast.packaging.facts import CardFacts
from dast.packaging.glossary import config_meanings, meanings
from dast.packaging.idsonly import REASONS
from dast.packaging.lineage import split_name
from dast.packaging.loading import loading
from dast.packaging.metadata import front_matter, front_text
from dast.packaging.method import audits, making
from dast.packaging.provenance import CITATION, reproduction, sources

RESULTS = "<!-- dast publish: results of training -->"
"""Stands where what training on the rows came to belongs."""

_SHOWN_SUSPECTS = 10


def card(facts: CardFacts) -> tuple[str, dict[str, bytes]]:
    """The whole text of README.md, and the pictures that it shows, by their path."""
    drawn = _pictures(facts)
    shown = {name: f"![{alt}]({path})" for name, (path, alt, _) in drawn.items()}
    blocks = [
        f"# {facts.recipe.package.title}",
        *_notices(facts),
        *_summary(facts),
        "## Load it",
        *loading(facts),
        "## What is in it",
        *_contents(facts, shown),
        RESULTS,
        "## How it was made",
        *making(facts),
        "### Prompts and settings",
        *prompting(facts),
        "## Sources and licences",
        *sources(facts),
        "## Checks",
        *_checks(facts),
        "## Limits",
        *_limits(facts),
        "## Columns",
        *_columns(facts),
        "## Reproduce it",
        *reproduction(facts),
        "## Cite",
        *CITATION,
    ]
    text = front_text(front_matter(facts)) + "\n" + "\n\n".join(block for block in blocks if block) + "\n"
    return text, {path: png for path, _, png in drawn.values()}


def _pictures(facts: CardFacts) -> dict[str, tuple[str, str, bytes]]:
    """Path, words for those who do not see it, and the picture itself, by subject."""
    rows, lengths = facts.rows, figures.length_spreads(facts.rows)
    difficulty, told = rows["difficulty"], facts.round_name
    drawn = {
        "difficulty": (
            pictures.difficulty_picture(figures.level_counts(difficulty), figures.pass_rate_counts(difficulty)),
            f"Queries of {told} by level and by pass rate",
        ),
        "lengths": (pictures.lengths_picture(*lengths), f"Lengths of {told}'s plain responses by level"),
        "allocation": (
            pictures.allocation_picture(figures.amounts(rows["allocation"])),
            f"Responses wanted, spent and got in {told} by level",
        ),
        "mix": (pictures.mix_picture(figures.mix(facts)), f"Level mix of {told}'s training rows"),
    }
    start = f"figures/{split_name(facts.round_name)}"
    return {name: (f"{start}_{name}.png", alt, png) for name, (png, alt) in drawn.items() if png is not None}


def _notices(facts: CardFacts) -> list[str]:
    """What a reader must know before anything else."""
    reason = facts.recipe.package.demonstration
    demonstration = [f"> **A demonstration, not for training.** {' '.join(reason.split())}"] if reason else []
    if not facts.recipe.package.ids_only:
        return demonstration
    ids_only = (
        "> **Ids only.** The queries' texts, their answers and their reference solutions are not in here, since their "
        "licence or a takedown does not allow it: ids, digests of answers and the model's own responses are. Whoever "
        "has the sources can put the queries back (below)."
    )
    return [*demonstration, ids_only]


def _summary(facts: CardFacts) -> list[str]:
    count = {config: number(rows.height) for config, rows in facts.rows.items()}
    whose = "Recorded" if facts.recorded else "A language model's"
    earlier = [name for name in facts.n_rows("rollouts") if name != facts.split]
    several = f" Earlier rounds stand beside it, a split each: {', '.join(earlier)}." if earlier else ""
    return [
        f"{whose} answers to {count['queries']} mathematical queries: {count['rollouts']} responses, graded "
        f"against reference answers, and built into {count['sft']} rows for supervised training (`sft`) and "
        f"{count['dpo']} preference pairs (`dpo`). How often the model solves a query is its difficulty, and more "
        "responses are sought where the model is weak: difficulty-aware self-training (DAST). "
        f"Round `{facts.round_name}`, by {facts.recipe.package.author}.{several}"
    ]


def _contents(facts: CardFacts, shown: dict[str, str]) -> list[str]:
    mix = figures.mix(facts)
    return [
        f"Difficulty by `{facts.round_name}`'s own plain rollouts:",
        shown.get("difficulty", ""),
        table(figures.by_own_level(facts.rows)),
        shown.get("lengths", ""),
        f"Allocation and training rows by the level that steered the round (from `{facts.levels}`); wanted and got are "
        "correct responses, spent is rollouts, the plain ones included:",
        shown.get("allocation", ""),
        table(figures.by_steering_level(facts)),
        "The level mix: shares of the queries, of what the settings ask of `sft`, and of what the sets got:"
        if any(row["kind"] == "sft, asked" for row in mix)
        else "The level mix that the sets got (the settings ask for none: it follows from what is kept of a query):",
        shown.get("mix", ""),
        table(_mix_rows(mix)),
    ]


def _mix_rows(mix: list[dict[str, str]]) -> list[dict[str, str]]:
    kinds = list(dict.fromkeys(row["kind"] for row in mix))
    found = {(row["level"], row["kind"]): percent(float(row["amount"])) for row in mix}
    levels = dict.fromkeys(row["level"] for row in mix)
    return [{"level": level, **{kind: found.get((level, kind), number(None)) for kind in kinds}} for level in levels]


def _checks(facts: CardFacts) -> list[str]:
    luck = figures.luck_rate(facts.build_levels)
    counts = figures.verdicts(facts.rows["rollouts"])
    agreement = facts.told["score"].get("agreement_rate")
    lines = [
        f"Verdicts of all responses: {', '.join(f'{name} {number(count)}' for name, count in counts.items())}.",
        *audits(facts),
        *(
            [f"Agreement of the grades with the pool's own labels: {percent(agreement)}."]
            if agreement is not None
            else []
        ),
        *(
            [f"Right by luck (right answer, a wrong step), of the kept sampled responses: {percent(luck)}."]
            if luck
            else []
        ),
        f"References that may be wrong (`suspects`), since responses agree on one other answer: "
        f"{number(facts.rows['suspects'].height)}.",
        *_left_out(facts),
    ]
    return ["\n".join(f"- {line}" for line in lines), *_suspects(facts), "### Contamination", *_contamination(facts)]


def _left_out(facts: CardFacts) -> list[str]:
    built = {
        reason.replace("_", " "): count for reason, count in facts.told["build"].get("left_out", {}).items() if count
    }
    lines = [f"Responses that no set holds: {_counts(built)}."] if built else []
    for config, counts in facts.left_out.items():
        if counts:
            reasons = {REASONS[reason]: count for reason, count in counts.items()}
            lines.append(f"Left out of `{config}` to hold no source's text: {_counts(reasons)}.")
    return lines


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{what} {number(count)}" for what, count in sorted(counts.items()))


def _contamination(facts: CardFacts) -> list[str]:
    if facts.tests.is_empty():
        return ["The project had no test set, so nothing was held against one."]
    wish = facts.recipe.contamination
    trained = facts.evidence.filter("contaminated")
    kept = "they are reported, not left out" if trained.height else "none is contaminated"
    return [
        "No query of `sft` or `dpo` stands, as normalised text, in a test set. Nearer than that: texts of training (a "
        f"query, a response) that have {wish.n_gram} words in a row in common with a test query are near it, and "
        f"contaminated from a share of {percent(wish.min_share, 0)} of either's on; {kept}.",
        table(figures.by_test_set(facts.tests, facts.evidence)),
    ]


def _suspects(facts: CardFacts) -> list[str]:
    """The likeliest of the references that may be wrong, by id: some sources allow no text."""
    rows = facts.rows["suspects"].sort(["probability", "query_id"], descending=[True, False]).head(_SHOWN_SUSPECTS)
    shown = [
        {
            "query": f"`{row['query_id']}`",
            **({"reference": code(row["answer"])} if "answer" in row else {}),
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
        "A reference answer may be wrong; `suspects` lists the likeliest, and nothing was corrected. A model that errs "
        "alike again and again looks the same.",
        "Equal words are found, not equal problems: a test query in other words or numbers is not.",
    ]
    if facts.recorded:
        lines.append("Nothing was sampled here: pass rates are those of the mixture of models that wrote the pool.")
    else:
        lines.append("The licence of the model that wrote the responses may bind their use too.")
    if facts.recipe.package.ids_only:
        lines.append("A response may quote parts of its query; only those that say it whole were left out.")
    return ["\n".join(f"- {line}" for line in lines)]


def _columns(facts: CardFacts) -> list[str]:
    blocks, said = [], config_meanings(facts.recipe.package.ids_only)
    for config, shape in facts.tables.items():
        features = features_of(shape)
        rows = [
            {"column": f"`{name}`", "type": type_name(features[name]), "meaning": meaning}
            for name, meaning in meanings(config, shape).items()
        ]
        blocks += [f"### {config}", said[config], table(rows)]
    return blocks
