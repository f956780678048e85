"""The card says what the package holds and how it was made, in Markdown and YAML that the Hub takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from dast import frames, tables
from dast.packaging import pictures
from dast.packaging.card import RESULTS
from dast.packaging.facts import Recipe
from dast.packaging.metadata import faults, size_category
from dast.packaging.provenance import PROVENANCE
from tests.makers import default_settings
from tests.packages import card_of, pair_row, rows_of_configs, run_stage


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = {**rows_of_configs(), "dpo": frames.frame(tables.DPO, [pair_row(1)])}
    return run_stage(tmp_path_factory.mktemp("package"), rows, [])


def front(text: str) -> dict[str, Any]:
    return dict(YAML(typ="safe").load(text.split("---\n")[1]))


def test_card_front_matter_names_licences_size_and_default(hub: Path) -> None:
    said = front(card_of(hub))
    assert said["license"] == ["cc-by-4.0", "mit"]
    assert (said["size_categories"], said["source_datasets"], said["language"]) == (["n<1K"], ["original"], ["en"])
    assert [config["config_name"] for config in said["configs"] if config.get("default")] == ["sft"]


def test_card_is_read_by_the_hubs_own_client_and_is_valid(hub: Path) -> None:
    from huggingface_hub import DatasetCard

    card = DatasetCard.load(hub / "README.md")
    assert card.data.to_dict()["pretty_name"].startswith("Tiny")
    assert faults(card.data.to_dict()) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"license": "Apache 2.0"}, "license: Apache 2.0 is none"),
        ({"size_categories": ["1068"]}, "size_categories: 1068 is none"),
        ({"task_categories": ["maths"]}, "task_categories: maths is none"),
        ({"language": ["English"]}, "language: 'English' has not its form"),
        ({"source_datasets": ["from the web"]}, "source_datasets: 'from the web' has not its form"),
        ({"pretty_name": " "}, "pretty_name: empty"),
        ({"tags": [1]}, "tags: 1 is no text"),
        ({"tags": []}, "tags: missing"),
        ({"configs": [{"config_name": "a", "data_files": [{"split": "r-1", "path": "/a"}]}] * 2}, "a stands twice"),
        ({"configs": [{"config_name": "a", "data_files": [{"split": "r-1", "path": "a"}]}]}, "a.split: 'r-1' has not"),
        ({"configs": [{"config_name": "a", "data_files": [{"split": "r1", "path": "/a"}]}]}, "a.path: '/a' has not"),
    ],
)
def test_card_front_matter_that_the_hub_would_refuse_is_found(hub: Path, changed: dict[str, Any], said: str) -> None:
    assert any(said in fault for fault in faults({**front(card_of(hub)), **changed}))


@pytest.mark.parametrize(("n_rows", "name"), [(0, "n<1K"), (1000, "1K<n<10K"), (10**6, "1M<n<10M"), (10**13, "n>1T")])
def test_size_category_has_the_hubs_names(n_rows: int, name: str) -> None:
    assert size_category(n_rows) == name


def test_card_states_what_the_line_knows(hub: Path) -> None:
    text = card_of(hub)
    for said in (
        "user:\n{query}",
        "kept sampled responses: 25.0 %",
        "pool's own labels: 97.5 %",
        "8 of 9 different pairs of reference and final answer, and disagrees on 1",
        "Math-Verify and SymPy (dast",
        "easy 1, medium 4, hard 4, unsolved 4",
        "8 rollouts a query on average, 16 in all",
        "3 queries that no plain rollout had solved",
        "incorrect 7",
        "In plain words",
        "dvc repro package@r1",
        "the built-in generator, seed 1",
        "2503.09029",
    ):
        assert said in text, said
    assert "A demonstration" not in text
    assert "Audit of the grades of further" not in text  # the fake's has no pair


def test_card_has_one_marked_place_for_what_comes_later(hub: Path) -> None:
    assert [card_of(hub).count(mark) for mark in (PROVENANCE, RESULTS)] == [1, 1]


def test_card_loads_every_config_and_shows_every_picture_that_is_there(hub: Path) -> None:
    text = card_of(hub)
    configs = [config["config_name"] for config in front(text)["configs"]]
    assert re.findall(r'load_dataset\(repository, "(\w+)", split="train"\)', text) == configs
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert sorted(shown) == sorted(path.relative_to(hub).as_posix() for path in hub.glob("figures/*"))
    assert len(shown) == 4
    assert all((hub / path).read_bytes().startswith(b"\x89PNG") for path in shown)


def test_card_load_snippet_runs(hub: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    datasets.disable_progress_bars()
    code = re.search(r"```python\n(from datasets.*?)```", card_of(hub), re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1].replace("USER/NAME", str(hub)), names)
    assert (names["sft"].num_rows, names["dpo"].num_rows) == (5, 1)


def test_card_inputs_are_named_by_their_digests(hub: Path) -> None:
    import hashlib

    digest = hashlib.sha256((hub.parent / "queries.parquet").read_bytes()).hexdigest()
    assert f"| `queries` | 2 | `{digest}` |" in card_of(hub)


def test_card_columns_have_type_and_meaning(hub: Path) -> None:
    text = card_of(hub)
    assert "| `origin` | string | `self` where the chosen response is the policy's" in text
    assert "| `prompt` | list of {role, content} | What the model is asked" in text


def test_card_asked_mix_stands_beside_the_got_one(hub: Path) -> None:
    assert "| easy | 50.0 % | 50.0 % | 100.0 % | 100.0 % |" in card_of(hub)


def test_recipe_local_model_and_server_are_named_without_their_place() -> None:
    settings = default_settings()
    local = settings.bootstrap.model_copy(update={"kind": "local", "source": "/home/somebody/model", "digest": "abc"})
    recipe = Recipe(**{**{name: getattr(settings, name) for name in Recipe.__annotations__}, "bootstrap": local})
    assert recipe.plain()["bootstrap"]["source"] is None
    assert recipe.plain()["bootstrap"]["digest"] == "abc"
    assert recipe.plain()["generation"]["server"]["url"] is None


def test_pictures_equal_counts_give_equal_bytes_and_nothing_gives_none() -> None:
    amounts = [{"level": "easy", "kind": kind, "amount": 3} for kind in ("wanted", "spent", "got")]
    first, again = pictures.allocation_picture(amounts), pictures.allocation_picture(amounts)
    assert first is not None
    assert first == again
    assert pictures.allocation_picture([{**row, "amount": 4} for row in amounts]) != first
    assert pictures.allocation_picture([]) is None
    assert pictures.lengths_picture([], "tokens") is None


def test_pictures_do_not_depend_on_the_machines_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = [{"level": "easy", "n_queries": 3, "label": "3"}]
    before = pictures.difficulty_picture(counts, [])
    monkeypatch.setenv("FONTCONFIG_FILE", "/nowhere/fonts.conf")
    assert pictures.difficulty_picture(counts, []) == before
