"""One round of the line in memory, by the library: sample → score → augment → build → train → evaluate.

The only file of the experiments that knows how the library's parts are called. Guarantees: the same calls in the same
order as the stages make, with the store that `DAST_STORE` names, so that what one arm sampled of a policy serves every
other. Grain: one round.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from dast.augmentation.loop import Augmentation
from dast.augmentation.prompting import prompting_of
from dast.augmentation.tally import start
from dast.building.sets import build_sets
from dast.difficulty.levels import estimate, round_prior
from dast.evaluation import levels_of_tests, run_tests
from dast.exemplars import Shelf, shelf_of
from dast.frames import frame
from dast.grading import Grader, grade_rollouts, refuse_ungraded
from dast.params.sections import Settings
from dast.policies.bases import make_base
from dast.policies.counting import token_counter
from dast.policies.folder import write_policy
from dast.prompts import sampling_prompt, style_for
from dast.recording import recording
from dast.rollouts import Recorder, wanted
from dast.sources.queries import query_tables
from dast.sources.reference import reference_sft
from dast.store.blocks import Asker
from dast.tables import TEST_QUERIES
from dast.training.loop import train_model
from dast.training.trained import Trained

Method = Literal["sft", "dpo"]


@dataclass(frozen=True)
class World:
    """What the rounds of one run share: queries (QUERIES, TEST_QUERIES) and their reference solutions (SFT)."""

    train: pl.DataFrame
    tests: pl.DataFrame
    references: pl.DataFrame


@dataclass(frozen=True)
class Policy:
    """A model, its name in the run (`base`, `r1`, …), and the SFT rows that it was trained on."""

    name: str
    folder: Path
    rows: pl.DataFrame


@dataclass(frozen=True)
class Plan:
    """A round as its arm wants it."""

    name: str
    policy: Policy
    """Samples."""
    init: Policy
    """Training starts from it."""
    method: Method
    levels: pl.DataFrame | None
    """Levels of an earlier round that steer this one (DIFFICULTY); None estimates them anew."""
    settings: Settings


@dataclass(frozen=True)
class Played:
    """A round's tables, and the model that it made."""

    rollouts: pl.DataFrame
    """Every graded rollout of the round (GRADED)."""
    seconds: float
    """What generating them took, when they were generated."""
    levels: pl.DataFrame
    """Levels that steered the round (DIFFICULTY)."""
    sft: pl.DataFrame
    dpo: pl.DataFrame
    trained: Trained
    tested: pl.DataFrame
    """Graded test rollouts of the new model (TEST_GRADED)."""
    model: Policy
    phases: dict[str, float] = field(default_factory=dict)
    """Wall seconds of each part of the round."""


class _Clock:
    """Wall seconds of one part after the other."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}
        self._last = time.monotonic()

    def ended(self, part: str) -> None:
        now = time.monotonic()
        self.phases[part], self._last = round(now - self._last, 1), now


class _Drawn(NamedTuple):
    """Graded rollouts (GRADED), their prompts (PROMPTS), and the seconds that generating them took."""

    rows: pl.DataFrame
    prompts: pl.DataFrame
    seconds: float


def make_world(settings: Settings) -> World:
    """Queries and reference solutions of `settings`; every source must be the built-in generator."""
    with Grader(settings.grading) as grader:
        queries = query_tables(settings.prepare, Path(), grader)
    tests = pl.concat([frame(TEST_QUERIES, []), *queries.tests.values()])
    return World(queries.train, tests, reference_sft(queries.train, settings.prompt.tuned))


def train_base(settings: Settings, folder: Path) -> None:
    """Trains the base, whole or not at all."""
    make_base(settings.bootstrap, settings.prompt.chat_template, folder)


def base_policy(world: World, folder: Path) -> Policy:
    """The base, whose own rows are the reference solutions."""
    return Policy("base", folder, world.references)


def test_base(world: World, base: Path, settings: Settings) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The base's graded test rollouts (TEST_GRADED), and each test query's level (TEST_LEVELS)."""
    done = _tested(world, "base", base, settings, with_levels=True)
    return done, levels_of_tests(done, settings.difficulty)


def play(world: World, plan: Plan, folder: Path) -> Played:
    """Plays one round, whose model comes to lie in `folder`."""
    settings, method, clock = plan.settings, plan.method, _Clock()
    sampled = _sample(world, plan)
    clock.ended("sample")
    levels = plan.levels
    if levels is None:
        levels = estimate(sampled.rows, world.train["query_id"], settings.difficulty)
    added = _augment(world, plan, sampled.rows, levels)
    clock.ended("augment")
    rollouts = pl.concat([sampled.rows, added.rows])
    refuse_ungraded(rollouts, settings.grading.max_ungraded_rate)
    built = build_sets(
        queries=world.train,
        graded=rollouts,
        prompts=pl.concat([sampled.prompts, added.prompts]).unique("prompt_digest"),
        difficulty=levels,
        previous=plan.policy.rows,
        style=settings.prompt.tuned,
        settings=settings.build,
        round_name=plan.name,
    )
    rows = built.dpo if method == "dpo" else built.sft
    clock.ended("build")
    trained = train_model(rows, method, plan.init.folder, settings.train, folder)
    write_policy(folder, name=plan.name, kind="trained", parent=plan.init.name, method=method)
    clock.ended("train")
    tested = _tested(world, plan.name, folder, settings, with_levels=False)
    clock.ended("evaluate")
    model = Policy(plan.name, folder, built.sft)
    generating = sampled.seconds + added.seconds
    return Played(rollouts, generating, levels, built.sft, built.dpo, trained, tested, model, clock.phases)


def _sample(world: World, plan: Plan) -> _Drawn:
    wish, style = plan.settings.sample, style_for(plan.settings.prompt, plan.policy.name)
    items = [
        item
        for query_id, query in world.train.select("query_id", "query").iter_rows()
        for item in wanted(query_id, "sample", range(wish.n_rollouts), sampling_prompt(style, query))
    ]
    with (
        Grader(plan.settings.grading) as grader,
        recording(plan.settings.generation, plan.policy.folder, _asker(plan, "sample"), wish.seed, None) as recorder,
    ):
        rows = recorder.collect(items, wish.decoding, "rollouts")
        return _drawn(grade_rollouts(rows, world.train, grader), recorder)


def _augment(world: World, plan: Plan, sampled: pl.DataFrame, levels: pl.DataFrame) -> _Drawn:
    settings, wish = plan.settings, plan.settings.augment
    style = style_for(settings.prompt, plan.policy.name)
    with (
        Grader(settings.grading) as grader,
        recording(settings.generation, plan.policy.folder, _asker(plan, "augment"), wish.seed, None) as recorder,
    ):
        recorder.count_earlier(sampled)
        work = Augmentation(
            world.train,
            start(world.train, sampled, levels, None, wish.budget, wish.seed),
            round_prior(sampled, world.train["query_id"], settings.difficulty),
            prompting_of(world.train, style, _shelf(world, plan, levels), wish.ladder.hinted),
            wish,
            recorder,
            grader,
            lambda forecast: None,
        )
        return _drawn(work.run(), recorder)


def _drawn(rows: pl.DataFrame, recorder: Recorder) -> _Drawn:
    return _Drawn(rows, recorder.prompts_table(), float(recorder.cost()["seconds"]))


def _shelf(world: World, plan: Plan, levels: pl.DataFrame) -> Shelf | None:
    wish = plan.settings.augment
    if not wish.ladder.matched.enabled:
        return None
    exemplars, count = wish.ladder.matched.exemplars, token_counter(plan.policy.folder)
    return shelf_of(plan.policy.rows, world.train, levels, world.tests, exemplars, count, wish.seed)


def _asker(plan: Plan, stage: str) -> Asker:
    return Asker(plan.policy.name, plan.name, stage)


def _tested(world: World, name: str, model: Path, settings: Settings, *, with_levels: bool) -> pl.DataFrame:
    wish, style = settings.evaluate, style_for(settings.prompt, name)
    with (
        Grader(settings.grading, "evaluation") as grader,
        recording(settings.generation, model, Asker(name, name, "evaluate"), wish.seed, None) as recorder,
    ):
        done = run_tests(world.tests, recorder, grader, style, wish, with_levels=with_levels)
    refuse_ungraded(done, settings.grading.max_ungraded_rate)
    return done
