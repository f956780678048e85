"""Training by TRL on the CPU: the saved folder, the refusals, and that the loss falls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer

from dast.errors import DataError, EngineError, ModelError
from dast.frames import frame
from dast.params.section import PerLevelCount
from dast.params.train import LevelWeights, Train
from dast.tables import DPO, SFT
from dast.training.config import trl_config
from dast.training.loop import train_model
from dast.training.sets import repeated, trained_rows
from dast.training.trained import Method
from tests.makers import default_settings
from tests.tiny_models import save_tiny_model

QUERY = "Tom has 9 coins. Sep triples. How many?"
RIGHT, WRONG = "Sep 9*3=27; #### 27", "Sep 9*3=17; #### 17"


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("start"))


def settings(**changes: Any) -> Train:
    chosen = default_settings().train
    few = {"steps": 12, "batch_size": 4, "learning_rate": 3e-3, "warmup_steps": 0}
    return chosen.model_copy(
        update={"sft": chosen.sft.model_copy(update=few), "dpo": chosen.dpo.model_copy(update=few), **changes}
    )


def turns(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def sft_rows(n: int = 6, level: str | None = "hard", n_alike: int = 1) -> pl.DataFrame:
    about = {"level": level, "round": "r1", "origin": "self", "n_alike": n_alike}
    text = {"prompt": turns("user", QUERY), "completion": turns("assistant", RIGHT)}
    return frame(SFT, [{**about, **text, "query_id": f"q{i}", "rollout_id": "a"} for i in range(n)])


def dpo_rows(n: int = 6) -> pl.DataFrame:
    about = {"level": "hard", "round": "r1", "chosen_id": "a", "rejected_id": "b"}
    text = {"prompt": turns("user", QUERY), "chosen": turns("assistant", RIGHT), "rejected": turns("assistant", WRONG)}
    return frame(DPO, [{**about, **text, "query_id": f"q{i}"} for i in range(n)])


def test_sft_loss_falls_and_the_folder_loads(start: Path, tmp_path: Path) -> None:
    done = train_model(sft_rows(), "sft", start, settings(), tmp_path / "m")
    assert done.steps == 12
    assert done.curve[-1]["loss"] < done.curve[0]["loss"]
    AutoModelForCausalLM.from_pretrained(tmp_path / "m")
    assert AutoTokenizer.from_pretrained(tmp_path / "m").chat_template
    assert not [path.name for path in (tmp_path / "m").iterdir() if "optimizer" in path.name or "args" in path.name]


def test_sft_same_inputs_give_the_same_weights(start: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        train_model(sft_rows(), "sft", start, settings(), tmp_path / name)
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()


def test_sft_loss_is_on_the_completion_alone(start: Path, tmp_path: Path) -> None:
    from dast.training import loop

    data = Dataset.from_list(trained_rows(sft_rows(2), "sft", settings()).to_dicts())
    tokenizer = AutoTokenizer.from_pretrained(start)
    config = trl_config("sft", settings(), data.num_rows, tmp_path, resumable=False)
    trainer = loop._trainer("sft", start, tokenizer, data, settings(), config)
    batch = next(iter(trainer.get_train_dataloader()))
    trained_on = tokenizer.decode([token for token in batch["labels"][0].tolist() if token != -100])
    assert trained_on.replace(" ", "") == RIGHT.replace(" ", "") + "</s>"


def test_dpo_margin_grows_and_the_folder_loads(start: Path, tmp_path: Path) -> None:
    done = train_model(dpo_rows(), "dpo", start, settings(), tmp_path / "m")
    assert done.curve[-1]["reward_accuracy"] == 1.0
    assert done.curve[-1]["logps_chosen"] > done.curve[-1]["logps_rejected"]
    AutoModelForCausalLM.from_pretrained(tmp_path / "m")


def test_repeated_gives_a_row_as_often_as_its_text_was_given_up_to_its_level() -> None:
    rows = pl.concat([sft_rows(2, "hard", 9), sft_rows(1, "hard", 2), sft_rows(3, None, 9), sft_rows(1, "easy", 9)])
    data = repeated(rows, PerLevelCount(easy=1, medium=1, hard=4, unsolved=1), None, 1)
    assert data.height == 2 * 4 + 2 + 3 + 1
    assert data.columns == ["prompt", "completion"]


def test_repeated_with_weights_gives_the_share_that_they_say_whatever_the_order() -> None:
    rows = pl.concat([sft_rows(400, "hard", 3), sft_rows(50, "easy", 9), sft_rows(10, None)])
    most = PerLevelCount(easy=1, medium=1, hard=3, unsolved=1)
    weights = LevelWeights(easy=0.0, medium=1.0, hard=0.5, unsolved=1.0)
    assert abs(repeated(rows, most, weights, 1).height - (400 * 1.5 + 10)) < 40
    assert repeated(rows, most, weights, 1).height == repeated(rows.reverse(), most, weights, 1).height
    ones = LevelWeights(easy=1.0, medium=1.0, hard=1.0, unsolved=1.0)
    assert repeated(rows, most, ones, 1).equals(repeated(rows, most, None, 1))
    with pytest.raises(DataError, match="level_weights leaves no row"):
        trained_rows(sft_rows(5, "easy"), "sft", settings(level_weights=weights))


def test_dpo_reference_asked_before_training_gives_the_same_losses(start: Path, tmp_path: Path) -> None:
    before = settings().dpo.model_copy(update={"precompute_ref_log_probs": True})
    curves = [
        train_model(dpo_rows(), "dpo", start, chosen, tmp_path / str(index)).curve
        for index, chosen in enumerate([settings(), settings(dpo=before)])
    ]
    assert [row["loss"] for row in curves[0]] == pytest.approx([row["loss"] for row in curves[1]], rel=1e-4)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU with FlashAttention packs")
def test_packing_without_attention_for_it_refused(start: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"train.packing: needs a GPU, .* set packing to false"):
        train_model(sft_rows(), "sft", start, settings(packing=True), tmp_path / "m")


def test_train_empty_set_refused(start: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the sft set is empty"):
        train_model(sft_rows(0), "sft", start, settings(), tmp_path / "m")


def test_train_row_longer_than_the_limit_refused_and_named(start: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"6 rows are longer than train.max_tokens 10 \(query q0: \d+ tokens\)"):
        train_model(sft_rows(), "sft", start, settings(max_tokens=10), tmp_path / "m")


def test_train_row_longer_than_the_model_refused(start: Path, tmp_path: Path) -> None:
    row = sft_rows(1).with_columns(completion=pl.lit(turns("assistant", RIGHT * 60)))
    with pytest.raises(DataError, match=r"rows are longer than the 512 positions of .*\(query q0: \d+ tokens\)"):
        train_model(row, "sft", start, settings(max_tokens=100_000), tmp_path / "m")


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_train_loss_not_finite_ends_the_run_at_that_step(tmp_path: Path, method: Method) -> None:
    broken = save_tiny_model(tmp_path / "start")
    model = AutoModelForCausalLM.from_pretrained(broken)
    model.model.norm.weight.data[0] = float("nan")
    model.save_pretrained(broken)
    rows = sft_rows() if method == "sft" else dpo_rows()
    with pytest.raises(ModelError, match=rf"{method}: the loss of step 1 is nan; lower train.{method}.learning_rate"):
        train_model(rows, method, broken, settings(), tmp_path / "m")


def test_train_folder_without_tokenizer_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no tokenizer can be loaded"):
        train_model(sft_rows(), "sft", tmp_path, settings(), tmp_path / "m")
