"""The card of a round's model: README.md beside its weights.

Guarantees: equal runs give equal text; no time, no path of a machine. Grain: one round.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from dast.params.train import Train
from dast.tables import LEVELS
from dast.training.trained import Method, Trained

_METHODS = {
    "sft": "supervised training on kept responses (SFT)",
    "dpo": "preference training on pairs of a right and a wrong response (DPO)",
}


def card_text(
    round_name: str, parent: str, method: Method, rows: pl.DataFrame, settings: Train, trained: Trained
) -> str:
    """The whole text of README.md.

    Args:
        round_name: the round, which names the model.
        parent: policy that training started from: `base` or a round.
        method: of the two.
        rows: the round's set (SFT or DPO).
        settings: the `train` section.
        trained: what the run did.
    """
    kind = "An adapter (LoRA)" if settings.lora and not settings.lora.merge else "A model"
    return "\n".join(
        [
            *("---", "library_name: transformers", f"tags: [dast, {method}]", "---", ""),
            *(f"# {round_name}", ""),
            f"{kind} of a self-training line: from `{parent}` by {_METHODS[method]}.",
            *("", "## Data", "", _data(rows, trained), ""),
            *("## Training", "", *_table("setting", _settings(method, settings)), ""),
            *("## Results of training", "", *_table("measure", _results(trained)), ""),
            "Accuracy stands with the round's evaluation. Losses are means over the steps of one point of the curve.",
            "",
        ]
    )


def _data(rows: pl.DataFrame, trained: Trained) -> str:
    counts = dict(rows.group_by("level").len().iter_rows())
    shown = [f"{counts[level]} {level}" for level in LEVELS if level in counts]
    shown += [f"{counts[None]} without a level"] if None in counts else []
    return (
        f"{rows.height} rows ({', '.join(shown)}) of {rows['query_id'].n_unique()} queries; a pass has "
        f"{trained.n_rows} rows, the longest of {trained.longest_tokens} tokens."
    )


def _settings(method: Method, settings: Train) -> dict[str, Any]:
    optimiser = (settings.sft if method == "sft" else settings.dpo).model_dump(exclude_none=True)
    adapter = {f"lora {name}": value for name, value in (settings.lora.model_dump() if settings.lora else {}).items()}
    shared: dict[str, Any] = {"bf16": settings.bf16, "processes": settings.launch.processes, "seed": settings.seed}
    if method == "sft" and settings.level_weights is not None:
        told = ", ".join(f"{level} {weight:g}" for level, weight in settings.level_weights)
        shared[f"weight by level, on {settings.weigh_by}"] = told
    return {**{name.replace("_", " "): value for name, value in optimiser.items()}, **adapter, **shared}


def _results(trained: Trained) -> dict[str, Any]:
    first, last = trained.curve[0], trained.curve[-1]
    told = {"steps": trained.steps, "epochs": f"{trained.epochs:.4g}", "loss at first": f"{first['loss']:.4g}"}
    told["loss at last"] = f"{last['loss']:.4g}"
    names = {
        "reward_accuracy": "pairs told apart",
        "logps_chosen": "log-probability, chosen",
        "logps_rejected": "log-probability, rejected",
    }
    return {**told, **{shown: f"{last[name]:.4g}" for name, shown in names.items() if last.get(name) is not None}}


def _table(head: str, rows: Mapping[str, Any]) -> list[str]:
    return [f"| {head} | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
