"""What keeping a run costs: seconds a training step, ours with checkpoints and curve against a bare TRL script.

    python -m benchmarks.training MODEL SET.parquet [REPEATS]

MODEL is a policy's folder, SET a round's sft table. The two take turns in one process, on the same rows with the same
settings; a bare run writes no checkpoint and refuses nothing. Writes results/training.md.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from datasets import Dataset
from transformers import AutoTokenizer
from trl import SFTTrainer

from benchmarks.measured import Value, cells, save
from dast.frames import read
from dast.params.project import load_project
from dast.params.train import Train
from dast.tables import SFT
from dast.training.config import trl_config
from dast.training.loop import train_model
from dast.training.sets import trained_rows

ROOT = Path(__file__).parent.parent
PROSE = {
    "step": "The default's 120 steps of 32 rows. Seconds and CPU seconds a step are those of the whole run, from "
    "loading the model to the saved folder, over its steps; the ratio is ours to bare, the median of the pairs.",
}


def main(model: Path, table: Path, repeats: int) -> None:
    torch.set_num_threads(1)
    rows, settings = read(SFT, table), load_project(ROOT / "presets" / "default.yaml").defaults.train
    bare_data = trained_rows(rows, "sft", settings).to_dicts()

    def ours(folder: Path) -> None:
        train_model(rows, "sft", model, settings, folder / "m", folder / "work", folder / "train.csv")

    def bare(folder: Path) -> None:
        _bare(bare_data, model, settings, folder)

    pairs = [(_spent(ours), _spent(bare)) for _ in range(repeats)]
    save("training", "step", _values(pairs, settings.sft.steps or 1), PROSE, f"{len(pairs)} pairs of runs")


def _bare(data: list[dict[str, object]], model: Path, settings: Train, folder: Path) -> None:
    config = trl_config("sft", settings, len(data), folder, resumable=False)
    tokenizer = AutoTokenizer.from_pretrained(model)
    trainer = SFTTrainer(
        model=str(model), args=config, train_dataset=Dataset.from_list(data), processing_class=tokenizer
    )
    trainer.train()
    trainer.save_model(str(folder / "m"))


def _spent(run: Callable[[Path], None]) -> tuple[float, float]:
    """Seconds on the clock and of CPU."""
    with tempfile.TemporaryDirectory() as folder:
        start, before = time.perf_counter(), time.process_time()
        run(Path(folder))
        return time.perf_counter() - start, time.process_time() - before


def _values(pairs: list[tuple[tuple[float, float], tuple[float, float]]], steps: int) -> Iterator[Value]:
    for index, name in enumerate(("seconds a step", "CPU seconds a step")):
        ours, bare = ([pair[side][index] / steps for pair in pairs] for side in (0, 1))
        ratio = _median([one / other for one, other in zip(ours, bare, strict=True)])
        yield from cells("a step", name, ours=_median(ours), bare=_median(bare), ratio=ratio)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 3)
