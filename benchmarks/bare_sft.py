"""Supervised training as a user of TRL would script it, without this project: what `benchmarks.training` compares with.

    python benchmarks/bare_sft.py MODEL ROWS.json CONFIG.json OUT

ROWS holds prompt and completion, CONFIG the arguments of `SFTConfig`. Prints the seconds between the first step's start
and the last one's end.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch
from datasets import load_dataset
from transformers import AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer


class Watch(TrainerCallback):
    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.began = time.monotonic()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.seconds = time.monotonic() - self.began


def main(model: str, rows: str, config: str, out: str) -> None:
    torch.set_num_threads(1)
    with open(config, encoding="utf-8") as file:
        wish = SFTConfig(**json.load(file), output_dir=out)
    watch = Watch()
    trainer = SFTTrainer(
        model=model,
        args=wish,
        train_dataset=load_dataset("json", data_files=rows, split="train", cache_dir=f"{out}/cache"),
        processing_class=AutoTokenizer.from_pretrained(model),
        callbacks=[watch],
    )
    trainer.train()
    trainer.save_model(f"{out}/model")
    sys.stdout.write(f"{watch.seconds}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
