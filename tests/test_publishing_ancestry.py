"""Which base a published model names, and how an adapter finds it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dast.errors import PublishError
from dast.policies.folder import write_policy
from dast.publishing.ancestry import ancestry_of
from dast.publishing.card import with_metadata
from dast.smallfiles import write_json
from tests.publishable import make_base

LICENCE = {"license": "other", "license_name": "sums"}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A base of the Hub, r1 trained from it, and r2 from r1."""
    make_base(tmp_path / "base")
    for name, parent in (("r1", "base"), ("r2", "r1")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        write_policy(tmp_path / name, name=name, kind="trained", parent=parent, method="sft")
    return tmp_path


def make_adapter(folder: Path, base: str) -> None:
    folder.mkdir()
    write_json(folder / "adapter_config.json", {"r": 8, "base_model_name_or_path": f"models/{base}"})
    write_policy(folder, name=folder.name, kind="trained", parent="r1", method="sft")


def test_ancestry_is_followed_to_the_base_with_its_licence(models: Path) -> None:
    stated = {"base_model": "ada/small", "base_model_relation": "finetune", **LICENCE}
    assert [dict(ancestry_of(models / name).stated) for name in ("r1", "r2")] == [stated, stated]
    assert not ancestry_of(models / "r2").instead


@pytest.mark.parametrize(
    "card", [None, "no metadata\n---\nlicense: mit\n---\n", "---\n: [\n---\n", "---\n- a\n---\n", "---"]
)
def test_ancestry_of_a_base_without_a_stated_licence_states_none(models: Path, card: str | None) -> None:
    (models / "base" / "README.md").unlink()
    if card is not None:
        (models / "base" / "README.md").write_text(card)
    assert list(ancestry_of(models / "r1").stated) == ["base_model", "base_model_relation"]


def test_ancestry_adapter_names_its_base_on_the_hub(models: Path) -> None:
    make_adapter(models / "r3", "base")
    found = ancestry_of(models / "r3")
    assert found.stated == {"base_model": "ada/small", "base_model_relation": "adapter", **LICENCE}
    assert json.loads(found.instead["adapter_config.json"]) == {
        "base_model_name_or_path": "ada/small",
        "r": 8,
        "revision": "c" * 40,
    }
    assert "models/base" in (models / "r3" / "adapter_config.json").read_text()


def test_ancestry_adapter_over_a_model_of_this_line_is_refused(models: Path) -> None:
    make_adapter(models / "r3", "r1")
    with pytest.raises(PublishError, match=r"an adapter over r1, which is not on the Hub.*train\.lora\.merge"):
        ancestry_of(models / "r3")


def test_ancestry_of_a_base_made_here_names_nothing(models: Path) -> None:
    write_policy(models / "base", name="base", kind="tiny")
    assert not ancestry_of(models / "r2").stated


def test_ancestry_without_its_ancestor_says_how_to_have_it(models: Path) -> None:
    (models / "r1" / "policy.json").unlink()
    with pytest.raises(PublishError, match=r"r1: not here.*dvc pull"):
        ancestry_of(models / "r2")


def test_metadata_goes_to_the_end_of_what_is_there() -> None:
    assert with_metadata("---\na: 1\n---\n# T\n---\n", {"b": 2}) == "---\na: 1\nb: 2\n---\n# T\n---\n"
    assert with_metadata("# T\n", {"b": 2}) == "---\nb: 2\n---\n\n# T\n"
    assert with_metadata("# T\n", {}) == "# T\n"
