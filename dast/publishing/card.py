"""What a card can only say at publishing: its repository, the commit, DVC's digests, and what training gave.

Guarantees: equal facts give equal text, without a date or a machine's name; a packaged card changes at its marked
places alone, and a card without marks (a model's) has it all at its end. Grain: one card.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dast.markdown import number, table, verbatim
from dast.packaging.card import RESULTS
from dast.packaging.loading import REPOSITORY
from dast.packaging.provenance import PROVENANCE
from dast.packaging.stated import FIRST_COMMIT
from dast.params.writing import yaml_text
from dast.publishing.provenance import Provenance
from dast.publishing.results import Results

CARD = "README.md"

_METHODS = {"sft": "supervised training (SFT)", "dpo": "preference training (DPO)"}


def completed(card: str, round_name: str, repository: str, origin: Provenance, results: Results | None) -> str:
    """The card's text with all that is known at publishing.

    Args:
        card: As it was packaged.
        round_name: The round, which names its model too.
        repository: user/name.
        origin: Of the folder that the card describes.
        results: None where the round's model was not trained or evaluated on these tables.
    """
    text = card.replace(f'"{REPOSITORY}"', f'"{repository}"')
    text = _put(text, PROVENANCE, "## Where it comes from", _origin(origin))
    return _put(text, RESULTS, "", [] if results is None else _results(round_name, results))


def with_metadata(card: str, stated: Mapping[str, Any]) -> str:
    """The card with more entries at the end of its metadata."""
    head, matter, rest = card.split("---\n", 2) if card.startswith("---\n") else ("", "", f"\n{card}")
    return f"{head}---\n{matter}{yaml_text(stated)}---\n{rest}" if stated else card


def _put(text: str, mark: str, title: str, blocks: list[str]) -> str:
    """Blocks at a mark; at the end, under a title, where the card has no such mark."""
    if mark in text:
        return text.replace(f"{mark}\n\n", "".join(f"{block}\n\n" for block in blocks))
    told = [title, *blocks] if title else blocks
    return "\n\n".join([text.rstrip("\n"), *told]) + "\n"


def _origin(origin: Provenance) -> list[str]:
    command = f"git checkout {origin.commit}\ndvc repro --pull --allow-missing {origin.stage}"
    rows = [{"made from": f"`{path}`", "MD5": f"`{digest}`"} for path, digest in sorted(origin.inputs.items())]
    return [
        f"Stage `{origin.stage}` of the project's pipeline made it as `{origin.path}`, for DVC `{origin.digest}`, "
        f"{FIRST_COMMIT.format(commit=origin.commit)}. To have it again, in a clone:",
        verbatim(command, "sh"),
        f"<details><summary>DVC's digests of what it was made from</summary>\n\n{table(rows)}\n\n</details>",
    ]


def _results(round_name: str, results: Results) -> list[str]:
    run = results.training
    return [
        "## What training gave",
        f"The round's model `{round_name}` (for DVC `{results.digest}`), by {_METHODS[run['method']]}: "
        f"{number(run['n_rows'])} rows a pass, {number(run['steps'])} steps, {number(run['epochs'], 2)} passes, loss "
        f"{run['loss_first']:.4g} at first and {run['loss_last']:.4g} at last. Accuracy on the test sets, in percent, "
        "with its interval:",
        table(results.accuracy),
    ]
