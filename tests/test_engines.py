"""Which engine is opened, and what an adapter's folder says."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import Any

import pytest

from dast.engines.adapters import Adapter, read_adapter, tokenizer_folder
from dast.engines.choose import open_engine, resolve_name, resolved
from dast.engines.transformers import TransformersEngine
from dast.errors import EngineError, ModelError
from dast.samplers import text_settings
from dast.smallfiles import write_json
from tests.makers import default_settings
from tests.tiny_models import save_tiny_model

GENERATION = default_settings().generation


def generation(**changes: Any) -> Any:
    return GENERATION.model_copy(update=changes)


def installed(monkeypatch: pytest.MonkeyPatch, **present: bool) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: (find("json") if present[name] else None) if name in present else find(name),
    )


@pytest.mark.parametrize(
    ("vllm", "gpu", "engine", "reason"),
    [
        (True, True, "vllm", "on a GPU"),
        (True, False, "transformers", "no GPU"),
        (False, True, "transformers", "vllm is not installed"),
    ],
)
def test_auto_picks_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, vllm: bool, gpu: bool, engine: str, reason: str
) -> None:
    caplog.set_level(logging.INFO)
    installed(monkeypatch, vllm=vllm)
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
    assert resolve_name("auto") == engine
    assert f"auto: {engine}" in caplog.text
    assert reason in caplog.text


@pytest.mark.parametrize(
    ("vllm", "gpus", "engine"), [(True, 1.0, "vllm"), (True, 0.0, "transformers"), (False, 1.0, "transformers")]
)
def test_auto_of_rays_workers_is_named_in_what_rollouts_are_kept_under(
    monkeypatch: pytest.MonkeyPatch, vllm: bool, gpus: float, engine: str
) -> None:
    installed(monkeypatch, vllm=vllm)
    pool = generation().ray.model_copy(update={"engine": "auto", "gpus_per_worker": gpus})
    chosen = resolved(generation(engine="ray").model_copy(update={"ray": pool}))
    assert text_settings(chosen, "f")["ray.engine"] == engine
    named = pool.model_copy(update={"engine": "vllm"})
    assert resolved(chosen.model_copy(update={"ray": named})).ray.engine == "vllm"


@pytest.mark.parametrize("name", ["vllm", "ray"])
def test_engine_that_is_not_installed_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    installed(monkeypatch, vllm=False, ray=False)
    with pytest.raises(EngineError, match=f"pip install {name}") as caught:
        open_engine(generation(engine=name), Path("models/base"), None)
    assert "\n" not in str(caught.value)


def adapter(folder: Path, **config: Any) -> Path:
    content = {"peft_type": "LORA", "r": 8, "rank_pattern": {}, "base_model_name_or_path": "models/base", **config}
    write_json(folder / "adapter_config.json", content)
    return folder


def test_adapter_base_is_found_beside_the_adapter_then_from_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "models" / "base" / "config.json", {})
    beside = adapter(tmp_path / "models" / "r1", rank_pattern={"q_proj": 24})
    assert read_adapter(beside) == Adapter(beside, tmp_path / "models" / "base", 24)
    elsewhere = adapter(tmp_path / "other" / "r1")
    assert read_adapter(elsewhere) == Adapter(elsewhere, Path("models/base"), 8)
    named = adapter(tmp_path / "models" / "r2", base_model_name_or_path=str(tmp_path / "models" / "base"))
    assert read_adapter(named) == Adapter(named, tmp_path / "models" / "base", 8)
    assert read_adapter(tmp_path / "models" / "base") is None


def test_adapter_tokenizer_is_its_own_or_its_bases(tmp_path: Path) -> None:
    write_json(tmp_path / "base" / "config.json", {})
    folder = adapter(tmp_path / "r1")
    found = read_adapter(folder)
    assert tokenizer_folder(folder, found) == tmp_path / "base"
    write_json(folder / "tokenizer_config.json", {})
    assert tokenizer_folder(folder, found) == folder
    assert tokenizer_folder(tmp_path / "base", None) == tmp_path / "base"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"base_model_name_or_path": "Some/Hub-Model"}, "no model folder Some/Hub-Model"),
        ({"base_model_name_or_path": None}, "no model folder None"),
        ({"r": None}, "only LoRA"),
        ({"r": 0}, "only LoRA"),
    ],
)
def test_adapter_without_base_or_rank_refused(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    write_json(tmp_path / "base" / "config.json", {})
    with pytest.raises(ModelError, match=message) as caught:
        read_adapter(adapter(tmp_path / "r1", **config))
    assert "\n" not in str(caught.value)


def test_adapter_config_that_is_no_json_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        read_adapter(tmp_path)


def test_transformers_adapter_without_peft_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_tiny_model(tmp_path / "base")
    installed(monkeypatch, peft=False)
    with pytest.raises(EngineError, match="pip install peft"):
        TransformersEngine(GENERATION, adapter(tmp_path / "r1"))
