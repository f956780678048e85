"""The `train` section in TRL's words.

Guarantees: equal settings give equal weights whether or not the run keeps checkpoints. What this machine cannot do is
refused here, before a model is loaded. Grain: one training run.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import torch
from trl import DPOConfig, SFTConfig

from dast.errors import EngineError
from dast.params.train import Dpo, Optimiser, Train
from dast.training.checkpoints import N_KEPT
from dast.training.trained import Method

LOG_POINTS = 40
"""Points of a training curve, about."""


def trl_config(method: Method, settings: Train, n_rows: int, folder: Path, *, resumable: bool) -> SFTConfig | DPOConfig:
    """Arguments of the method's trainer.

    Args:
        method: which trainer.
        settings: the `train` section.
        n_rows: rows of a pass.
        folder: what the trainer writes goes there.
        resumable: whether it writes checkpoints.

    Raises:
        EngineError: this machine cannot pack, or shows one process several GPUs.
    """
    optimiser: Optimiser = settings.sft if method == "sft" else settings.dpo
    _refuse_idle_gpus(settings)
    shared = {
        **_optimisation(optimiser, settings),
        **_reporting(optimiser, settings, n_rows, resumable=resumable),
        "output_dir": str(folder),
        # Weights stay float32 under bf16 autocast: in bfloat16 an update of 1e-6 to a weight of 1e-3 changes nothing.
        "model_init_kwargs": {"dtype": "float32"},
    }
    if isinstance(optimiser, Dpo):
        _refuse_reference(optimiser, settings)
        return DPOConfig(**shared, **_preference(optimiser), max_length=None)
    if settings.packing:
        _refuse_packing(settings)
        shared["model_init_kwargs"]["attn_implementation"] = "flash_attention_2"
        return SFTConfig(**shared, max_length=settings.max_tokens, packing=True)
    return SFTConfig(**shared, max_length=None, train_sampling_strategy="group_by_length")


def _optimisation(optimiser: Optimiser, settings: Train) -> dict[str, Any]:
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
    }


def _reporting(optimiser: Optimiser, settings: Train, n_rows: int, *, resumable: bool) -> dict[str, Any]:
    batch = optimiser.batch_size * optimiser.accumulate_batches * settings.launch.processes
    steps = optimiser.steps or math.ceil(optimiser.epochs * n_rows / batch)
    point = max(1, steps // LOG_POINTS)
    return {
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
    about = {"beta": optimiser.beta, "precompute_ref_log_probs": optimiser.precompute_ref_log_probs}
    if optimiser.nll_weight == 0:
        return {**about, "loss_type": ["sigmoid"]}
    return {**about, "loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, optimiser.nll_weight]}


def _refuse_reference(optimiser: Dpo, settings: Train) -> None:
    if optimiser.precompute_ref_log_probs and settings.launch.processes > 1:
        # TRL hands the first process's answers on by a file in a folder that only it has.
        raise EngineError("train.dpo.precompute_ref_log_probs: for one process alone; set it to false")


def _refuse_packing(settings: Train) -> None:
    if not torch.cuda.is_available() or importlib.util.find_spec("flash_attn") is None or not settings.bf16:
        # Other attention looks from one packed row into the next, or is many times slower.
        raise EngineError(
            "train.packing: needs a GPU, the package flash-attn and train.bf16: true; set packing to false"
        )


def _refuse_idle_gpus(settings: Train) -> None:
    n_gpus = torch.cuda.device_count()
    if settings.launch.processes == 1 and n_gpus > 1:
        raise EngineError(
            f"train.launch.processes: 1, but {n_gpus} GPUs are visible; set it to {n_gpus}, or show one by "
            "CUDA_VISIBLE_DEVICES"
        )
