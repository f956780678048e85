"""Training of a round's model by TRL: supervised on kept responses, or by preference on pairs.

Guarantees: the loss is on completions alone; a row longer than the limit is refused, never cut; the saved folder holds
model and tokenizer as the next round's engine loads them, and nothing else. Grain of the set: one row of the table, an
SFT row as often as rollouts gave its text, up to `repeat`.
"""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl
import torch
from datasets import Dataset, disable_progress_bars
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PrinterCallback
from transformers.utils import logging as transformers_logging
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from dast.errors import DataError, ModelError
from dast.params.section import PerLevelCount
from dast.params.sections import Dpo, Optimiser, Train
from dast.tables import LEVELS

log = logging.getLogger(__name__)

LOG_POINTS = 40
"""Points of a training curve, about."""


@dataclass(frozen=True)
class Trained:
    """What a run did: `curve` has one row a logged step; losses are means over the steps since the row before."""

    n_rows: int
    steps: int
    epochs: float
    seconds: float
    curve: list[dict[str, Any]]


def train_model(rows: pl.DataFrame, method: Literal["sft", "dpo"], start: Path, settings: Train, out: Path) -> Trained:
    """Trains from the model in `start` and saves model and tokenizer in `out`.

    Args:
        rows: the round's set (SFT or DPO).
        method: which of the two.
        start: folder of the model that training starts from; for `dpo` also the reference.
        settings: the `train` section.
        out: an empty or new folder.

    Raises:
        DataError: an empty set, or a row longer than the limit.
        ModelError: the start model cannot be loaded, or the loss is not finite.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    disable_progress_bars()
    if rows.is_empty():
        raise DataError(f"the {method} set is empty: no response was kept; look at build's counts of what was left out")
    tokenizer = _load_tokenizer(start)
    data = to_dataset(rows, method, settings.repeat)
    _refuse_long_rows(rows, method, tokenizer, settings.max_tokens)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = _trainer(method, start, tokenizer, data, settings, scratch)
        trainer.remove_callback(PrinterCallback)
        result = trainer.train()
    if not math.isfinite(result.training_loss):
        raise ModelError(f"{method}: the loss is {result.training_loss}; lower train.{method}.learning_rate")
    (trainer.model.to(torch.bfloat16) if settings.bf16 else trainer.model).save_pretrained(out)
    tokenizer.save_pretrained(out)
    curve = [_curve_row(entry) for entry in trainer.state.log_history if "loss" in entry]
    return Trained(
        data.num_rows, trainer.state.global_step, trainer.state.epoch, result.metrics["train_runtime"], curve
    )


def to_dataset(rows: pl.DataFrame, method: Literal["sft", "dpo"], repeat: PerLevelCount) -> Dataset:
    """The training columns in TRL's names: an SFT row as often as its text was given, up to its level's `repeat`."""
    if method == "dpo" or rows.is_empty():
        return Dataset.from_list(rows.select("prompt", "chosen", "rejected").to_dicts())
    most = pl.lit(1)
    for level in LEVELS:
        most = pl.when(pl.col("level") == level).then(repeat.at(level)).otherwise(most)
    times = pl.min_horizontal(pl.col("n_alike"), most)
    repeated = rows.select(pl.col("prompt", "completion").repeat_by(times)).explode("prompt", "completion")
    return Dataset.from_list(repeated.to_dicts())


def _trainer(
    method: str, start: Path, tokenizer: PreTrainedTokenizerBase, data: Dataset, settings: Train, scratch: str
) -> SFTTrainer | DPOTrainer:
    optimiser: Optimiser = settings.sft if method == "sft" else settings.dpo
    shared = {
        **_arguments(optimiser, settings, data.num_rows),
        "output_dir": scratch,
        # Weights stay float32 under bf16 autocast: in bfloat16 an update of 1e-6 to a weight of 1e-3 changes nothing.
        "model_init_kwargs": {"dtype": "float32"},
    }
    if isinstance(optimiser, Dpo):
        config = DPOConfig(**shared, **_preference(optimiser), max_length=None)
        return DPOTrainer(model=str(start), args=config, train_dataset=data, processing_class=tokenizer)
    config = SFTConfig(**shared, max_length=None, train_sampling_strategy="group_by_length")
    return SFTTrainer(model=str(start), args=config, train_dataset=data, processing_class=tokenizer)


def _arguments(optimiser: Optimiser, settings: Train, n_rows: int) -> dict[str, Any]:
    batch = optimiser.batch_size * optimiser.accumulate_batches
    steps = optimiser.steps or math.ceil(optimiser.epochs * n_rows / batch)
    cpu = not torch.cuda.is_available()
    return {
        "max_steps": optimiser.steps or -1,
        "num_train_epochs": optimiser.epochs,
        "per_device_train_batch_size": optimiser.batch_size,
        "gradient_accumulation_steps": optimiser.accumulate_batches,
        "learning_rate": optimiser.learning_rate,
        "lr_scheduler_type": optimiser.schedule,
        "warmup_steps": optimiser.warmup_steps,
        "optim": optimiser.optimizer,
        "weight_decay": optimiser.weight_decay,
        "adam_beta2": optimiser.adam_beta2,
        "max_grad_norm": optimiser.max_grad_norm,
        "bf16": settings.bf16,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "use_cpu": cpu,
        "dataloader_pin_memory": not cpu,
        "logging_steps": max(1, steps // LOG_POINTS),
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }


def _preference(optimiser: Dpo) -> dict[str, Any]:
    if optimiser.nll_weight == 0:
        return {"beta": optimiser.beta, "loss_type": ["sigmoid"]}
    return {
        "beta": optimiser.beta,
        "loss_type": ["sigmoid", "sft"],
        "loss_weights": [1.0, optimiser.nll_weight],
    }


def _load_tokenizer(start: Path) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(start)
    except (OSError, ValueError) as error:
        raise ModelError(f"{start}: no tokenizer can be loaded: {str(error).splitlines()[0]}") from error


def _refuse_long_rows(rows: pl.DataFrame, method: str, tokenizer: PreTrainedTokenizerBase, limit: int) -> None:
    sides = ["completion"] if method == "sft" else ["chosen", "rejected"]
    for side in sides:
        texts = [[*prompt, *answer] for prompt, answer in rows.select("prompt", side).iter_rows()]
        lengths = [
            len(ids) for ids in tokenizer.apply_chat_template(texts, tokenize=True, return_dict=True)["input_ids"]
        ]
        too_long = sum(length > limit for length in lengths)
        if too_long:
            worst = max(range(len(lengths)), key=lengths.__getitem__)
            raise DataError(
                f"{method} set: {too_long} rows are longer than train.max_tokens {limit} (query "
                f"{rows.item(worst, 'query_id')}: {lengths[worst]} tokens); raise it, or sample shorter responses"
            )


def _curve_row(entry: Mapping[str, Any]) -> dict[str, Any]:
    row = {"step": entry["step"], "loss": entry["loss"], "learning_rate": entry["learning_rate"]}
    extra = {
        "reward_accuracy": "rewards/accuracies",
        "logps_chosen": "logps/chosen",
        "logps_rejected": "logps/rejected",
    }
    return {**row, **{name: entry.get(key) for name, key in extra.items()}}
