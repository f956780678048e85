"""What a card can only say at publishing: the commit, DVC's digests, and what training gave.

Guarantees: equal facts give equal text, without a date or a machine's name; the card that was packaged stands first,
unchanged. Grain: one card.
"""

from __future__ import annotations

from dast.markdown import number, table, verbatim
from dast.publishing.provenance import Provenance
from dast.publishing.results import Results

CARD = "README.md"

_METHODS = {"sft": "supervised training (SFT)", "dpo": "preference training (DPO)"}


def completed(card: str, round_name: str, origin: Provenance, results: Results | None) -> str:
    """The card's text with what is known of its origin and of training added at its end.

    Args:
        card: As it was packaged.
        round_name: The round, which names its model too.
        origin: Of the folder that the card describes.
        results: None where the round's model was not trained or evaluated on these tables.
    """
    blocks = [card.rstrip("\n"), *_origin(origin), *([] if results is None else _results(round_name, results))]
    return "\n\n".join(blocks) + "\n"


def _origin(origin: Provenance) -> list[str]:
    command = f"git checkout {origin.commit}\ndvc repro --pull --allow-missing {origin.stage}"
    rows = [{"made from": f"`{path}`", "MD5": f"`{digest}`"} for path, digest in sorted(origin.inputs.items())]
    return [
        "## Where it comes from",
        f"Stage `{origin.stage}` of the project's pipeline made it as `{origin.path}`, for DVC `{origin.digest}`, "
        f"first recorded by commit `{origin.commit}`. In a clone:",
        verbatim(command, "bash"),
        table(rows),
    ]


def _results(round_name: str, results: Results) -> list[str]:
    run = results.training
    return [
        "## What training gave",
        f"The round's model `{round_name}` (for DVC `{results.digest}`), by {_METHODS[run['method']]}: "
        f"{number(run['n_rows'])} rows a pass, {number(run['steps'])} steps, {number(run['epochs'], 2)} passes, loss "
        f"{run['loss_first']:.4g} at first and {run['loss_last']:.4g} at last.",
        "Accuracy on the test sets, in percent, with its interval:",
        table(results.accuracy),
    ]
