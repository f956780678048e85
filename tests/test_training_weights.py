"""Losses weighed by level: what a step's loss is, whatever the batches and processes that it is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from datasets import Dataset
from pydantic import ValidationError
from safetensors.torch import load_file
from transformers import AutoTokenizer

from dast.errors import DataError
from dast.params.section import PerLevelCount
from dast.params.train import LevelWeights, Train
from dast.policies.folder import write_policy
from dast.tables import SFT
from dast.training import loop
from dast.training.config import trl_config
from dast.training.loop import train_model
from dast.training.runs import find_run, finish_run
from dast.training.sets import trained_rows, weighed
from tests.test_training import settings as plain
from tests.test_training import sft_rows
from tests.test_training_launch import launched
from tests.test_training_runs import rows
from tests.tiny_models import save_tiny_model

WEIGHTS = LevelWeights(easy=0.5, medium=1.0, hard=3.0, unsolved=0.0)
EVEN = LevelWeights(easy=2.0, medium=2.0, hard=2.0, unsolved=2.0)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_tiny_model(tmp_path_factory.mktemp("start"))
    write_policy(folder, name="base", kind="tiny")
    return folder


def settings(weights: LevelWeights = WEIGHTS, **changes: Any) -> Train:
    return plain(level_weights=weights, weigh_by="loss", **changes)


def levelled(n: int = 16) -> pl.DataFrame:
    """Rows of several lengths, easy and hard ones in turn."""
    levels = pl.Series(["easy", "hard"] * (n // 2), dtype=SFT.schema["level"])
    return rows(n).with_columns(level=levels)


def optimiser(batch: int, accumulated: int) -> Any:
    few = {"steps": 8, "batch_size": batch, "accumulate_batches": accumulated}
    return plain().sft.model_copy(update=few)


def test_weighed_rows_have_their_levels_share_of_one_and_none_of_zero() -> None:
    most = PerLevelCount(easy=1, medium=1, hard=2, unsolved=4)
    table = pl.concat([sft_rows(2, "easy"), sft_rows(1, "hard", 5), sft_rows(3, "unsolved"), sft_rows(1, None)])
    found = weighed(table, most, WEIGHTS)["weight"].to_list()
    mean = (0.5 + 0.5 + 3.0 + 3.0 + 1.0) / 5
    assert found == pytest.approx([0.5 / mean, 0.5 / mean, 3 / mean, 3 / mean, 1 / mean])
    with pytest.raises(DataError, match="level_weights leaves no row"):
        trained_rows(sft_rows(3, "unsolved"), "sft", settings())


def test_weighed_loss_is_the_weighted_sum_over_the_steps_tokens(start: Path, tmp_path: Path) -> None:
    chosen, table = settings(sft=optimiser(8, 1)), levelled(8)
    data = trained_rows(table, "sft", chosen)
    tokenizer = AutoTokenizer.from_pretrained(start)
    config = trl_config("sft", chosen, data.height, tmp_path, resumable=False)
    trainer = loop._trainer("sft", start, tokenizer, Dataset.from_list(data.to_dicts()), chosen, config)
    (batch,) = trainer.get_train_dataloader()
    weight, n_tokens = batch["weight"], (batch["labels"] != -100).sum()
    assert sorted(weight.tolist()) == pytest.approx([0.5 / 1.75] * 4 + [3 / 1.75] * 4)
    alone = {name: batch[name] for name in ("input_ids", "attention_mask", "labels")}
    told = trainer.model(**alone, fused_lm_head=True)
    expected = sum(-told.log_probs[row].sum() * weight[row] for row in range(8)) / n_tokens
    loss = trainer.compute_loss(trainer.model, dict(batch), num_items_in_batch=n_tokens)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_weighed_equal_weights_train_as_none(start: Path, tmp_path: Path) -> None:
    curves = [
        train_model(levelled(), "sft", start, chosen, tmp_path / str(number)).curve
        for number, chosen in enumerate((settings(EVEN, sft=optimiser(8, 1)), plain(sft=optimiser(8, 1))))
    ]
    losses = [[row["loss"] for row in curve] for curve in curves]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_weighed_accumulated_batches_train_as_one(start: Path, tmp_path: Path) -> None:
    done = [
        train_model(levelled(), "sft", start, settings(sft=optimiser(*sizes)), tmp_path / str(sizes[0]))
        for sizes in ((8, 1), (4, 2))
    ]
    losses = [[row["loss"] for row in one.curve] for one in done]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    (ones, twos) = (load_file(tmp_path / name / "model.safetensors") for name in ("8", "4"))
    assert all((ones[name] - twos[name]).abs().max() < 1e-4 for name in ones)
    even = train_model(levelled(), "sft", start, settings(EVEN, sft=optimiser(8, 1)), tmp_path / "even")
    assert losses[0] != pytest.approx([row["loss"] for row in even.curve], rel=1e-2)


@pytest.mark.full
def test_weighed_two_processes_train_as_one(start: Path, tmp_path: Path) -> None:
    own = {"level_weights": WEIGHTS, "weigh_by": "loss"}
    one = train_model(levelled(), "sft", start, launched(8, 1).model_copy(update=own), tmp_path / "one")
    run = find_run(levelled(), "sft", start, launched(4, 2).model_copy(update=own), tmp_path)
    two = finish_run(run, tmp_path / "two")
    assert [row["loss"] for row in two.curve] == pytest.approx([row["loss"] for row in one.curve], rel=1e-4)
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("one", "two")]
    assert all((weights[0][name] - weights[1][name]).abs().max() < 1e-4 for name in weights[0])


def test_weighed_packed_rows_are_refused() -> None:
    with pytest.raises(ValidationError, match="weigh_by: packed rows have one loss"):
        Train.model_validate(settings(packing=True).model_dump())
