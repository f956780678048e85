"""A package loads by `datasets` as it is, equals its tables, and never holds a test query to train on."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from ruamel.yaml import YAML

from dast import tables
from dast.errors import DataError, TableError
from dast.packaging.facts import Recipe
from dast.packaging.folder import CONFIGS, features_of, refuse_test_queries, union, write_package
from dast.packaging.glossary import CONFIGS as MEANING_OF
from dast.packaging.glossary import meanings
from dast.params.project import load_project
from dast.params.writing import yaml_text
from dast.prompts import completion
from dast.smallfiles import write_csv, write_json
from stages import package
from tests.makers import ROOT, default_settings

Loader = Callable[[Path, str], Any]


ASKED = [{"role": "user", "content": "What is 1 + 1?"}]


def query(index: int, licence: str = "MIT") -> dict[str, Any]:
    return {
        "query_id": f"q{index}",
        "source": "made",
        "query": f"What is {index} + 1?",
        "answer": str(index + 1),
        "solution": None,
        "source_level": None,
        "licence": licence,
    }


def rollout(index: int, number: int, step: str = "sample", verdict: str = "correct") -> dict[str, Any]:
    return {
        "query_id": f"q{index}",
        "rollout_id": f"{step}-{number}",
        "step": step,
        "sample_index": number,
        "prompt_digest": "p",
        "settings_digest": "s",
        "policy": "base",
        "response": "It is 2.",
        "n_prompt_tokens": 5,
        "n_tokens": 4,
        "n_hint_tokens": 0,
        "finish_reason": "stop",
        "predicted": "2",
        "verdict": verdict,
        "reason": None,
    }


def sft_row(index: int, number: int) -> dict[str, Any]:
    return {
        "query_id": f"q{index}",
        "rollout_id": f"sample-{number}",
        "level": "easy",
        "round": "r1",
        "origin": "self",
        "n_alike": 1,
        "prompt": ASKED,
        "completion": completion("It is 2."),
    }


def rows_of_configs(n_rows: int = 5) -> dict[str, pl.DataFrame]:
    """Rows of every config; dpo, unsolved and suspects are empty."""
    level = {"level": "easy"}
    filled: dict[str, list[dict[str, Any]]] = {
        "sft": [sft_row(1, number) for number in range(n_rows)],
        "queries": [query(1), query(2, "CC-BY-4.0")],
        "rollouts": [rollout(1, 0), rollout(2, 0, verdict="incorrect"), rollout(1, 0, "more")],
        "prompts": [{"prompt_digest": "p", "messages": ASKED}],
        "settings": [{"settings_digest": "s", "settings": '{"temperature": 0.7}'}],
        "difficulty": [
            {
                "query_id": "q1",
                "n_graded": 1,
                "n_correct": 1,
                "pass_rate": 1.0,
                "pass_rate_mean": 0.7,
                "pass_rate_low": 0.2,
                "pass_rate_high": 1.0,
                **level,
                "decided": False,
            },
            {"query_id": "q2", "n_graded": 0, "n_correct": 0},
        ],
        "allocation": [
            {
                "query_id": "q1",
                **level,
                "wanted": 1,
                "cap": 8,
                "spent": 2,
                "spent_tokens": 9,
                "got": 2,
                "outcome": "quota_met",
            },
            {
                "query_id": "q2",
                "level": None,
                "wanted": 0,
                "cap": 8,
                "spent": 1,
                "spent_tokens": 5,
                "got": 0,
                "outcome": "not_wanted",
            },
        ],
    }
    whole = {
        config: [dict.fromkeys(table.schema) | row for row in filled.get(config, [])]
        for config, table in CONFIGS.items()
    }
    return {config: tables.frame(table, whole[config]) for config, table in CONFIGS.items()}


def held_row(text: str) -> dict[str, Any]:
    return {**query(9), "query_id": "t", "query": text, "test_set": "held", "domain": "in"}


def run_stage(folder: Path, rows: dict[str, pl.DataFrame], tests: list[dict[str, Any]]) -> Path:
    """Writes every input of the stage below `folder`, runs it, and gives the package's folder."""
    paths = {
        name: folder / f"{name}.parquet" for name in (*CONFIGS, "pool", "graded", "augmented", "augmented_prompts")
    }
    paths |= {"augmented_settings": folder / "augmented_settings.parquet"}
    del paths["rollouts"]
    parts = {
        **{name: (CONFIGS[name], rows[name]) for name in CONFIGS if name != "rollouts"},
        "graded": (tables.GRADED, rows["rollouts"].filter(pl.col("step") == "sample")),
        "augmented": (tables.GRADED, rows["rollouts"].filter(pl.col("step") != "sample")),
        "augmented_prompts": (tables.PROMPTS, rows["prompts"]),
        "augmented_settings": (tables.SETTINGS, rows["settings"]),
        "pool": (tables.POOL, tables.frame(tables.POOL, [])),
    }
    for name, (table, part) in parts.items():
        tables.write(table, part, paths[name])
    (folder / "tests").mkdir(exist_ok=True)
    if tests:
        tables.write(tables.TEST_QUERIES, tables.frame(tables.TEST_QUERIES, tests), folder / "tests" / "held.parquet")
    resolved = load_project(ROOT / "presets" / "default.yaml").settings_of("r1")
    (folder / "params.yaml").write_text(yaml_text(resolved), encoding="utf-8")
    write_json(folder / "difficulty.json", {"agreement_rate": 0.975})
    build = [{"level": "easy", "n_self": 5, "n_reference": 0, "n_pairs": 0, "mean_chars": 8.0, "lucky_rate": 0.25}]
    write_csv(folder / "build.csv", build)
    package.main(
        **{"params": folder / "params.yaml", "round_name": "r1", "policy": "base", "levels": "r1", **paths},
        tests=folder / "tests",
        hub=folder / "hub",
        metrics=folder / "package.json",
        score_metrics=folder / "difficulty.json",
        build_plot=folder / "build.csv",
    )
    return folder / "hub"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Loader:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    datasets.disable_progress_bars()
    return lambda folder, config: datasets.load_dataset(
        str(folder), config, split="train", cache_dir=str(tmp_path / "cache")
    )


def test_package_every_filled_config_loads_and_equals_its_table(tmp_path: Path, load: Loader) -> None:
    rows = rows_of_configs()
    hub = run_stage(tmp_path, rows, [])
    for config, table in CONFIGS.items():
        if rows[config].height:
            loaded = load(hub, config)
            assert loaded.features == features_of(table), config
            assert loaded.to_list() == rows[config].sort(table.key).to_dicts(), config


def test_package_several_files_load_as_one_split(tmp_path: Path, load: Loader) -> None:
    rows = rows_of_configs(5)
    write_package(rows, "---\nconfigs: [{config_name: sft, data_files: sft/*.parquet}]\n---\n", tmp_path / "hub", 2)
    assert len(list((tmp_path / "hub" / "sft").iterdir())) == 3
    assert load(tmp_path / "hub", "sft").to_list() == rows["sft"].to_dicts()


def test_package_empty_table_is_no_config_but_keeps_its_file_and_columns(tmp_path: Path) -> None:
    from datasets import get_dataset_config_names

    hub = run_stage(tmp_path, rows_of_configs(), [])
    assert set(get_dataset_config_names(str(hub))) == set(CONFIGS) - {"dpo", "unsolved", "suspects"}
    empty = pl.read_parquet(hub / "dpo" / "train-00000-of-00001.parquet")
    assert empty.columns == list(tables.DPO.schema)
    assert empty.height == 0


def test_package_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    rows = rows_of_configs()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    shuffled = {config: part.reverse() for config, part in rows.items()}
    assert contents(run_stage(tmp_path / "a", rows, [])) == contents(run_stage(tmp_path / "b", shuffled, []))


def test_package_test_query_to_train_on_is_refused_by_normalised_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sft: 1 queries also stand in a test set, such as q1 in held"):
        run_stage(tmp_path, rows_of_configs(), [held_row("  what is 1 + 1? ".replace("w", "W"))])
    assert not (tmp_path / "hub").exists()


def test_package_test_query_that_is_not_trained_on_passes(tmp_path: Path) -> None:
    hub = run_stage(tmp_path, rows_of_configs(), [held_row("What is 2 + 1?")])
    assert "held (1)" in (hub / "README.md").read_text(encoding="utf-8")


def test_refusal_row_without_training_query_is_named() -> None:
    rows = rows_of_configs()
    with pytest.raises(DataError, match=r"sft: 1 queries are no training queries, such as q1"):
        refuse_test_queries(rows["queries"].filter(query_id="q2"), tables.frame(tables.TEST_QUERIES, []), rows)


def test_union_two_rows_of_one_key_are_refused() -> None:
    first, second = (
        tables.frame(tables.GRADED, [rollout(1, 0, verdict=verdict)]) for verdict in ("correct", "incorrect")
    )
    assert union(tables.GRADED, first, first).height == 1
    with pytest.raises(TableError, match="two different rows"):
        union(tables.GRADED, first, second)


def test_card_front_matter_names_licences_size_and_default(tmp_path: Path) -> None:
    text = (run_stage(tmp_path, rows_of_configs(), []) / "README.md").read_text(encoding="utf-8")
    front = YAML(typ="safe").load(text.split("---\n")[1])
    assert front["license"] == ["cc-by-4.0", "mit"]
    assert front["size_categories"] == ["n<1K"]
    assert [config["config_name"] for config in front["configs"] if config.get("default")] == ["sft"]


def test_card_states_prompt_luck_agreement_and_command(tmp_path: Path) -> None:
    text = (run_stage(tmp_path, rows_of_configs(), []) / "README.md").read_text(encoding="utf-8")
    for said in (
        "```text\n{query}\n```",
        "kept sampled responses: 25.0 %",
        "97.5 %",
        "dvc repro package@r1",
        "2503.09029",
    ):
        assert said in text, said
    assert "A demonstration" not in text


def test_metrics_count_every_config(tmp_path: Path) -> None:
    run_stage(tmp_path, rows_of_configs(), [])
    counts = json.loads((tmp_path / "package.json").read_text(encoding="utf-8"))
    assert (counts["n_sft"], counts["n_rollouts"], counts["n_dpo"], counts["n_files"]) == (5, 3, 0, len(CONFIGS) + 1)


def test_glossary_describes_every_config_and_column() -> None:
    assert list(MEANING_OF) == list(CONFIGS)
    assert all(meanings(config, table) for config, table in CONFIGS.items())


def test_package_stage_starts_without_torch() -> None:
    code = "import sys, stages.package; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_recipe_local_model_is_named_without_its_folder() -> None:
    settings = default_settings()
    local = settings.bootstrap.model_copy(update={"kind": "local", "source": "/home/somebody/model", "digest": "abc"})
    recipe = Recipe(**{**{name: getattr(settings, name) for name in Recipe.__annotations__}, "bootstrap": local})
    assert recipe.plain()["bootstrap"]["source"] is None
    assert recipe.plain()["bootstrap"]["digest"] == "abc"
