"""TRL's trainers take `sft` and `dpo` as a package holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import disable_progress_bars, load_dataset
from transformers import AutoTokenizer
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from dast import frames, tables
from tests.packages import rows_of_configs, run_stage
from tests.tiny_models import save_tiny_model

QUERY = "Tom has 9 coins. Sep triples. How many?"
RIGHT, WRONG = "Sep 9*3=27; #### 27", "Sep 9*3=17; #### 17"
ON_CPU: dict[str, Any] = {
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "dataloader_pin_memory": False,
    "report_to": "none",
    "max_steps": 1,
    "per_device_train_batch_size": 2,
    "save_strategy": "no",
    "disable_tqdm": True,
}


def turns(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = rows_of_configs()
    about = {"query_id": "q1", "level": "hard", "round": "r1", "prompt": turns("user", QUERY)}
    right, wrong = turns("assistant", RIGHT), turns("assistant", WRONG)
    more = {"origin": "self", "n_alike": 1, "completion": right}
    sft = [{**about, **more, "rollout_id": f"sample-{n}"} for n in range(4)]
    ids = [{"chosen_id": f"sample-{n}", "rejected_id": "sample-9"} for n in range(4)]
    dpo = [{**about, **pair, "chosen": right, "rejected": wrong} for pair in ids]
    rows |= {"sft": frames.frame(tables.SFT, sft), "dpo": frames.frame(tables.DPO, dpo)}
    return run_stage(tmp_path_factory.mktemp("package"), rows, [])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny_model(tmp_path_factory.mktemp("model")))


def loaded(hub: Path, config: str, cache: Path) -> Any:
    disable_progress_bars()
    return load_dataset(str(hub), config, split="train", cache_dir=str(cache))


def test_sft_trainer_takes_sft_as_it_is(hub: Path, model: str, tmp_path: Path) -> None:
    rows = loaded(hub, "sft", tmp_path / "cache")
    trainer = SFTTrainer(model, SFTConfig(str(tmp_path), **ON_CPU), train_dataset=rows)
    batch = next(iter(trainer.get_train_dataloader()))
    text = trainer.processing_class.decode(batch["labels"][0][batch["labels"][0] >= 0])
    assert RIGHT.split()[-1] in text
    assert "coins" not in text  # the loss is on the completion alone
    assert trainer.train().training_loss > 0


def test_dpo_trainer_takes_dpo_as_it_is(hub: Path, model: str, tmp_path: Path) -> None:
    rows, tokenizer = loaded(hub, "dpo", tmp_path / "cache"), AutoTokenizer.from_pretrained(model)
    trainer = DPOTrainer(model, args=DPOConfig(str(tmp_path), **ON_CPU), train_dataset=rows, processing_class=tokenizer)
    assert trainer.train().training_loss == pytest.approx(0.693, abs=0.05)
