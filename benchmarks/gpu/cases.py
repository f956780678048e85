"""What is measured: models, and one case a use of them, the most wanted first.

Guarantees: a case's settings are those of the default preset with what is named here laid over them, so that estimates
can be made anew from a case's name. Grain: one case.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from benchmarks.gpu.steps import WARMUP_STEPS
from dast.params.project import load_project
from dast.params.sections import Settings

ROOT = Path(__file__).parent.parent.parent
Method = Literal["sft", "dpo"]


@dataclass(frozen=True)
class Size:
    """A Llama."""

    name: str
    vocabulary: int
    hidden: int
    feed_forward: int
    layers: int
    heads: int
    key_heads: int
    tied: bool


@dataclass(frozen=True)
class Scale:
    """How large everything is."""

    sizes: tuple[Size, ...]
    row_tokens: int
    """Longest row; the shortest has seven eighths."""
    batch_size: int
    """Rows of one forward pass of sft; dpo has half as many pairs."""
    steps: int
    """Timed ones."""
    prompts: int
    samples: int
    """Rollouts a prompt."""
    prompt_tokens: int
    new_tokens: int
    limit_s: float
    """Of one case."""


FULL = Scale(
    sizes=(
        Size("0.5B", 128_256, 1024, 4096, 24, 16, 4, tied=True),
        Size("0.12B", 32_000, 768, 2048, 12, 12, 4, tied=False),
    ),
    row_tokens=512,
    batch_size=16,
    steps=12,
    prompts=64,
    samples=8,
    prompt_tokens=128,
    new_tokens=256,
    limit_s=40.0,
)
SMALL = Scale(
    sizes=(Size("large", 512, 128, 256, 3, 4, 2, tied=True), Size("small", 256, 64, 128, 2, 2, 2, tied=False)),
    row_tokens=64,
    batch_size=4,
    steps=3,
    prompts=4,
    samples=2,
    prompt_tokens=16,
    new_tokens=16,
    limit_s=60.0,
)
"""The same code in a minute on a CPU."""


@dataclass(frozen=True)
class Case:
    """One measurement; `kind` bare is TRL without this project, generate an engine."""

    kind: Literal["train", "bare", "generate"]
    size: int
    """Place in the scale's sizes."""
    method: Method = "sft"
    lora: bool = False
    checkpointing: bool = False
    precompute: bool = False
    optimizer: str = "adamw_torch"
    accumulate: int = 1
    engine: Literal["transformers", "vllm"] = "transformers"
    fixed_blocks: bool = False
    """Whether torch takes memory in blocks of fixed size, as it does where the engine does not ask for growing ones."""

    def name(self, scale: Scale) -> str:
        """Such as `0.5B dpo lora`."""
        size = scale.sizes[self.size].name
        if self.kind == "generate":
            return f"{size} {self.engine}{', blocks of fixed size' if self.fixed_blocks else ''}"
        marks = {"bare TRL": self.kind == "bare", "lora": self.lora, "checkpointing": self.checkpointing}
        marks |= {"reference asked before": self.precompute, "adafactor": self.optimizer == "adafactor"}
        marks |= {f"{self.accumulate} batches a step": self.accumulate > 1}
        return ", ".join([f"{size} {self.method}", *(mark for mark, told in marks.items() if told)])


CASES = (
    *(Case("train", 0, method, lora=lora) for lora in (False, True) for method in ("sft", "dpo")),
    Case("bare", 0),
    Case("generate", 0),
    Case("train", 0, checkpointing=True),
    *(Case("train", 1, method, lora=lora) for lora in (False, True) for method in ("sft", "dpo")),
    Case("train", 0, optimizer="adafactor", accumulate=2),
    Case("train", 0, "dpo", precompute=True),
    Case("train", 0, "dpo", lora=True, checkpointing=True),
    Case("generate", 1),
    Case("generate", 0, engine="vllm"),
    Case("generate", 0, fixed_blocks=True),
)


def settings_of(case: Case, scale: Scale) -> Settings:
    """All settings of a case."""
    raw = load_project(ROOT / "presets" / "default.yaml").defaults.model_dump()
    steps = {"steps": WARMUP_STEPS + scale.steps, "optimizer": case.optimizer, "accumulate_batches": case.accumulate}
    raw["train"]["sft"] |= {**steps, "batch_size": scale.batch_size, "learning_rate": 1e-5}
    raw["train"]["dpo"] |= {**steps, "batch_size": scale.batch_size // 2, "learning_rate": 1e-6}
    raw["train"]["dpo"]["precompute_ref_log_probs"] = case.precompute
    lora = {"rank": 16, "alpha": 32.0, "dropout": 0.0, "targets": None, "quantized": False, "merge": False}
    raw["train"] |= {"max_tokens": scale.row_tokens, "bf16": True, "lora": lora if case.lora else None}
    raw["train"] |= {"gradient_checkpointing": case.checkpointing}
    raw["generation"] |= {"engine": case.engine, "dtype": "bfloat16", "batch_rollouts": scale.prompts * scale.samples}
    raw["generation"] |= {"max_model_tokens": scale.prompt_tokens + scale.new_tokens}
    raw["evaluate"]["decoding"] |= {"max_new_tokens": scale.new_tokens}
    return Settings.model_validate(raw)


@cache
def as_dict(scale: Scale) -> dict[str, Case]:
    """The cases by name, in order."""
    return {case.name(scale): case for case in CASES}


def facts_of(size: Size) -> dict[str, Any]:
    """A size's numbers in transformers' words."""
    return {
        "vocab_size": size.vocabulary,
        "hidden_size": size.hidden,
        "intermediate_size": size.feed_forward,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.key_heads,
        "tie_word_embeddings": size.tied,
    }
