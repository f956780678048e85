"""The committed design: what it may say, what follows from it, and that its seeds are its own."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from benchmarks.experiments import settings
from benchmarks.experiments.design import PATH, Design, Run, load_design, planned, require_committed
from benchmarks.experiments.settings import is_dpo, settings_digest, settings_of
from dast.errors import CommandError
from dast.params.project import load_yaml, merge

DESIGN = load_design()
SEEN = {*range(31), 101, 102, 103, 123, 210, 211, 212, 220, 221, 222, *range(1010, 1040), 555, 556, 557, 777, 778, 779}
"""Seeds of the default, of the tables of docs/world.md, and of the search that came before them."""


def changed(**sections: object) -> Design:
    return Design.model_validate({**load_yaml(PATH), **sections})


@pytest.mark.parametrize("arm", DESIGN.arms)
@pytest.mark.parametrize("budget", DESIGN.budgets)
def test_every_arm_has_valid_settings_at_every_budget(arm: str, budget: str) -> None:
    for number in range(1, DESIGN.measure.rounds + 1):
        settings_of(DESIGN, Run(arm, budget, 1, 1), number)


def test_every_arm_is_played() -> None:
    assert {run.arm for run in planned(DESIGN, "test")} == set(DESIGN.arms)


def test_every_contrast_is_played_whole() -> None:
    runs = set(planned(DESIGN, "test"))
    bases = DESIGN.seeds["test"].bases
    for one in (*DESIGN.primary, *DESIGN.exploratory):
        for budget in one.budgets:
            played = [[Run(arm, budget, base, 1) in runs for base in bases] for arm in (one.arm, one.against)]
            assert sum(map(all, zip(*played, strict=True))) >= 3, one.name


def test_plan_holds_each_run_once_and_primary_ones_first() -> None:
    runs = planned(DESIGN, "test")
    assert len(runs) == len(set(runs))
    wanted = {
        Run(side, budget, base, data)
        for one in DESIGN.primary
        for side in (one.arm, one.against)
        for budget in one.budgets
        for base in DESIGN.seeds["test"].bases
        for data in DESIGN.seeds["test"].data
    }
    assert set(runs[: len(wanted)]) == wanted


def test_seeds_are_of_no_earlier_table_and_of_one_block_alone() -> None:
    drawn: dict[int, tuple[int, int]] = {}
    for kind in ("validation", "test"):
        for base in DESIGN.seeds[kind].bases:
            for data in DESIGN.seeds[kind].data:
                settings = settings_of(DESIGN, Run("vanilla", "K8", base, data), 1)
                seeds = {test.source.seed for test in settings.prepare.tests if test.source.kind == "tiny"}
                seeds |= {source.seed for source in settings.prepare.train if source.kind == "tiny"}
                for seed in seeds:
                    assert drawn.setdefault(seed, (base, data)) == (base, data)
                assert settings.bootstrap.tiny.seed == base
                assert not (seeds | {base}) & SEEN
    assert not set(DESIGN.seeds["validation"].bases) & set(DESIGN.seeds["test"].bases)


def test_settings_differ_between_blocks_and_arms_and_not_otherwise() -> None:
    digests = {
        settings_digest(DESIGN, Run(arm, budget, base, data))
        for arm, budget, base, data in [
            *[("vanilla", "K8", 1, 1), ("vanilla", "K8", 1, 2), ("vanilla", "K8", 2, 1)],
            *[("vanilla", "K4", 1, 1), ("DAST-P", "K8", 1, 1), ("vanilla", "K8", 1, 1)],
        ]
    }
    assert len(digests) == 5


def test_arms_of_a_block_share_everything_that_the_base_and_tests_depend_on() -> None:
    shared = {
        tuple(repr(getattr(settings, name)) for name in ("bootstrap", "evaluate", "difficulty", "grading", "prompt"))
        for arm in DESIGN.arms
        for settings in [settings_of(DESIGN, Run(arm, "K8", 1, 1), 2)]
    }
    tests = {repr(settings_of(DESIGN, Run(arm, "K8", 1, 1), 3).prepare.tests) for arm in DESIGN.arms}
    assert len(shared) == len(tests) == 1


def test_equal_steps_in_every_arm_that_does_not_say_otherwise() -> None:
    for arm in DESIGN.arms:
        for number in (1, 2, 3):
            run = Run(arm, "K8", 1, 1)
            train = settings_of(DESIGN, run, number).train
            steps = train.dpo.steps if is_dpo(DESIGN, run, number) else train.sft.steps
            assert steps == (None if "epochs" in DESIGN.arms[arm].parts else 120)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValidationError, match="no part nowhere"):
        changed(arms={**load_yaml(PATH)["arms"], "new": {"about": "a", "parts": ["nowhere"]}})
    with pytest.raises(ValidationError, match="no arm absent"):
        changed(schedule=[{"name": "t", "arms": ["absent"], "budgets": ["K8"], "bases": 1, "data": 1}])
    with pytest.raises(ValidationError, match="no budget K9"):
        changed(schedule=[{"name": "t", "arms": ["vanilla"], "budgets": ["K9"], "bases": 1, "data": 1}])


def test_digest_is_of_content_alone() -> None:
    assert changed().digest == DESIGN.digest
    assert changed(bootstrap={"draws": 1, "seed": 1, "interval": 0.9}).digest != DESIGN.digest


def test_require_committed_refuses_changed_and_unknown_files(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=tmp_path, check=True)

    path = tmp_path / "design.yaml"
    path.write_text("a: 1\n")
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "first")
    with pytest.raises(CommandError, match="commit it first"):
        require_committed([path])
    git("add", "design.yaml")
    with pytest.raises(CommandError, match="commit it first"):
        require_committed([path])
    git("commit", "-q", "-m", "design")
    require_committed([path])
    path.write_text("a: 2\n")
    with pytest.raises(CommandError, match="commit it first"):
        require_committed([path])


def test_settings_of_the_designs_day_hold_whatever_the_shipped_default_becomes(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run("vanilla", "K8", 1, 1)
    before = settings_digest(DESIGN, run)
    shipped = {"sample": {"n_rollouts": 99}, "augment": {"wave": 77}}
    real = settings._defaults

    def changed(path: Path) -> dict[str, Any]:
        return merge(real(path), shipped if path == settings.SHIPPED else {})

    monkeypatch.setattr(settings, "_defaults", changed)
    assert settings_of(DESIGN, run, 1).augment.wave == 4
    assert settings_digest(DESIGN, run) == before
