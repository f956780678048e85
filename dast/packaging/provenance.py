"""The part of a dataset's card that says what it comes from: sources and licences, inputs, command, citation.

Guarantees: inputs are named by the digests of their content. The commit that a dataset was made at is not known while
it is made: `PROVENANCE` marks the place that `dast publish` fills. Grain: one source, one input.
"""

from __future__ import annotations

from collections.abc import Iterator

from dast.markdown import number, table, verbatim
from dast.packaging.facts import CardFacts
from dast.packaging.figures import by_source, pool_origins
from dast.packaging.places import place_of
from dast.packaging.stated import made_with
from dast.params.writing import yaml_text

PROVENANCE = "<!-- dast publish: commit and DVC hashes -->"
"""Stands where the commit and the hashes of what was published belong."""

CITATION = (
    "The method is DAST. This project follows its abstract and public descriptions; the constants are its own.",
    verbatim(
        """@misc{xue2025dast,
  title         = {Difficulty-Aware Self-Training on Large Language Models},
  author        = {Xue, Boyang and others},
  year          = {2025},
  eprint        = {2503.09029},
  archivePrefix = {arXiv}
}""",
        "bibtex",
    ),
)


def sources(facts: CardFacts) -> list[str]:
    """Blocks of the card: every source with its place and licence, then recorded responses by who wrote them."""
    prepare = facts.recipe.prepare
    places = {source.name: place_of(source) for source in prepare.train}
    rows = [{**row, "from": places.get(row["source"], number(None))} for row in by_source(facts)]
    tests = ", ".join(f"`{test.source.name}` ({test.source.licence})" for test in prepare.tests)
    origins = pool_origins(facts.pool)
    pool = prepare.pool
    recorded = f"Recorded responses, from {place_of(pool)} ({pool.licence}):" if pool and origins else ""
    return [
        table(rows),
        f"Test sets, of which nothing is published here: {tests}." if tests else "",
        recorded,
        table(origins),
    ]


def reproduction(facts: CardFacts) -> list[str]:
    """Blocks of the card: the command, the settings and the inputs."""
    inputs = [
        {
            "table": f"`{name}`",
            "rows": number(part.n_rows),
            "SHA-256": ", ".join(f"`{digest}`" for digest in part.digests),
        }
        for name, part in facts.inputs.items()
    ]
    return [
        PROVENANCE,
        *made_with(facts.round_name, facts.policy, facts.levels, yaml_text(facts.recipe.plain())),
        f"<details><summary>Digests of the tables that it was made from</summary>\n\n{table(inputs)}\n\n</details>",
        *_earlier(facts),
    ]


def _earlier(facts: CardFacts) -> Iterator[str]:
    if facts.earlier.cards:
        listed = ", ".join(f"[{name}]({name})" for name in sorted(facts.earlier.cards))
        yield f"How the splits of earlier rounds were made, in their own cards: {listed}."
