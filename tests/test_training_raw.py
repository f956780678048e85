"""Raw prompts: training rows are text without the chat template, and a tuned model is asked as it was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from datasets import Dataset
from transformers import AutoTokenizer

from dast.engines.rendering import render
from dast.engines.transformers import TransformersEngine
from dast.errors import DataError
from dast.frames import read, write
from dast.params.project import load_settings, merge
from dast.params.sections import PromptStyle
from dast.params.writing import yaml_text
from dast.policies.folder import write_policy
from dast.presets import compose
from dast.prompts import plain_prompt, sampling_prompt
from dast.rollouts import wanted
from dast.tables import SFT
from dast.training import loop
from dast.training.config import trl_config
from dast.training.loop import train_model
from dast.training.runs import find_run
from dast.training.sets import trained_rows, without_template
from stages import train
from tests.makers import ROOT, default_settings
from tests.test_training import QUERY, RIGHT, WRONG, dpo_rows, settings, sft_rows, turns
from tests.tiny_models import save_tiny_model

STYLE = PromptStyle(system=None, user="{query}", exemplars=[], raw=True)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_tiny_model(tmp_path_factory.mktemp("start"))
    write_policy(folder, name="base", kind="tiny")
    return folder


def sent(tokenizer: Any) -> list[int]:
    """What an engine sends for the query."""
    (item,) = wanted("q", "sample", [0], sampling_prompt(STYLE, QUERY))
    ((_, ids),) = render([item], tokenizer, 512)[0]
    return ids


def test_raw_rows_are_the_text_that_is_sent_and_the_response_behind_a_space() -> None:
    asked = sft_rows(1)
    assert asked["prompt"][0].to_list() == plain_prompt(STYLE, QUERY)  # the table stays conversational
    rows = trained_rows(without_template(asked), "sft", settings())
    assert rows.rows() == [(sampling_prompt(STYLE, QUERY)[0]["content"], f" {RIGHT}")]
    own = asked.with_columns(completion=pl.lit(turns("assistant", f"\n{RIGHT}"), SFT.schema["completion"]))
    assert trained_rows(without_template(own), "sft", settings())["completion"].to_list() == [f"\n{RIGHT}"]
    pairs = trained_rows(without_template(dpo_rows(1)), "dpo", settings())
    assert pairs.rows() == [(QUERY, f" {RIGHT}", f" {WRONG}")]


def test_raw_sft_trains_on_the_completion_behind_what_engines_send(start: Path, tmp_path: Path) -> None:
    data = Dataset.from_list(trained_rows(without_template(sft_rows(2)), "sft", settings()).to_dicts())
    tokenizer = AutoTokenizer.from_pretrained(start)
    config = trl_config("sft", settings(), data.num_rows, tmp_path, resumable=False)
    trainer = loop._trainer("sft", start, tokenizer, data, settings(), config)
    batch = next(iter(trainer.get_train_dataloader()))
    ids, labels = batch["input_ids"][0].tolist(), batch["labels"][0].tolist()
    prompt = sent(tokenizer)
    assert ids[: len(prompt)] == prompt
    assert labels[: len(prompt)] == [-100] * len(prompt)
    assert ids[len(prompt) :] == labels[len(prompt) :] == [*tokenizer(RIGHT)["input_ids"], tokenizer.eos_token_id]


def test_raw_sft_model_asked_raw_gives_what_it_learned_and_ends(start: Path, tmp_path: Path) -> None:
    chosen = settings(sft=settings().sft.model_copy(update={"steps": 60, "learning_rate": 1e-2}))
    done = train_model(without_template(sft_rows(4)), "sft", start, chosen, tmp_path / "m")
    tokenizer = AutoTokenizer.from_pretrained(start)
    assert done.longest_tokens == len(sent(tokenizer)) + len(tokenizer(RIGHT)["input_ids"]) + 1
    greedy = default_settings().sample.decoding.model_copy(update={"temperature": 0.0})
    engine = TransformersEngine(default_settings().generation, tmp_path / "m")
    items = list(wanted("q", "sample", [0], sampling_prompt(STYLE, QUERY)))
    ((_, response),) = engine.generate(items, greedy, 1)
    assert (response.text, response.finish_reason) == (RIGHT, "stop")


def test_raw_dpo_margin_grows(start: Path, tmp_path: Path) -> None:
    done = train_model(without_template(dpo_rows()), "dpo", start, settings(), tmp_path / "m")
    assert done.curve[-1]["reward_accuracy"] == 1.0


def test_raw_row_longer_than_the_limit_refused_and_named(start: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"6 rows are longer than train.max_tokens 10 \(query q0: \d+ tokens\)"):
        train_model(without_template(sft_rows()), "sft", start, settings(max_tokens=10), tmp_path / "m")


def test_raw_run_is_another_run(start: Path, tmp_path: Path) -> None:
    keys = [
        find_run(rows, "sft", start, settings(), tmp_path).folder.name
        for rows in (sft_rows(), without_template(sft_rows()))
    ]
    assert keys[0] != keys[1]


def test_train_stage_trains_raw_where_params_say_so(
    start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAST_STORE", str(tmp_path / "kept" / "rollouts"))
    few = {"sft": {"steps": 2, "batch_size": 4}}
    wanted_params = {"prompt": {"tuned": {"raw": True}}, "train": few}
    content = merge(compose([], ROOT / "presets")["defaults"], wanted_params)
    (tmp_path / "params.yaml").write_text(yaml_text(content))
    write(SFT, sft_rows(), tmp_path / "sft.parquet")
    train.main(
        params=tmp_path / "params.yaml",
        round_name="r1",
        method="sft",
        init="base",
        start=start,
        rows=tmp_path / "sft.parquet",
        model=tmp_path / "models" / "r1",
        metrics=tmp_path / "train.json",
        plot=tmp_path / "train.csv",
    )
    asked = read(SFT, tmp_path / "sft.parquet")
    chosen = load_settings(tmp_path / "params.yaml").train
    run = find_run(without_template(asked), "sft", start, chosen, tmp_path)
    assert [path.name for path in (tmp_path / "kept" / "training").iterdir()] == [run.folder.name]
    assert (tmp_path / "models" / "r1" / "README.md").is_file()
