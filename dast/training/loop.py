"""Training of a round's model by TRL: supervised on kept responses, or by preference on pairs.

Guarantees: the loss is on completions alone; a row longer than a limit is refused, never cut; a loss that is not finite
ends the run at that step; the saved folder holds model and tokenizer as the next round's engine loads them, and nothing
else. A run with a folder to work in goes on from its newest checkpoint. Grain of the set: as `training.sets`.
"""

from __future__ import annotations

import logging
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

from dast.errors import ModelError
from dast.params.train import Train
from dast.smallfiles import write_csv
from dast.training.adapting import begin, save_model, whole_model
from dast.training.checkpoints import Resumable, Watched
from dast.training.config import trl_config
from dast.training.kept import newest_checkpoint
from dast.training.lengths import longest_row
from dast.training.sets import WEIGHT, trained_rows
from dast.training.trained import Method, Trained
from dast.training.trainers import Dpo, Sft, with_weights

log = logging.getLogger(__name__)

CURVE = ("step", "loss", "learning_rate", "reward_accuracy", "logps_chosen", "logps_rejected")
"""Columns of a training curve; the last three for preferences alone."""


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
        work: folder of this run's checkpoints, the newest of which it goes on from; None keeps none.
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
    longest = longest_row(rows, method, tokenizer, settings.max_tokens, whole_model(start))
    resumed = newest_checkpoint(work) if work else None
    resumable = Resumable(resumed)
    with tempfile.TemporaryDirectory() as scratch:
        config = trl_config(method, settings, data.height, work or Path(scratch), resumable=work is not None)
        trainer = _trainer(method, start, tokenizer, Dataset.from_list(data.to_dicts()), settings, config)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(resumable)
        if plot:
            trainer.add_callback(Watched(lambda entries: write_csv(plot, _curve(entries), CURVE)))
        if resumed:
            log.info("going on from step %s", resumed.name.rpartition("-")[2])
        trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
        seconds = resumable.seconds
    _refuse_broken(trainer.model, method)
    _save(trainer, tokenizer, settings, out)
    state = trainer.state
    return Trained(data.height, state.global_step, state.epoch, seconds, longest, _curve(state.log_history))


def _refuse_broken(model: torch.nn.Module, method: str) -> None:
    # The last step's gradient may not be finite where its loss was.
    if not all(bool(torch.isfinite(weights).all()) for weights in model.parameters()):
        raise ModelError(f"{method}: the weights are not finite; lower train.{method}.learning_rate")


def _save(trainer: SFTTrainer | DPOTrainer, tokenizer: PreTrainedTokenizerBase, settings: Train, out: Path) -> None:
    # Under FSDP every process holds a share, and all of them must help to gather the whole.
    whole = trainer.accelerator.get_state_dict(trainer.model_wrapped) if trainer.is_fsdp_enabled else None
    if trainer.is_world_process_zero():
        save_model(trainer.model, settings.lora, out, torch.bfloat16 if settings.bf16 else torch.float32, whole)
        tokenizer.save_pretrained(out)


def _trainer(
    method: Method,
    start: Path,
    tokenizer: PreTrainedTokenizerBase,
    data: Dataset,
    settings: Train,
    config: SFTConfig | DPOConfig,
) -> SFTTrainer | DPOTrainer:
    first = begin(start, settings.lora)
    if not isinstance(first.model, str):
        config.model_init_kwargs = None  # they stand for a path that is still to be loaded
    kind = Sft if method == "sft" else Dpo
    trainer = kind(model=first.model, args=config, train_dataset=data, processing_class=tokenizer, **first.extras)
    if WEIGHT in data.column_names:
        trainer.data_collator = with_weights(trainer.data_collator)
    return trainer


def _load_tokenizer(start: Path) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(start)
    except (OSError, ValueError) as error:
        raise ModelError(f"{start}: no tokenizer can be loaded: {str(error).splitlines()[0]}") from error


def _curve(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [_curve_row(entry) for entry in entries if "loss" in entry]


def _curve_row(entry: Mapping[str, Any]) -> dict[str, Any]:
    names = ("step", "loss", "learning_rate", "rewards/accuracies", "logps/chosen", "logps/rejected")
    return dict(zip(CURVE, (entry.get(name) for name in names), strict=True))
