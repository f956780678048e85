"""Adapters: what is saved, that a round goes on from one, and what is refused; those that train need peft."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from dast.engines.adapters import read_adapter
from dast.errors import EngineError, ModelError
from dast.params.train import Lora
from dast.policies.folder import fingerprint, write_policy
from dast.smallfiles import write_json
from dast.training.loop import train_model
from dast.training.runs import find_run, finish_run
from tests.full import need
from tests.test_training import QUERY, dpo_rows, settings, sft_rows
from tests.tiny_models import save_tiny_model


def lora(rank: int = 4, *, merge: bool = False) -> Lora:
    return Lora(rank=rank, alpha=8.0, dropout=0.0, targets=None, quantized=False, merge=merge)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_tiny_model(tmp_path_factory.mktemp("models") / "base")
    write_policy(folder, name="base", kind="tiny")
    return folder


def logits(folder: Path) -> torch.Tensor:
    adapter = read_adapter(folder)
    model = AutoModelForCausalLM.from_pretrained(adapter.base if adapter else folder)
    if adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, folder)
    with torch.no_grad():
        return model(**AutoTokenizer.from_pretrained(folder)(QUERY, return_tensors="pt")).logits


@pytest.mark.full
def test_lora_adapter_is_the_rounds_model_and_the_next_round_goes_on_from_it(start: Path, tmp_path: Path) -> None:
    need("peft")
    first = train_model(sft_rows(), "sft", start, settings(lora=lora()), tmp_path / "r1")
    assert first.curve[-1]["loss"] < first.curve[0]["loss"]
    adapter = read_adapter(tmp_path / "r1")
    assert adapter is not None
    assert (adapter.base, adapter.rank) == (start, 4)
    assert not (tmp_path / "r1/model.safetensors").exists()
    assert not (tmp_path / "r1/README.md").exists()
    write_policy(tmp_path / "r1", name="r1", kind="trained", parent="base", method="sft")
    fingerprint(tmp_path / "r1")

    plain = settings(lora=lora(), dpo=settings().dpo.model_copy(update={"nll_weight": 0.0}))
    second = train_model(dpo_rows(), "dpo", tmp_path / "r1", plain, tmp_path / "r2")
    assert second.curve[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)  # the reference is r1, not the base
    from_base = train_model(dpo_rows(), "dpo", start, plain, tmp_path / "other")
    assert second.curve[0]["logps_chosen"] > from_base.curve[0]["logps_chosen"] + 1
    assert second.curve[-1]["reward_accuracy"] == 1.0
    again = read_adapter(tmp_path / "r2")
    assert again is not None
    assert again.base == start
    assert {path.name for path in (tmp_path / "r2").iterdir() if path.is_dir()} == set()


@pytest.mark.full
@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_lora_merged_is_a_whole_model_that_says_the_same(start: Path, tmp_path: Path, method: str) -> None:
    need("peft")
    rows = sft_rows() if method == "sft" else dpo_rows()
    for name, merge in (("adapter", False), ("whole", True)):
        train_model(rows, "sft" if method == "sft" else "dpo", start, settings(lora=lora(merge=merge)), tmp_path / name)
    assert read_adapter(tmp_path / "whole") is None
    assert torch.allclose(logits(tmp_path / "whole"), logits(tmp_path / "adapter"), atol=1e-4)
    assert not torch.allclose(logits(tmp_path / "whole"), logits(start), atol=1e-2)


@pytest.mark.full
def test_lora_run_that_is_kept_is_copied(start: Path, tmp_path: Path) -> None:
    need("peft")
    run = find_run(dpo_rows(), "dpo", start, settings(lora=lora(), checkpoint_steps=5), tmp_path)
    finish_run(run, tmp_path / "a")
    finish_run(run, tmp_path / "b")
    weights = [(tmp_path / name / "adapter_model.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]


@pytest.mark.skipif(importlib.util.find_spec("peft") is not None, reason="peft is installed")
def test_lora_without_peft_refused(start: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"train.lora: peft is not installed; pip install peft"):
        train_model(sft_rows(), "sft", start, settings(lora=lora()), tmp_path / "m")


def test_adapter_to_start_from_without_lora_refused(start: Path, tmp_path: Path) -> None:
    write_json(tmp_path / "r1/adapter_config.json", {"r": 4, "base_model_name_or_path": str(start)})
    AutoTokenizer.from_pretrained(start).save_pretrained(tmp_path / "r1")
    with pytest.raises(ModelError, match=r"r1: an adapter; set train.lora to train it on"):
        train_model(sft_rows(), "sft", tmp_path / "r1", settings(), tmp_path / "m")
