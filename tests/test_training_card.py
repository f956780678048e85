"""A model's card says data, parent, method and results, and the same for the same run."""

from __future__ import annotations

import re
from dataclasses import replace

from dast.params.train import LevelWeights, Lora
from dast.training.card import card_text
from dast.training.trained import Trained
from tests.test_training import dpo_rows, settings, sft_rows

POINTS = [{"step": step, "loss": loss, "learning_rate": 1e-5} for step, loss in ((1, 0.9), (30, 0.25))]
TRAINED = Trained(24, 30, 3.75, 12.3, 29, POINTS)


def test_card_says_data_parent_method_and_results() -> None:
    text = card_text("r2", "r1", "sft", sft_rows(4), settings(), TRAINED)
    assert "A model of a self-training line: from `r1` by supervised training" in text
    assert "4 rows (4 hard) of 4 queries; a pass has 24 rows, the longest of 29 tokens." in text
    assert "| learning rate | 0.003 |" in text
    assert "| loss at last | 0.25 |" in text
    assert "chosen" not in text
    weights = LevelWeights(easy=0.5, medium=1.0, hard=2.0, unsolved=2.0)
    weighed = card_text("r2", "r1", "sft", sft_rows(4), settings(level_weights=weights, weigh_by="loss"), TRAINED)
    assert "| weight by level, on loss | easy 0.5, medium 1, hard 2, unsolved 2 |" in weighed
    assert card_text("r2", "r1", "sft", sft_rows(4), settings(), replace(TRAINED, seconds=99.0)) == text
    assert not re.search(r"(^|[\s`(])/\w", text)


def test_card_of_an_adapter_by_preference_says_so() -> None:
    about = {"reward_accuracy": 0.75, "logps_chosen": -3.5, "logps_rejected": -9.0}
    trained = replace(TRAINED, curve=[{**point, **about} for point in POINTS])
    lora = Lora(rank=4, alpha=8.0, dropout=0.0, targets=None, quantized=False, merge=False)
    text = card_text("r3", "base", "dpo", dpo_rows(), settings(lora=lora), trained)
    assert "An adapter (LoRA) of a self-training line: from `base` by preference training" in text
    assert "| pairs told apart | 0.75 |" in text
    assert "| lora rank | 4 |" in text
