"""LoRA by peft: the adapter that a run trains, and what of it is saved.

Guarantees: a run that starts from an adapter goes on training that adapter over the same base, so a round's adapter
never stands on another; for preferences the reference is the adapter as it was. peft is imported only where an adapter
is asked for. Grain: one training run.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from dast.engines.adapters import read_adapter
from dast.errors import EngineError, ModelError
from dast.params.train import Lora

_TRAINED = "default"
"""peft's name of the adapter that is trained; TRL's reference is another beside it."""


@dataclass(frozen=True)
class Beginning:
    """What a trainer is given: a whole model's path, or an adapter over its base; and what it adds to it."""

    model: str | torch.nn.Module
    extras: dict[str, Any]


def whole_model(start: Path) -> Path:
    """The folder of the whole model: `start`, or the base of the adapter that it holds."""
    adapter = read_adapter(start)
    return adapter.base if adapter else start


def begin(start: Path, lora: Lora | None) -> Beginning:
    """The model that training starts from.

    Raises:
        ModelError: an adapter to start from, but no `lora`, or one of another rank.
        EngineError: peft or bitsandbytes is not installed.
    """
    adapter = read_adapter(start)
    if lora is None:
        if adapter:
            raise ModelError(f"{start}: an adapter; set train.lora to train it on, or lora.merge where it was made")
        return Beginning(str(start), {})
    _need("peft", "train.lora")
    extras = {"quantization_config": _four_bits()} if lora.quantized else {}
    if adapter is None:
        return Beginning(str(start), {**extras, "peft_config": _config(lora)})
    if adapter.rank != lora.rank:
        raise ModelError(f"{start}: an adapter of rank {adapter.rank}; set train.lora.rank to that to train it on")
    from peft import PeftModel

    base = AutoModelForCausalLM.from_pretrained(adapter.base, dtype=torch.float32, **extras)
    return Beginning(PeftModel.from_pretrained(base, start, is_trainable=True), {})


def save_model(
    model: Any, lora: Lora | None, out: Path, dtype: torch.dtype, gathered: dict[str, torch.Tensor] | None = None
) -> None:
    """Saves weights and config: of the whole model, or of the adapter where it is not to be merged.

    Args:
        model: the trained model.
        lora: the `train.lora` section.
        out: the folder.
        dtype: of the saved weights.
        gathered: all weights, where `model` holds only a share of them.
    """
    if gathered is not None:
        model.save_pretrained(out, state_dict={name: weights.to(dtype) for name, weights in gathered.items()})
        return
    if lora is None:
        model.to(dtype).save_pretrained(out)
        return
    if lora.merge:
        if "ref" in model.peft_config:
            model.delete_adapter("ref")
        model.merge_and_unload().to(dtype).save_pretrained(out)
        return
    model.save_pretrained(out, selected_adapters=[_TRAINED])
    (out / "README.md").unlink(missing_ok=True)  # peft's, which names the base by this machine's path


def _config(lora: Lora) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets or "all-linear",
        task_type="CAUSAL_LM",
    )


def _four_bits() -> BitsAndBytesConfig:
    _need("bitsandbytes", "train.lora.quantized")
    if not torch.cuda.is_available():
        raise EngineError("train.lora.quantized: needs a GPU, and none is visible; set it to false")
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.bfloat16,
        bnb_4bit_use_double_quant=True,
    )


def _need(module: str, key: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise EngineError(f"{key}: {module} is not installed; pip install {module}, or set it to null or false")
