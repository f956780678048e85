"""The plots of the page: those of dvc.yaml, from the same templates, filled by DVC's own renderer.

A test holds PLOTS equal to dvc.yaml's list, which a stage cannot read: DVC takes no dvc.yaml for a dependency.

Guarantees: a plot whose table has no figure of its column is left out; a specification is the template's but for its
title, which the page sets as text. Grain: one Vega-Lite specification a plot, without its data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc_render.vega import VegaRenderer

from dast.report.accuracy import Row

_WIDE = 5
"""Rounds that a template's steps are laid out for; with more the steps shrink, so that the plot stays on the page."""
_PANELS = 3
"""Panels in a line where each round has one, so that all and their legend are seen."""
_LEAST_STEP = 20
"""Pixels that a round's name and a bar's count need."""


@dataclass(frozen=True)
class Plot:
    """A plot of dvc.yaml and the section of the page that shows it."""

    section: str
    title: str
    table: str
    x: str
    y: str
    x_label: str
    y_label: str
    template: str


PLOTS = (
    Plot(
        "accuracy",
        "Accuracy by test set and round",
        *("accuracy", "round", "estimate", "round", "accuracy, with its interval", "dast_accuracy"),
    ),
    Plot(
        "accuracy",
        "Accuracy in domain by level and round",
        *("accuracy", "value", "estimate", "level", "pass@1, with its interval", "dast_accuracy_levels"),
    ),
    Plot(
        "mix",
        "Difficulty of the training queries by round",
        *("levels", "round", "n_queries", "round", "share of training queries", "dast_levels"),
    ),
    Plot(
        "moves",
        "Queries that changed level, seen and by sampling noise alone",
        *("transitions", "after", "before", "level after", "level before", "dast_transitions"),
    ),
    Plot(
        "pass_rates",
        "Pass rates of the training queries by round",
        *("pass_rate", "pass_rate", "n_queries", "pass rate over the plain rollouts", "queries", "dast_pass_rate"),
    ),
    Plot(
        "lengths",
        "Lengths of the plain rollouts by level and verdict",
        *("lengths", "round", "median_chars", "round", "characters, median to nine of ten", "dast_lengths"),
    ),
    Plot(
        "allocation",
        "Wanted, spent and got by level and round",
        *("allocation", "level", "got", "level", "responses", "dast_allocation"),
    ),
    Plot(
        "ladder",
        "Yield of the ladder's steps by level and round",
        *("ladder", "round", "n_correct", "round", "share of correct rollouts, of so many", "dast_ladder"),
    ),
    Plot(
        "sets",
        "Training rows by level and round",
        *("build", "round", "n_self", "round", "share of sampled rows", "dast_levels"),
    ),
    *(
        Plot("training", title, "training", "step", column, "optimiser step", label, "dast_training")
        for title, column, label in (
            ("Training loss by round", "loss", "loss"),
            ("Learning rate by round", "learning_rate", "learning rate"),
            ("Preference training, pairs told apart by round", "reward_accuracy", "accuracy of rewards"),
            ("Preference training, chosen responses by round", "logps_chosen", "log-probability"),
            ("Preference training, rejected responses by round", "logps_rejected", "log-probability"),
        )
    ),
    Plot(
        "cost",
        "Sampled tokens by round and stage",
        *("ledger", "round", "n_tokens", "round", "tokens", "dast_cost"),
    ),
    Plot(
        "cost",
        "Seconds of generating by round and stage",
        *("ledger", "round", "seconds", "round", "seconds", "dast_cost"),
    ),
)


def drawn(tables: Mapping[str, Sequence[Row]], templates: Iterable[Path]) -> list[tuple[Plot, dict[str, Any]]]:
    """Each plot that has figures, and its specification; the page puts the rows of `plot.table` into it."""
    folders = {path.stem: path.parent for path in templates}
    return [
        (plot, _specification(plot, tables[plot.table], folders[plot.template]))
        for plot in PLOTS
        if any(row[plot.y] for row in tables[plot.table])
    ]


def _specification(plot: Plot, rows: Sequence[Row], folder: Path) -> dict[str, Any]:
    renderer = VegaRenderer(
        [dict(rows[0])],
        plot.title,
        template=plot.template,
        template_dir=str(folder),
        title=plot.title,
        x=plot.x,
        y=plot.y,
        x_label=plot.x_label,
        y_label=plot.y_label,
    )
    # Vega warns of a schema that is not its own version's, and the templates name the one that DVC's page loads.
    left_out = ("data", "title", "$schema")
    filled = {key: value for key, value in renderer.get_filled_template().items() if key not in left_out}
    n_rounds = len({row["round"] for row in rows})
    filled = _with_steps(filled, min(1.0, _WIDE / n_rounds))
    return {**(_in_lines(filled) if n_rounds > _PANELS else filled), "description": plot.title}


def _in_lines(filled: dict[str, Any]) -> dict[str, Any]:
    across = filled.get("facet", {}).get("column", {})
    return {**filled, "facet": across, "columns": _PANELS} if across.get("field") == "round" else filled


def _with_steps(part: Any, shrunk: float) -> Any:
    if isinstance(part, dict):
        step = part.get("step")
        if isinstance(step, int | float) and part.keys() <= {"step", "for"}:
            return {**part, "step": min(step, max(_LEAST_STEP, round(step * shrunk)))}
        return {key: _with_steps(value, shrunk) for key, value in part.items()}
    return [_with_steps(value, shrunk) for value in part] if isinstance(part, list) else part
