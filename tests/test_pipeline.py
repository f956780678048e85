"""The wiring of dvc.yaml, held against the code, without running anything."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from dast.params.project import load_project
from dast.params.sections import Settings, Train
from tests.wiring import ROOT, closure, code_deps, imports_of, module_path, sections_read

ORDER = (
    *("errors", "dvc", "git", "params", "tables", "frames", "smallfiles", "entry", "progress"),
    *("boxsides", "boxes", "statements", "answers", "equivalence", "grading", "audit", "references", "queries"),
    *("tiny", "engines", "prompts", "sources", "policies"),
    *("samplers", "store", "generating", "supply", "rollouts", "recording", "ledger"),
    *("difficulty", "suspects", "measures", "specimens"),
    *("allocation", "alike", "contamination", "exemplars", "leaks", "hints", "augmentation", "building"),
    *("training", "intervals", "evaluation", "accuracy", "comparison", "markdown", "packaging", "report"),
    *("publishing", "tracing"),
    *(
        "poolgrading",
        "grade_command",
        "planning",
        "rounds",
        "diff",
        "preflight",
        "presets",
        "named",
        "storecommand",
        "trainingcommand",
        "publishcommand",
        "tracecommand",
        "cli",
    ),
)
"""Modules and sub-packages of `dast`: each imports only what stands left of it, so there can be no circle."""

PIPELINE: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())
STAGES: dict[str, dict[str, Any]] = {name: stage.get("do", stage) for name, stage in PIPELINE["stages"].items()}


def paths(entries: list[Any]) -> list[str]:
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def declared(stage: str) -> list[str]:
    about = STAGES[stage]
    return [path for key in ("deps", "outs", "metrics", "plots") for path in paths(about.get(key, []))]


def test_stages_scripts_equal_pipeline() -> None:
    scripts = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__"}
    assert scripts == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_stage_command_names_declared_paths(stage: str) -> None:
    named = set(re.findall(r"(?:data|models|\.dvc)/\S+", STAGES[stage]["cmd"]))
    code = {path for path in declared(stage) if path.startswith(("dast/", "stages/"))}
    order_only = {path for path in paths(STAGES[stage].get("deps", [])) if path.endswith("/gate.json")}
    params = {path for entry in STAGES[stage].get("params", []) for path in entry if path != "params.yaml"}
    assert named - params == set(declared(stage)) - code - order_only


@pytest.mark.parametrize("stage", STAGES)
def test_stage_code_deps_equal_import_closure(stage: str) -> None:
    listed = sorted(path for path in declared(stage) if path.startswith(("dast/", "stages/")))
    assert listed == code_deps(stage), "declare in dvc.yaml:\n" + "\n".join(f"- {path}" for path in code_deps(stage))


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "resolve"])
def test_stage_sections_read_equal_sections_tracked(stage: str) -> None:
    tracked = {
        section.removeprefix("defaults.").partition(".")[0]
        for entry in STAGES[stage].get("params", [])
        for sections in entry.values()
        for section in sections
    }
    assert sections_read(stage) == tracked


def test_train_tracks_its_own_method_and_everything_shared() -> None:
    (tracked,) = (keys for entry in STAGES["train"]["params"] for keys in entry.values())
    shared = {f"train.{name}" for name in Train.model_fields} - {"train.sft", "train.dpo"}
    assert set(tracked) == shared | {"train.${item.method}", "prompt.tuned.raw"}


def upstream(stage: str, rounds: dict[str, Any]) -> set[str]:
    """Every path that a stage such as `package@r2` needs, through whatever stages make it."""

    def filled(path: str, name: str) -> str:
        about = {**rounds.get(name, {}), "name": name}
        return re.sub(r"\$\{(?:item\.)?(\w+)\}", lambda hit: str(about["name" if hit[1] == "key" else hit[1]]), path)

    def of(stage: str, name: str, keys: tuple[str, ...]) -> set[str]:
        return {filled(path, name) for key in keys for path in paths(STAGES[stage].get(key, []))}

    instances = [
        (stage, name) for stage in STAGES for name in (rounds if "foreach" in PIPELINE["stages"][stage] else [""])
    ]
    makers = {path: instance for instance in instances for path in of(*instance, ("outs", "metrics", "plots"))}
    needed: set[str] = set()
    todo = [tuple(stage.split("@"))]
    while todo:
        deps = of(*todo.pop(), ("deps",)) - needed
        needed |= deps
        todo += {makers[path] for path in deps if path in makers}
    return needed


def test_package_never_depends_on_the_model_that_its_own_round_trains() -> None:
    rounds = {name: dict(about) for name, about in load_project(ROOT / "params.yaml").raw["rounds"].items()}
    for name, about in rounds.items():
        needed = upstream(f"package@{name}", rounds)
        assert not {path for path in needed if path.startswith((f"models/{name}", f"data/{name}/test_graded"))}
        assert f"models/{about['policy']}" in needed  # through sampling: what is looked through reaches models at all


def test_sections_every_one_is_read_by_a_stage() -> None:
    assert {section for stage in STAGES for section in sections_read(stage)} >= set(Settings.model_fields)


def test_modules_import_only_what_stands_left() -> None:
    faults = []
    for path in sorted((ROOT / "dast").rglob("*.py")):
        own = path.relative_to(ROOT / "dast").parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        for name in imports_of(path):
            other = name.split(".")[1] if "." in name else own
            if other != own and ORDER.index(other) > ORDER.index(own):
                faults.append(f"{path.relative_to(ROOT)} imports {name}")
            if name.startswith("stages"):
                faults.append(f"{path.relative_to(ROOT)} imports a stage")
    assert not faults


def test_modules_all_stand_in_the_order() -> None:
    names = {path.name.removesuffix(".py") for path in (ROOT / "dast").iterdir()} - {"__init__", "__pycache__"}
    assert names == set(ORDER)


def test_subpackages_have_no_circle() -> None:
    for path in (ROOT / "dast").rglob("*.py"):
        for name in imports_of(path):
            target = module_path(name)
            assert target is not None
            assert path == target or path.name == "__init__.py" or path not in closure(target), f"{path} ↔ {target}"


@pytest.mark.parametrize("stage", ["prepare", "resolve", "score", "build", "gate", "observe", "package", "report"])
def test_light_stage_reaches_no_heavy_import_at_the_top(stage: str) -> None:
    for path in closure_at_top(ROOT / "stages" / f"{stage}.py"):
        top = {
            line.split()[1].split(".")[0]
            for line in path.read_text().splitlines()
            if line.startswith(("import ", "from "))
        }
        assert not top & {"torch", "transformers", "trl", "vllm", "ray"}, path


def closure_at_top(path: Path) -> set[Path]:
    seen, todo = set(), [path]
    while todo:
        here = todo.pop()
        if here in seen:
            continue
        seen.add(here)
        lines = [line for line in here.read_text().splitlines() if not line.startswith(" ")]
        for name in imports_of(here):
            target = module_path(name)
            if target and any(name in line or name.rpartition(".")[0] in line for line in lines):
                todo.append(target)
    return seen


def test_params_shipped_equal_the_default_preset() -> None:
    assert (ROOT / "params.yaml").read_text() == (ROOT / "presets" / "default.yaml").read_text()
    assert load_project(ROOT / "params.yaml").rounds
