"""From a round's tables to everything that its package holds: gates, what may be shown, the card.

Guarantees: nothing is written here, and nothing passes that a gate refuses. Grain: one round.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from dast.errors import DataError
from dast.packaging.card import card
from dast.packaging.configs import DPO, published_tables
from dast.packaging.facts import CardFacts, Round
from dast.packaging.folder import Contents
from dast.packaging.gates import evidence_of, refuse_contaminated, refuse_test_queries
from dast.packaging.idsonly import REFERENCE, without_texts
from dast.packaging.licences import refuse_licences
from dast.packaging.lineage import CARD, NOTHING, earlier_rounds
from dast.packaging.metadata import faults, front_matter


def assemble(made: Round, earlier: Path) -> Contents:
    """The package's contents.

    Args:
        made: The round, with the full rows of each config, and `contamination`.
        earlier: Package of the round's policy.

    Raises:
        DataError: a licence, a test query, a contaminated row or a card's field that may not be published.
    """
    recipe, rows = made.recipe, made.rows
    refuse_licences(recipe.prepare, recipe.package)
    refuse_test_queries(rows["queries"], made.tests, rows)
    evidence = evidence_of(rows["contamination"], rows)
    refuse_contaminated(evidence, recipe.package.contaminated)
    shapes = published_tables(recipe.package.ids_only)
    full = {**rows, "dpo": _with_origin(rows["dpo"])}
    kept, left_out = without_texts(full) if recipe.package.ids_only else ({name: full[name] for name in shapes}, {})
    before = earlier_rounds(earlier, made.policy, shapes) if recipe.package.rounds == "lineage" else NOTHING
    facts = CardFacts(
        **{**vars(made), "rows": kept}, tables=shapes, left_out=left_out, earlier=before, evidence=evidence
    )
    wrong = faults(front_matter(facts))
    if wrong:
        raise DataError(f"{CARD}: {'; '.join(wrong)}; correct defaults.package, or the licences of defaults.prepare")
    text, pictures = card(facts)
    texts = {CARD: text, **before.cards}
    files = {**{name: said.encode() for name, said in texts.items()}, **pictures}
    return Contents(shapes, kept, {name: facts.split_of(name) for name in shapes}, files, before.files)


def _with_origin(pairs: pl.DataFrame) -> pl.DataFrame:
    origin = pl.when(pl.col("chosen_id") == REFERENCE).then(pl.lit(REFERENCE)).otherwise(pl.lit("self"))
    return pairs.with_columns(origin=origin.cast(DPO.schema["origin"]))
