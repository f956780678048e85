"""The settings of a run: the default of the design's day, the design's settings, its budget and its arm's parts, laid
over in turn; parameters that came later are those of the shipped default.

Guarantees: a run's digest is of what the design says, so that a parameter that came later sets no row aside; whatever
is drawn is drawn from the run's base and data seed alone, so arms of one block share queries, and what they ask alike
is answered alike; no two blocks share a seed. Grain: one round of one run.
"""

from __future__ import annotations

from functools import cache, reduce
from pathlib import Path
from typing import Any

from benchmarks.experiments.design import FIXED, Design, Run
from benchmarks.experiments.rows import BASE
from dast.params.project import load_yaml, merge
from dast.params.sections import Settings
from dast.prompts import digest

SHIPPED = Path(__file__).parents[2] / "presets" / "default.yaml"

SECTIONS = (
    *("prepare", "bootstrap", "prompt", "generation", "grading", "sample"),
    *("difficulty", "augment", "build", "train", "evaluate"),
)
"""Sections that a run's numbers depend on."""

_DATA_SEEDS = 10
_SETS = 10


def settings_of(design: Design, run: Run, number: int) -> Settings:
    """Settings of round `number` (1, 2, …).

    Raises:
        ValidationError: the parts do not make valid settings.
    """
    return Settings.model_validate(merge(_defaults(SHIPPED), laid_over(design, run, number)))


def laid_over(design: Design, run: Run, number: int) -> dict[str, Any]:
    """What the design says of round `number`, all layers together."""
    arm = design.arms[run.arm]
    parts = list(arm.parts)
    if is_dpo(design, run, number):
        parts += arm.dpo_parts
    layers = [design.settings, design.budgets[run.budget], *(design.parts[part] for part in parts)]
    return _seeded(reduce(merge, layers, _defaults(FIXED)), run, number)


def is_dpo(design: Design, run: Run, number: int) -> bool:
    """Whether a round trains on pairs."""
    first = design.arms[run.arm].dpo_from
    return first is not None and number >= first


def settings_digest(design: Design, run: Run) -> str:
    """16 hex digits of the sections of all rounds that a run's numbers depend on."""
    rounds = [laid_over(design, run, 1 + index) for index in range(design.measure.rounds)]
    return digest([{name: one[name] for name in SECTIONS} for one in rounds])


def base_digest(design: Design, run: Run) -> str:
    """The same of what a base and its rows depend on; `run` is any of the block."""
    whole = laid_over(design, run, 1)
    return digest({name: whole[name] for name in SECTIONS if name not in ("sample", "augment", "build", "train")})


def digest_now(design: Design, run: Run) -> str | None:
    """Digest of the settings that a run would have now; None for one whose arm or budget is no more."""
    if run.arm == BASE:
        return base_digest(design, any_run(design, run))
    known = run.arm in design.arms and run.budget in design.budgets
    return settings_digest(design, run) if known else None


def any_run(design: Design, run: Run) -> Run:
    """A run of the block: what a base depends on is the same in all of them."""
    first = design.schedule[0]
    return Run(first.arms[0], first.budgets[0], run.base, run.data)


@cache
def _defaults(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = load_yaml(path)["defaults"]
    return content


def _seeded(whole: dict[str, Any], run: Run, number: int) -> dict[str, Any]:
    seed = _DATA_SEEDS * run.base + run.data
    prepare = whole["prepare"]
    train = [{**source, "seed": seed} for source in prepare["train"]]
    tests = [merge(test, {"source": {"seed": _SETS * seed + index}}) for index, test in enumerate(prepare["tests"])]
    # A round's own sampling and training seed: the policy differs, but batches of one order and one noise need not.
    drawn = {name: {"seed": _SETS * seed + number} for name in ("sample", "augment", "build", "train")}
    fixed = {
        "prepare": {"train": train, "tests": tests},
        "bootstrap": {"tiny": {"seed": run.base}},
        "evaluate": {"seed": seed},
    }
    return merge(merge(whole, drawn), fixed)
