"""The studies: each has its own design, rows and seeds, and the one on the CPU is what it was."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import pytest

from benchmarks.experiments import rows
from benchmarks.experiments.__main__ import main
from benchmarks.experiments.afterwards import load_afterwards
from benchmarks.experiments.design import EVERY_LEVEL, Run, load_design, planned, varied
from benchmarks.experiments.queue import with_bases
from benchmarks.experiments.rows import base_run
from benchmarks.experiments.settings import any_run, digest_now, laid_over, settings_of
from benchmarks.experiments.sharing import Work, _play, bases_first, longest_s
from benchmarks.experiments.studies import STUDIES
from benchmarks.experiments.telling import told
from dast.errors import CommandError
from dast.prompts import digest
from dast.sources.queries import tiny_level
from dast.tiny.families import LEVELS, top_of

CPU, GPU = (load_design(STUDIES[name].design) for name in ("cpu", "gpu"))
FIRST = Run("vanilla", "K8", 451, 1)


def row(run: Run, wall: float, design: str = "d") -> rows.Row:
    return {**run._asdict(), "design": design, "settings": "s", "seconds": {"wall": wall, "cpu": 1.0}}


def test_cpu_design_and_its_bases_are_those_of_its_rows() -> None:
    run = any_run(CPU, Run("", "", 301, 1))
    assert CPU.digest == "d95cc08cfc6f832a"
    assert digest(laid_over(CPU, run, 1)["bootstrap"]["tiny"]) == "5e634e808b545a1d", "the folder's name"
    tiny = settings_of(CPU, run, 1).bootstrap.tiny
    assert (tiny.hidden_size, tiny.layers, tiny.heads, tiny.top) == (128, 3, 4, 59)
    assert tiny.long_weights == [2.0, 2.0, 2.0, 2.0, 1.7, 1.3]


def test_studies_share_no_file_and_no_seed() -> None:
    cpu, gpu = STUDIES["cpu"], STUDIES["gpu"]
    assert not {cpu.design, cpu.results, cpu.scratch} & {gpu.design, gpu.results, gpu.scratch}
    bases = [set(design.seeds[kind].bases) for design in (CPU, GPU) for kind in ("validation", "test")]
    assert len(set.union(*bases)) == sum(map(len, bases))


def test_why_study_takes_what_it_holds_new_arms_against_from_the_first() -> None:
    why = load_design(STUDIES["why"].design)
    held_against, new = (tier.arms for tier in why.schedule)
    settings = cache(lambda run: digest_now(why, run))
    lent = rows.lent(rows.read(STUDIES["cpu"].rows("test")), why.digest, settings)
    found = rows.usable(lent, why.digest)
    wanted = [run for run in with_bases(planned(why, "test")) if run.arm not in new]
    assert wanted == [run for run in wanted if run in found]
    assert not {run.arm for run in found} & set(new)
    assert not why.primary
    sides = {side for one in why.exploratory for side in (one.arm, one.against)}
    assert sides == {*held_against, *new}
    for arm in new:
        settings_of(why, Run(arm, "K8", 301, 1), 1)


def test_lent_rows_are_those_with_the_same_settings_alone() -> None:
    other = [row(FIRST, 1.0), row(FIRST._replace(arm="other"), 1.0)]
    assert rows.lent(other, "new", lambda run: "s" if run == FIRST else "t") == [{**other[0], "design": "new"}]


@pytest.mark.parametrize("name", STUDIES)
def test_afterthoughts_name_what_the_design_has_and_none_of_its_contrasts(name: str) -> None:
    design, afterwards = load_design(STUDIES[name].design), load_afterwards(STUDIES[name].afterwards)
    sets = {test["source"]["name"]: set(test["source"]["counts"]) for test in design.settings["prepare"]["tests"]}
    for one in afterwards.contrasts:
        assert {one.arm, one.against} <= design.arms.keys()
        assert one.question in design.questions
        assert {one.test_set, one.less or one.test_set, *one.among} <= sets.keys()
        assert all(levels and sets[name] >= set(levels) for name, levels in one.among.items())
        assert (one.round or design.measure.round) <= design.measure.rounds
    assert not {one.name for one in afterwards.contrasts} & {one.name for one in (*design.primary, *design.exploratory)}


def test_gpu_study_played_elsewhere_keeps_its_design(tmp_path: Path) -> None:
    study = STUDIES["gpu"].at(tmp_path, None)
    assert study.rows("test") == tmp_path / "rows.jsonl"
    assert (study.design, study.scratch) == (STUDIES["gpu"].design, STUDIES["gpu"].scratch)


@pytest.mark.parametrize("arm", GPU.arms)
@pytest.mark.parametrize("budget", GPU.budgets)
def test_every_arm_of_the_gpu_design_has_valid_settings_with_equal_steps(arm: str, budget: str) -> None:
    settings = settings_of(GPU, FIRST._replace(arm=arm, budget=budget), 3)
    assert (settings.train.sft.steps, settings.augment.budget.per_query) == (120, float(budget[1:]))


def test_every_contrast_of_the_gpu_design_is_played_whole_and_primary_ones_first() -> None:
    runs = planned(GPU, "test")
    assert {run.arm for run in runs} == set(GPU.arms)
    for one in (*GPU.primary, *GPU.exploratory):
        for budget in one.budgets:
            for base in GPU.seeds["test"].bases:
                assert {Run(one.arm, budget, base, 1), Run(one.against, budget, base, 1)} <= set(runs), one.name
    primary = {(one.arm, b) for one in GPU.primary for b in one.budgets}
    primary |= {(one.against, b) for one in GPU.primary for b in one.budgets}
    first = runs[: len(primary) * len(GPU.seeds["test"].bases)]
    assert {(run.arm, run.budget) for run in first} == primary


def test_base_of_the_gpu_design_knows_the_lengths_and_values_of_its_queries() -> None:
    settings = settings_of(GPU, FIRST, 1)
    sources = [*settings.prepare.train, *(test.source for test in settings.prepare.tests)]
    found = [tiny_level(name) for source in sources if source.kind == "tiny" for name in source.counts]
    cells = [cell for cell in found if cell]
    assert len(cells) == len(found) > 0
    assert max(len(LEVELS[family][level]) for family, level in cells) <= len(settings.bootstrap.tiny.long_weights)
    assert {top_of(family) for family, _ in cells} == {settings.bootstrap.tiny.top}


def test_varied_design_has_its_own_digest_and_an_unvaried_one_keeps_it() -> None:
    other = varied(GPU, {"train": {"sft": {"learning_rate": 1.0}}})
    assert varied(GPU, {}).digest == GPU.digest != other.digest
    assert settings_of(other, FIRST, 1).train.sft.learning_rate == 1.0
    assert digest_now(other, FIRST) != digest_now(GPU, FIRST)
    assert digest_now(other, base_run(451, 1)) == digest_now(GPU, base_run(451, 1)), "a base depends on none of it"


def test_bases_come_first_and_all_else_keeps_its_order() -> None:
    runs = [base_run(1, 1), FIRST, base_run(2, 1), FIRST._replace(arm="DAST-P")]
    assert bases_first(runs) == [runs[0], runs[2], runs[1], runs[3]]


def test_run_that_would_not_end_in_time_is_not_started(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows.append(path, row(FIRST, 50.0, GPU.digest))
    rows.append(path, row(FIRST, 900.0, "another design"))
    rows.append(path, row(base_run(451, 1), 800.0, GPU.digest))
    assert longest_s(path, GPU) == 50.0
    assert _play(Work(STUDIES["gpu"], GPU, path, {}, time.time() + 40), FIRST) is False
    assert len(rows.read(path)) == 3


def test_validate_refuses_test_seeds_of_the_chosen_study() -> None:
    with pytest.raises(CommandError, match="bases \\[401\\] are for the test"):
        main(["--study", "gpu", "validate", "--arms", "vanilla", "--bases", "401", "--commit", "c"])


def test_rows_are_told_by_level_and_round() -> None:
    tests = {"t": {"source_levels": "H1 H1 H2", "levels": "eeu", "sample": "440", "greedy": "110"}}
    counts = dict.fromkeys(EVERY_LEVEL, 1)
    one = {
        "seconds": {"wall": {"sample": 3.2}},
        "levels": counts,
        "steps": {"sample": {"n_rollouts": 8, "n_correct": 3}},
        "kept": {"hard": {"n": 2, "n_queries": 1, "n_lucky": 0}},
        "epochs": 1.5,
        "loss": 0.25,
        "tests": {"t": {"sample": "442", "greedy": "111"}},
    }
    base = base_run(451, 1)
    text = told({base: row(base, 9.0) | {"tests": tests}, FIRST: row(FIRST, 7.0) | {"rounds": [one]}})
    assert "levels e 2 u 1" in text
    assert "base  66.7 (greedy 66.7): H1 100 H2 0" in text
    assert "t  83.3 (greedy 100.0): H1 100 H2 50" in text
    assert "sample 3 s; train levels 1/1/1/1" in text
