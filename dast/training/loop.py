"""Training of a round's model by TRL: supervised on kept responses, or by preference on pairs.

Guarantees: the loss is on completions alone; a row longer than a limit is refused, never cut; a loss that is not finite
ends the run at that step; the saved folder holds model and tokenizer as the next round's engine loads them, and nothing
else. A run with a folder to work in goes on from its newest checkpoint. Grain of the set: as `training.sets`.
"""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import torch
from datasets import Dataset, disable_progress_bars
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PrinterCallback
from transformers.utils import logging as transformers_logging
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from dast.errors import DataError, ModelError
from dast.params.train import Dpo, Optimiser, Train
from dast.smallfiles import read_json, write_csv
from dast.training.checkpoints import N_KEPT, Resumable, Watched, newest_checkpoint
from dast.training.sets import trained_rows
from dast.training.trained import Method, Trained

log = logging.getLogger(__name__)

LOG_POINTS = 40
"""Points of a training curve, about."""


def train_model(
    rows: pl.DataFrame,
    method: Method,
    start: Path,
    settings: Train,
    out: Path,
    work: Path | None = None,
    plot: Path | None = None,
) -> Trained:
    """Trains from the model in `start` and saves model and tokenizer in `out`.

    Args:
        rows: the round's set (SFT or DPO).
        method: which of the two.
        start: folder of the model that training starts from; for `dpo` also the reference.
        settings: the `train` section.
        out: an empty or new folder.
        work: folder of this run's checkpoints, which it goes on from; None keeps none.
        plot: CSV of the curve, written anew whenever it grew.

    Raises:
        DataError: an empty set, or a row longer than `max_tokens` or than the model's limit.
        ModelError: the start model cannot be loaded, or the loss is not finite.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    disable_progress_bars()
    data = trained_rows(rows, method, settings)
    tokenizer = _load_tokenizer(start)
    longest = _refuse_long_rows(rows, method, tokenizer, settings.max_tokens, start)
    resumed = newest_checkpoint(work) if work else None
    resumable = Resumable(resumed)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = _trainer(method, start, tokenizer, Dataset.from_list(data.to_dicts()), settings, work, scratch)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(resumable)
        if plot:
            trainer.add_callback(Watched(lambda entries: write_csv(plot, _curve(entries), CURVE)))
        if resumed:
            log.info("going on from step %s", resumed.name.rpartition("-")[2])
        trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
        seconds = resumable.seconds
    _refuse_broken(trainer.model, method)
    (trainer.model.to(torch.bfloat16) if settings.bf16 else trainer.model).save_pretrained(out)
    tokenizer.save_pretrained(out)
    state = trainer.state
    return Trained(data.height, state.global_step, state.epoch, seconds, longest, _curve(state.log_history))


class _Sft(SFTTrainer):  # type: ignore[misc]
    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        return _finite(super().training_step(*args, **kwargs), "sft", self.state.global_step)


class _Dpo(DPOTrainer):  # type: ignore[misc]
    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        return _finite(super().training_step(*args, **kwargs), "dpo", self.state.global_step)


def _finite(loss: torch.Tensor, method: str, step: int) -> torch.Tensor:
    if not torch.isfinite(loss):
        raise ModelError(f"{method}: the loss of step {step + 1} is {loss.item()}; lower train.{method}.learning_rate")
    return loss


def _refuse_broken(model: torch.nn.Module, method: str) -> None:
    # The last step's gradient may not be finite where its loss was.
    if not all(bool(torch.isfinite(weights).all()) for weights in model.parameters()):
        raise ModelError(f"{method}: the weights are not finite; lower train.{method}.learning_rate")


def _trainer(
    method: Method,
    start: Path,
    tokenizer: PreTrainedTokenizerBase,
    data: Dataset,
    settings: Train,
    work: Path | None,
    scratch: str,
) -> SFTTrainer | DPOTrainer:
    optimiser: Optimiser = settings.sft if method == "sft" else settings.dpo
    shared = {
        **_arguments(optimiser, settings, data.num_rows, resumable=work is not None),
        "output_dir": str(work or scratch),
        # Weights stay float32 under bf16 autocast: in bfloat16 an update of 1e-6 to a weight of 1e-3 changes nothing.
        "model_init_kwargs": {"dtype": "float32"},
    }
    if isinstance(optimiser, Dpo):
        config = DPOConfig(**shared, **_preference(optimiser), max_length=None)
        return _Dpo(model=str(start), args=config, train_dataset=data, processing_class=tokenizer)
    config = SFTConfig(**shared, max_length=None, train_sampling_strategy="group_by_length")
    return _Sft(model=str(start), args=config, train_dataset=data, processing_class=tokenizer)


def _arguments(optimiser: Optimiser, settings: Train, n_rows: int, *, resumable: bool) -> dict[str, Any]:
    batch = optimiser.batch_size * optimiser.accumulate_batches
    steps = optimiser.steps or math.ceil(optimiser.epochs * n_rows / batch)
    cpu = not torch.cuda.is_available()
    point = max(1, steps // LOG_POINTS)
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
        "logging_steps": point,
        "logging_nan_inf_filter": False,  # it would hide from the curve what ends the run
        "save_strategy": "steps" if resumable else "no",
        # Whole points: the mean of a point that a checkpoint cuts in two is lost.
        "save_steps": point * math.ceil(settings.checkpoint_steps / point),
        "save_total_limit": N_KEPT,
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


def _refuse_long_rows(
    rows: pl.DataFrame, method: Method, tokenizer: PreTrainedTokenizerBase, max_tokens: int, start: Path
) -> int:
    longest = 0
    for side in ["completion"] if method == "sft" else ["chosen", "rejected"]:
        texts = [[*prompt, *answer] for prompt, answer in rows.select("prompt", side).iter_rows()]
        lengths = [
            len(ids) for ids in tokenizer.apply_chat_template(texts, tokenize=True, return_dict=True)["input_ids"]
        ]
        worst = max(range(len(lengths)), key=lengths.__getitem__)
        longest = max(longest, lengths[worst])
        row = f"(query {rows.item(worst, 'query_id')}: {lengths[worst]} tokens)"
        if too_long := sum(length > max_tokens for length in lengths):
            raise DataError(
                f"{method} set: {too_long} rows are longer than train.max_tokens {max_tokens} {row}; raise it, or "
                "sample shorter responses"
            )
        # One more: the end that TRL appends where the template wrote none.
        if lengths[worst] >= (limit := _positions(start)):
            raise DataError(
                f"{method} set: rows are longer than the {limit:.0f} positions of {start} {row}; lower "
                "train.max_tokens, and sample shorter responses"
            )
    return longest


def _positions(start: Path) -> float:
    try:
        config = read_json(start / "config.json")
    except DataError:
        return math.inf  # an adapter; its base is read when it is loaded
    return float(config.get("max_position_embeddings") or math.inf)


CURVE = ("step", "loss", "learning_rate", "reward_accuracy", "logps_chosen", "logps_rejected")


def _curve(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [_curve_row(entry) for entry in entries if "loss" in entry]


def _curve_row(entry: Mapping[str, Any]) -> dict[str, Any]:
    names = ("step", "loss", "learning_rate", "rewards/accuracies", "logps/chosen", "logps/rejected")
    return dict(zip(CURVE, (entry.get(name) for name in names), strict=True))
