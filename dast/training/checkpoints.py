"""Checkpoints that a killed run goes on from, and its curve while it runs.

Guarantees: the mark is written after all else of a checkpoint is on the disk; the newest whole one is kept until the
next is whole. The rows come in the order of a run that was never killed:
the trainer draws an epoch's order from torch's generator, so the mark holds the generator as it was when the epoch
began. Grain: one folder a checkpoint.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from dast.training.kept import MARK

N_KEPT = 2
"""One that is whole, and the one that is being written."""

Curve = Callable[[list[dict[str, Any]]], None]
"""Is given the log so far."""


class Resumable(TrainerCallback):  # type: ignore[misc]
    """Marks checkpoints as whole, and gives a run that goes on the order of rows that it would have had."""

    def __init__(self, resumed: Path | None) -> None:
        mark: dict[str, Any] = torch.load(resumed / MARK, weights_only=True) if resumed else {}
        self._before: float = mark.get("seconds", 0.0)
        self._order: torch.Tensor | None = mark.get("order")
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Training time so far, that of the parts before included."""
        return self._before + time.monotonic() - self._start

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._start = time.monotonic()

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._order is not None:
            torch.set_rng_state(self._order)
        self._epoch_order, self._order = torch.get_rng_state(), None

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step >= state.max_steps:
            control.should_save = False  # the model itself is saved next

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if torch.distributed.is_initialized():
            torch.distributed.barrier()  # every process has written its part
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            _mark(folder, {"seconds": self.seconds, "order": self._epoch_order})


class Watched(TrainerCallback):  # type: ignore[misc]
    """Hands the log on whenever it grew."""

    def __init__(self, curve: Curve) -> None:
        self._curve = curve

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            self._curve(state.log_history)


def _mark(folder: Path, content: dict[str, Any]) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            _to_disk(path)
    partial = folder / f"{MARK}.partial"
    torch.save(content, partial)
    _to_disk(partial)
    partial.replace(folder / MARK)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
