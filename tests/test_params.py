"""Params: every fault at once, as section.key, before anything runs."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dast.errors import ParamsError
from dast.params.project import load_project, load_yaml, merge, parse_project
from dast.presets import compose

ROOT = Path(__file__).parent.parent
DEFAULT: dict[str, Any] = load_yaml(ROOT / "presets" / "default.yaml")


def changed(path: str, value: Any) -> dict[str, Any]:
    raw = copy.deepcopy(DEFAULT)
    here = raw
    *parents, last = path.split(".")
    for key in parents:
        here = here[key]
    here[last] = value
    return raw


def refusal(raw: dict[str, Any]) -> str:
    with pytest.raises(ParamsError) as caught:
        parse_project(raw, "params.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("defaults.sample.n_rollout", 4, "defaults.sample.n_rollout: unknown key"),
        ("defaults.sample.n_rollouts", "4", "defaults.sample.n_rollouts: Input should be a valid integer (got '4')"),
        ("defaults.sample.n_rollouts", -1, "defaults.sample.n_rollouts:"),
        (
            "defaults.sample.n_rollouts",
            9,
            "defaults: augment.budget.per_query 8 is less than sample.n_rollouts 9, which",
        ),
        ("defaults.nonsense", {}, "defaults.nonsense: unknown key"),
        ("defaults.difficulty.medium_from", 0.9, "medium_from 0.9 lies above easy_above 0.7"),
        ("defaults.difficulty.rule", "nearest", "defaults.difficulty.rule: Input should be 'point' or 'posterior'"),
        ("defaults.difficulty.prior.a", 0.0, "defaults.difficulty.prior.a: Input should be greater than or equal"),
        ("defaults.difficulty.decided_above", 1.0, "defaults.difficulty.decided_above: Input should be less than 1"),
        ("defaults.grading.timeout_s", 86_401.0, "defaults.grading.timeout_s: Input should be less than or equal"),
        ("defaults.evaluate.k", [1, 8], "k 8 is more than n_samples 4"),
        (
            "defaults.prompt.base",
            {"system": "s", "user": "{query}", "exemplars": [], "raw": True},
            "has no system message",
        ),
        ("defaults.generation.server.url", "http://me:word@host/v1", "defaults.generation.server.url:"),
        ("defaults.generation.ray.worker", 2, "defaults.generation.ray.worker: unknown key"),
        ("rounds.r2.policy", "r3", "rounds.r2.policy: r3 comes later or is unknown; use one of base, r1"),
        ("rounds.r1.init", "r2", "rounds.r1.init: r2 comes later"),
        ("rounds.r1.levels", "r2", "rounds.r1.levels: r2 comes later or is unknown; use one of r1"),
        ("rounds.r1.levels", "base", "rounds.r1.levels: base comes later or is unknown"),
        ("rounds.r1.method", "ppo", "rounds.r1.method:"),
        ("rounds.r1.override", {"evaluate": {"n_samples": 1}}, "rounds.r1.override.evaluate: cannot differ"),
        ("rounds.r1.override", {"sample": {"K": 1}}, "rounds.r1.override.sample.K: unknown key"),
        ("rounds.base", {}, "rounds.base.policy: missing"),
        ("extra", 1, "extra: unknown"),
    ],
)
def test_params_fault_named_by_section_and_key(path: str, value: Any, message: str) -> None:
    assert message in refusal(changed(path, value))


def test_params_missing_key_named() -> None:
    raw = copy.deepcopy(DEFAULT)
    del raw["defaults"]["sample"]["seed"]
    del raw["rounds"]["r1"]["levels"]
    message = refusal(raw)
    assert "2 faults" in message
    assert "defaults.sample.seed: missing" in message
    assert "rounds.r1.levels: missing" in message


def test_params_integer_round_name_refused() -> None:
    raw = copy.deepcopy(DEFAULT)
    raw["rounds"] = {1: raw["rounds"]["r1"]}
    assert "rounds.1: a round's name must be text such as r1" in refusal(raw)


def test_params_broken_yaml_refused_in_one_message(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("defaults: {a: [1\nrounds: {}")
    with pytest.raises(ParamsError, match="not valid YAML"):
        load_project(path)


@pytest.mark.parametrize(
    "value",
    ["2024-02-30", "!!int x", "!!bool x", "!!int ''", '"\\U99999999"', "9" * 5000, "[" * 3000, "{a: " * 3000],
    ids=lambda value: value[:12],
)
def test_params_value_that_yaml_cannot_resolve_is_one_message(tmp_path: Path, value: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"defaults: {value}\n")
    with pytest.raises(ParamsError, match=r"params\.yaml: not valid YAML: \w") as caught:
        load_project(path)
    assert "\n" not in str(caught.value)


def test_params_not_utf8_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(b"defaults: caf\xe9\n")
    with pytest.raises(ParamsError, match="not UTF-8 text"):
        load_project(tmp_path / "params.yaml")


def floats(raw: Any, path: str) -> Iterator[str]:
    if isinstance(raw, dict):
        for key, below in raw.items():
            yield from floats(below, f"{path}.{key}")
    elif isinstance(raw, float):
        yield path


@pytest.mark.parametrize("path", list(floats(DEFAULT["defaults"], "defaults")))
def test_params_infinite_number_is_refused(path: str) -> None:
    for value in (math.inf, -math.inf, math.nan):
        assert f"{path}: Input should be " in refusal(changed(path, value))


@pytest.mark.parametrize("name", ["base", "raw", "queries", "metrics", "report", "param", "changed", "Raw", "a.b"])
def test_params_round_name_that_stands_for_something_else_is_refused(name: str) -> None:
    raw = copy.deepcopy(DEFAULT)
    raw["rounds"] = {name: {**DEFAULT["rounds"]["r1"], "levels": name}}
    told = refusal(raw)
    assert f"rounds.{name}: not a usable name" in told
    assert "none of base, raw, queries, metrics, report, param, changed, which" in told


@pytest.mark.parametrize("path", ["/lustre/ada/q.jsonl", "../../ada/q.jsonl", "D:\\ada\\q.jsonl", "C:q.jsonl"])
def test_params_file_outside_the_raw_folder_is_refused(path: str) -> None:
    raw = compose(["gsm8k-recorded"], ROOT / "presets")
    raw["defaults"]["prepare"]["train"][0]["path"] = path
    raw["defaults"]["prepare"]["pool"]["path"] = path
    told = refusal(raw)
    assert "defaults.prepare.train.0.file.path: leads out of data/raw" in told
    assert f"defaults.prepare.pool: path {path} leads out of data/raw" in told
    assert "put the file, or a link to it, below data/raw" in told


def test_params_override_reaches_only_its_round() -> None:
    project = parse_project(changed("rounds.r2.override", {"sample": {"n_rollouts": 7}}), "params.yaml")
    assert project.settings_of("r2")["sample"]["n_rollouts"] == 7
    assert project.settings_of("r1")["sample"]["n_rollouts"] == DEFAULT["defaults"]["sample"]["n_rollouts"]
    assert project.settings_of("r2")["round"]["policy"] == "r1"


def test_merge_replaces_lists_and_keeps_the_rest() -> None:
    assert merge({"a": {"b": [1, 2], "c": 1}}, {"a": {"b": [3]}}) == {"a": {"b": [3], "c": 1}}
