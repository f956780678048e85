"""What would run and why, what it would cost by earlier ledgers, and what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dast.frames import frame, write
from dast.params.project import Project, load_yaml, parse_project
from dast.planning.asking import Plan
from dast.planning.costs import Cost, expected
from dast.planning.graph import parse_graph
from dast.planning.kept import Kept, Places
from dast.planning.pending import Pending, pending
from dast.planning.telling import Spending, plan_json, plan_text
from dast.policies.folder import fingerprint, write_policy
from dast.prompts import sampling_prompt
from dast.report.metrics import read_rounds
from dast.rollouts import Recorder, wanted
from dast.samplers import text_settings
from dast.smallfiles import write_json, write_text
from dast.store.blocks import Asker
from dast.store.keeping import Store
from dast.tables import QUERIES, SFT, TEST_QUERIES
from dast.training.runs import find_run
from tests.makers import ROOT, queries_table
from tests.roundfiles import write_line
from tests.stores import BatchEngine

N_QUERIES = 5


def project(**changes: Any) -> Project:
    """The default params, sections changed by a dotted name."""
    raw = load_yaml(ROOT / "presets" / "default.yaml")
    raw["defaults"]["generation"]["engine"] = "transformers"
    for name, value in changes.items():
        section, _, key = name.partition("__")
        raw["defaults"][section][key] = value
    return parse_project(raw, "params.yaml")


# ── what would run ──


def test_graph_order_puts_every_stage_behind_what_it_needs() -> None:
    graph = parse_graph('strict digraph {\n"a";\n"c";\n"b";\n"a" -> "b";\n"b" -> "c";\n}\n')
    assert graph.order == ("a", "b", "c")
    assert graph.before["c"] == {"b"}


def test_pending_missing_inputs_are_told_by_their_stage(tmp_path: Path) -> None:
    graph = parse_graph('strict digraph {\n"a";\n"c";\n"b";\n"a" -> "b";\n"b" -> "c";\n}\n')
    status = {"a": ["changed command"], "b": [{"changed deps": {"x": "deleted"}}, {"changed outs": {"y": "deleted"}}]}
    told = {item.stage: item.told() for item in pending(status, graph, {"a": {}, "b": {}}, tmp_path)}
    assert list(told) == ["a", "b", "c"]
    assert told == {"a": "its command changed", "b": "its output y is not there", "c": "if b gives something new"}


def test_pending_stage_that_never_ran_says_so(tmp_path: Path) -> None:
    graph = parse_graph('"a";\n')
    (item,) = pending({"a": [{"changed deps": {"x": "modified"}}]}, graph, {}, tmp_path)
    assert item.told() == "it has not run yet"


def test_pending_changed_param_is_named_with_both_values(tmp_path: Path) -> None:
    write_text(tmp_path / "p.yaml", "sample: {k: 8, seed: 1}\n")
    recorded = {"a": {"params": {"p.yaml": {"sample": {"k": 4, "seed": 1}}}}}
    status = {"a": [{"changed deps": {"p.yaml": {"sample": "modified"}}}]}
    (item,) = pending(status, parse_graph('"a";\n'), recorded, tmp_path)
    assert item.reasons == ("sample.k 4 → 8",)


def test_pending_reasons_of_a_kind_are_told_together_params_first(tmp_path: Path) -> None:
    write_text(tmp_path / "p.yaml", "k: 8\n")
    code = {f"dast/{name}.py": "modified" for name in "xyz"}
    deps = {**code, "data/a": "modified", "p.yaml": {"k": "modified"}}
    outs = {"o1": "not in cache", "o2": "not in cache", "o3": "deleted"}
    status = {"a": [{"changed deps": deps}, {"changed outs": outs}]}
    (item,) = pending(status, parse_graph('"a";\n'), {"a": {"params": {"p.yaml": {"k": 4}}}}, tmp_path)
    assert item.reasons == (
        "k 4 → 8",
        "data/a is modified",
        "its code changed: dast/x.py and 2 more",
        "2 of its outputs are not in cache",
        "its output o3 is not there",
    )


# ── what it would cost ──


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    """Small files of base and three rounds, whose stages say what they cost."""
    folder = tmp_path / "metrics"
    write_line(folder)
    ledger = {
        "easy": {"n_rollouts": 600, "n_tokens": 6000, "seconds": 3.0},
        "hard": {"n_rollouts": 400, "n_tokens": 4000},
    }
    for name in ("base", "r1", "r2", "r3"):
        write_json(folder / name / "evaluate.json", {"ledger": ledger})
    for name in ("r1", "r2", "r3"):
        write_json(
            folder / name / "sample.json", {"n_queries": 920, "n_rollouts": 3680, "n_tokens": 7360, "seconds": 8.0}
        )
        augmented = {"budget": 7360, "unit": "rollouts", "n_queries": 920, "ledger": ledger}
        write_json(folder / name / "augment.json", augmented)
    write_json(folder / "r2" / "train.json", {"method": "sft", "steps": 60, "seconds": 30.0})
    return folder


def cost(metrics: Path, stage: str, **changes: Any) -> Cost | None:
    return expected(stage, project(**changes), read_rounds(metrics))


def test_cost_of_sample_is_the_rounds_own_scaled_to_k(metrics: Path) -> None:
    assert cost(metrics, "sample@r2") == Cost("r2", 3680, 7360, 0, 8.0)
    assert cost(metrics, "sample@r2", sample__n_rollouts=8) == Cost("r2", 7360, 14720, 0, 16.0)


def test_cost_of_augment_follows_the_budget(metrics: Path) -> None:
    assert cost(metrics, "augment@r1") == Cost("r1", 1000, 10_000, 0, 3.0)
    halved = {"unit": "rollouts", "per_query": 4.0}
    assert cost(metrics, "augment@r1", augment__budget=halved) == Cost("r1", 500, 5000, 0, 1.5)


def test_cost_of_evaluation_counts_test_queries_and_their_rollouts(metrics: Path) -> None:
    # three sets of 320: 4 samples and a greedy one, and the base's 4 that set levels
    for stage, n_rollouts in (("evaluate@r1", 960 * 5), ("evaluate_base", 960 * 9)):
        found = cost(metrics, stage)
        assert found is not None
        assert (found.n_rollouts, found.n_tokens) == (n_rollouts, 10 * n_rollouts)


def test_cost_of_training_is_by_the_step_and_of_the_same_method(metrics: Path) -> None:
    assert cost(metrics, "train@r2") == Cost("r2", steps=120, seconds=60.0)
    assert cost(metrics, "train@r3") is None  # dpo, and none has run


def test_cost_of_a_new_round_is_told_from_the_last(metrics: Path) -> None:
    raw = dict(project().raw)
    raw["rounds"] = {**raw["rounds"], "r4": {**raw["rounds"]["r2"], "policy": "r3", "init": "r3", "levels": "r4"}}
    found = expected("sample@r4", parse_project(raw, "params.yaml"), read_rounds(metrics))
    assert found is not None
    assert found.told_from == "r3"


def test_cost_is_unknown_where_nothing_ran_and_none_of_a_cheap_stage(tmp_path: Path, metrics: Path) -> None:
    assert cost(tmp_path / "nothing", "sample@r1") is None
    assert cost(metrics, "build@r1") is None


# ── what is kept ──


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A base model's folder, train queries and a test set."""
    found = Places(*(tmp_path / name for name in ("data", "queries", "models", "training")))
    write_text(found.models / "base" / "config.json", "{}")
    write_policy(found.models / "base", name="base", kind="tiny")
    write(QUERIES, queries_table(N_QUERIES), found.queries / "train.parquet")
    tests = queries_table(3).with_columns(test_set=pl.lit("x"), domain=pl.lit("in")).cast(dict(TEST_QUERIES.schema))
    write(TEST_QUERIES, tests.select(TEST_QUERIES.schema.keys()), found.queries / "tests" / "x.parquet")
    return found


def sample(places: Places, store: Path, k: int) -> None:
    """What `sample@r1` would keep."""
    settings, style = project().defaults, project().defaults.prompt.base
    about = text_settings(settings.generation, fingerprint(places.models / "base"))
    asker = Asker("base", "r1", "sample")
    with Store(store) as kept:
        recorder = Recorder(BatchEngine(), "base", settings.sample.seed, 4, about, kept, asker)  # type: ignore[arg-type]
        items = [
            item
            for query_id, query in queries_table(N_QUERIES).select("query_id", "query").iter_rows()
            for item in wanted(query_id, "sample", range(k), sampling_prompt(style, query))
        ]
        recorder.collect(items, settings.sample.decoding, "rollouts")


def n_kept(
    places: Places, store: Path, stage: str, running: frozenset[str] = frozenset(), **changes: Any
) -> int | None:
    with Store(store, mends=False) as kept:
        return Kept(project(**changes), places, kept, running).n_rollouts(stage)


def test_kept_rollouts_of_sample_are_counted_by_what_it_would_ask(places: Places, tmp_path: Path) -> None:
    sample(places, tmp_path / "store", 4)
    assert n_kept(places, tmp_path / "store", "sample@r1") == 4 * N_QUERIES
    assert n_kept(places, tmp_path / "store", "sample@r1", sample__n_rollouts=6) == 4 * N_QUERIES
    assert n_kept(places, tmp_path / "store", "sample@r1", sample__n_rollouts=3) == 3 * N_QUERIES
    assert n_kept(places, tmp_path / "store", "sample@r1", sample__seed=99) == 0
    write(QUERIES, queries_table(N_QUERIES + 2), places.queries / "train.parquet")
    assert n_kept(places, tmp_path / "store", "sample@r1") == 4 * N_QUERIES


def test_kept_rollouts_are_unknown_while_inputs_may_change(places: Places, tmp_path: Path) -> None:
    sample(places, tmp_path / "store", 4)
    for stage in ("prepare", "bootstrap"):
        assert n_kept(places, tmp_path / "store", "sample@r1", frozenset({stage})) is None
    assert n_kept(places, tmp_path / "store", "augment@r1", frozenset({"score@r1"})) is None
    assert n_kept(places, tmp_path / "store", "sample@r2", frozenset({"train@r1"})) is None
    assert n_kept(places, tmp_path / "store", "sample@r2") is None  # no model of r1 here


def test_kept_rollouts_of_evaluation_and_augmentation_are_by_their_own_settings(places: Places, tmp_path: Path) -> None:
    sample(places, tmp_path / "store", 4)
    assert n_kept(places, tmp_path / "store", "evaluate_base") == 0
    assert n_kept(places, tmp_path / "store", "augment@r1") == 0
    same = {"augment__seed": project().defaults.sample.seed}
    assert n_kept(places, tmp_path / "store", "augment@r1", **same) == 4 * N_QUERIES


def test_kept_rollouts_without_a_store_are_none(places: Places, tmp_path: Path) -> None:
    assert n_kept(places, tmp_path / "none", "sample@r1") == 0
    assert not (tmp_path / "none").exists()


def training_rows() -> pl.DataFrame:
    about = {"query_id": "q000", "rollout_id": "a", "level": "easy", "round": "r1", "origin": "self", "n_alike": 1}
    turns = {name: [{"role": "user", "content": name}] for name in ("prompt", "completion")}
    return frame(SFT, [{**about, **turns}])


def test_kept_training_run_is_found_by_rows_start_and_settings(places: Places, tmp_path: Path) -> None:
    def is_trained(running: frozenset[str] = frozenset(), **changes: Any) -> bool | None:
        with Store(tmp_path / "store", mends=False) as store:
            return Kept(project(**changes), places, store, running).is_trained("train@r1")

    assert is_trained() is None  # no set yet
    write(SFT, training_rows(), places.data / "r1" / "sft.parquet")
    assert is_trained() is False
    settings = project().defaults.train
    run = find_run(training_rows(), "sft", places.models / "base", settings, places.training)
    (run.folder / "model").mkdir(parents=True)
    assert is_trained() is True
    assert is_trained(train__seed=99) is False
    assert is_trained(frozenset({"build@r1"})) is None


# ── how it is told ──

STAGES = ("prepare", "resolve@r1", "sample@r1", "train@r1", "resolve@r2", "sample@r2", "train@r2")
PLAN = Plan(STAGES, (Pending("sample@r2", ("sample.seed 1 → 2",), ()), Pending("train@r2", (), ("sample@r2",))))
SPENDING = [
    Spending("sample@r2", Cost("r2", 1000, 20_000, 0, 50.0), 400),
    Spending("train@r2", Cost("r1", steps=120, seconds=15.0), None),
]


def test_plan_text_tells_reasons_costs_and_what_is_reused() -> None:
    assert plan_text(PLAN, SPENDING).splitlines() == [
        "2 of 7 stages would run:",
        "  sample@r2  sample.seed 1 → 2",
        "  train@r2   if sample@r2 gives something new",
        "at most, as earlier rounds tell:",
        "  sample@r2  1,000 rollouts, 400 of them kept: about 12,000 tokens, 30 s (as r2)",
        "  train@r2   120 steps, 15 s (as r1)",
        "  together   600 rollouts, about 12,000 tokens, 120 optimiser steps, 45 s",
        "5 are reused: prepare; all of r1; resolve of r2",
    ]


def test_plan_text_kept_work_costs_nothing_and_unknown_work_is_said() -> None:
    kept = [replace(SPENDING[0], n_kept=1000), replace(SPENDING[1], n_kept=1)]
    assert "1,000 rollouts, 1,000 of them kept: nothing to generate" in plan_text(PLAN, kept)
    assert "nothing: a finished run of 120 steps, 15 s is kept" in plan_text(PLAN, kept)
    assert "together   0 rollouts, about 0 tokens, 0 optimiser steps, 0 s" in plan_text(PLAN, kept)
    unknown = [Spending("sample@r2", None, None), SPENDING[1]]
    assert "not known: nothing like it has run; `dast preflight` forecasts" in plan_text(PLAN, unknown)
    assert plan_text(PLAN, unknown).splitlines()[-2].endswith("15 s, and 1 stages of unknown cost")


def test_plan_json_says_the_same_to_scripts() -> None:
    found: Mapping[str, Any] = plan_json(PLAN, SPENDING)
    assert [item["stage"] for item in found["pending"]] == ["sample@r2", "train@r2"]
    assert found["pending"][0]["left"]["n_rollouts"] == 600
    assert found["pending"][0]["n_kept"] == 400
    assert found["left"] == {"n_rollouts": 600, "n_tokens": 12_000, "steps": 120, "seconds": 45.0}
    assert found["reused"] == ("prepare", "resolve@r1", "sample@r1", "train@r1", "resolve@r2")


def test_plan_nothing_pending_is_one_line() -> None:
    assert plan_text(Plan(), []) == "Everything is up to date."
    assert plan_json(Plan(), [])["pending"] == []
