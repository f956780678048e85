"""Time of each stage, roughly: from the pilot's tokens a second, and from the device's speeds for training.

Guarantees: of sampling an upper bound where larger batches are faster than ten responses at a time, as they mostly are.
Grain: one finding a stage of a round.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from dast.params.sections import Settings
from dast.preflight.disk import per_query
from dast.preflight.findings import Finding, plural
from dast.preflight.pilot import Pilot
from dast.preflight.shapes import Shape
from dast.preflight.training_memory import run_of
from dast.preflight.training_time import Row, Speed, step_s
from dast.progress import duration
from dast.tables import LEVELS

TRAIN = "train"
"""The stage that does not generate."""


@dataclass(frozen=True)
class Stage:
    """A stage of the line, and what it will take."""

    name: str
    work: str
    seconds: float


def sampling_stages(settings: Settings, n_train: int, n_tests: int, pilot: Pilot) -> Iterator[Stage]:
    """Stages of a round that generate, at the pilot's speed."""
    plain, test = settings.sample.n_rollouts, settings.evaluate
    more = max(0.0, per_query(settings) - plain)
    yield _generating("sample", n_train * plain, pilot)
    yield _generating("augment", int(n_train * more), pilot)
    yield _generating("evaluate", n_tests * (test.n_samples + int(test.greedy)), pilot)


def base_stage(settings: Settings, n_tests: int, pilot: Pilot) -> Stage:
    """The base's own evaluation, with the rollouts that set the test queries' levels."""
    test = settings.evaluate
    return _generating("evaluate_base", n_tests * (test.n_samples + int(test.greedy) + test.n_level_rollouts), pilot)


def _generating(name: str, n_rollouts: int, pilot: Pilot) -> Stage:
    work = f"{n_rollouts:,} rollouts × {pilot.mean_tokens:.0f} tokens"
    return Stage(name, work, n_rollouts * pilot.mean_tokens / max(pilot.tokens_per_s, 1e-9))


def training_stage(settings: Settings, method: str, n_train: int, pilot: Pilot, cost: tuple[Shape, Speed]) -> Stage:
    """Training on as many rows as `build` may keep, as long as the pilot's.

    Args:
        settings: of the round.
        method: sft or dpo.
        n_train: train queries.
        pilot: how long prompts and responses are.
        cost: the model's shape, and the device's speeds.
    """
    shape, speed = cost
    wish = settings.train.dpo if method == "dpo" else settings.train.sft
    batch = wish.batch_size * wish.accumulate_batches * settings.train.launch.processes
    n_rows = n_train * _mean(settings.build.pairs if method == "dpo" else settings.build.keep)
    steps = wish.steps or math.ceil(wish.epochs * n_rows / batch)
    row = Row(pilot.mean_row_tokens, pilot.mean_tokens)
    # A reference that is asked before training is asked as often.
    run = replace(run_of(settings, method), asks_reference=method == "dpo")
    seconds = step_s(shape, run, row, wish.accumulate_batches, speed)
    return Stage(TRAIN, f"{steps:,} steps of {batch} {'pairs' if method == 'dpo' else 'rows'}", steps * seconds)


def _mean(counts: object) -> float:
    return sum(int(getattr(counts, level)) for level in LEVELS) / len(LEVELS)


def forecast_findings(rounds: Mapping[str, list[Stage]], base: Stage, pilot: Pilot) -> Iterator[Finding]:
    """A line a stage, the longest round's; and one for the whole line."""
    most = "roughly" if pilot.kept_tokens_per_s else "up to roughly"
    longest = max(rounds.values(), key=lambda stages: sum(stage.seconds for stage in stages))
    for stage in (base, *longest):
        told = f"{'roughly' if stage.name == TRAIN else most} {duration(stage.seconds)} ({stage.work})"
        yield Finding("info", f"time, {stage.name}", told)
    whole = base.seconds + sum(stage.seconds for stages in rounds.values() for stage in stages)
    why = "" if pilot.kept_tokens_per_s else "; whole batches are mostly several times faster than ten at a time"
    yield Finding("info", "time, all", f"{most} {duration(whole)} for {plural(len(rounds), 'round')}{why}")
