"""The CPU engine: greedy text equals a plain loop, seeds decide, limits and stops are kept."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from dast.engines.protocol import Item
from dast.engines.transformers import TransformersEngine
from dast.errors import ModelError
from dast.params.decoding import Decoding
from dast.prompts import prompt_digest
from dast.smallfiles import read_json, write_json
from tests.makers import default_settings
from tests.tiny_models import save_tiny_model

GENERATION = default_settings().generation


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def engine(folder: Path) -> TransformersEngine:
    return TransformersEngine(GENERATION, folder)


def decoding(**changes: Any) -> Decoding:
    return default_settings().sample.decoding.model_copy(update={"max_new_tokens": 12, **changes})


def items(n: int) -> list[Item]:
    texts = [f"Tom has {i} coins. " + "Sep triples. " * (i % 4) + "How many?" for i in range(n)]
    messages = [[{"role": "user", "content": text}] for text in texts]
    return [Item(f"q{i}", "sample", 0, prompt_digest(m), m) for i, m in enumerate(messages)]


def test_greedy_padded_batch_equals_a_plain_loop(engine: TransformersEngine, folder: Path) -> None:
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    for item, response in engine.generate(items(9), decoding(temperature=0.0), 1):
        ids = tokenizer.apply_chat_template(item.messages, return_tensors="pt", return_dict=True)["input_ids"]
        start = ids.shape[1]
        for _ in range(12):
            with torch.inference_mode():
                best = model(ids).logits[:, -1].argmax(-1, keepdim=True)
            ids = torch.cat([ids, best], 1)
            if best.item() == tokenizer.eos_token_id:
                break
        assert response.text == tokenizer.decode(ids[0, start:], skip_special_tokens=True)
        assert response.n_prompt_tokens == start


def test_rows_that_end_early_leave_the_batch_and_change_no_text(tmp_path: Path) -> None:
    early = save_tiny_model(tmp_path / "early", spread=0.3)
    config = read_json(early / "generation_config.json")
    ends = [config["pad_token_id"], config["eos_token_id"], *range(4, 400, 17)]
    write_json(early / "generation_config.json", config | {"eos_token_id": ends})
    engine, asked = TransformersEngine(GENERATION, early), [*items(40), *items(40)]
    found = [response for _, response in engine.generate(asked, decoding(temperature=0.0, max_new_tokens=40), 1)]
    assert found[:40] == found[40:]
    model, tokenizer = AutoModelForCausalLM.from_pretrained(early), AutoTokenizer.from_pretrained(early)
    for item, response in zip(asked, found[:40], strict=False):
        ids = tokenizer.apply_chat_template(
            item.messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )["input_ids"]
        whole = model.generate(ids, do_sample=False, max_new_tokens=40)[0, ids.shape[1] :]
        assert response.n_tokens == len(whole)
        assert tokenizer.decode(whole, skip_special_tokens=True).startswith(response.text)
    assert len({response.n_tokens for response in found}) > 3


def test_samples_of_one_prompt_differ(engine: TransformersEngine) -> None:
    same = items(1) * 16
    texts = [response.text for _, response in engine.generate(same, decoding(temperature=1.0), 3)]
    assert len(set(texts)) > 8


def test_sampling_same_seed_same_text_other_seed_other_text(engine: TransformersEngine) -> None:
    def texts(seed: int) -> list[str]:
        return [response.text for _, response in engine.generate(items(9), decoding(temperature=1.0), seed)]

    assert texts(3) == texts(3)
    assert texts(3) != texts(4)


def test_response_cut_by_the_limit_says_so(engine: TransformersEngine) -> None:
    reasons = {r.finish_reason for _, r in engine.generate(items(9), decoding(max_new_tokens=2, temperature=0.0), 1)}
    assert "length" in reasons
    assert all(
        response.n_tokens == 2
        for _, response in engine.generate(items(9), decoding(max_new_tokens=2, temperature=0.0), 1)
        if response.finish_reason == "length"
    )


def test_stop_text_ends_the_response_and_is_not_kept(engine: TransformersEngine) -> None:
    free = [response for _, response in engine.generate(items(9), decoding(temperature=1.0), 3)]
    mark = max((response.text.split() for response in free), key=len)[1]
    stopped = [response for _, response in engine.generate(items(9), decoding(temperature=1.0, stop=[mark]), 3)]
    assert all(mark not in response.text for response in stopped)
    assert any(response.n_tokens < free[i].n_tokens for i, response in enumerate(stopped))
    assert {response.finish_reason for response, before in zip(stopped, free, strict=True) if mark in before.text} == {
        "stop"
    }


def test_long_prompt_cuts_its_own_response_and_no_other_of_its_batch(folder: Path, monkeypatch: Any) -> None:
    config = read_json(folder / "generation_config.json")
    wish = decoding(temperature=0.0, max_new_tokens=20)
    endless = TransformersEngine(GENERATION, folder)
    endless._ends = frozenset({config["pad_token_id"]})
    endless._model.generation_config.eos_token_id = config["pad_token_id"]
    free = {item.query_id: response for item, response in endless.generate(items(8), wish, 1)}
    lengths = {name: response.n_prompt_tokens or 0 for name, response in free.items()}
    assert len(set(lengths.values())) > 2
    limit = max(lengths.values()) + 3
    for leaves in (True, False):
        if not leaves:
            monkeypatch.setattr("dast.engines.decoding.roomy_cache", lambda config: None)
        endless._limit = limit
        for item, response in endless.generate(items(8), wish, 1):
            room = min(20, limit - lengths[item.query_id])
            whole = free[item.query_id]
            assert response.n_tokens == min(room, whole.n_tokens or 0)
            assert whole.text.startswith(response.text)
            assert response.finish_reason == ("length" if room < (whole.n_tokens or 0) else whole.finish_reason)
    assert min(limit - length for length in lengths.values()) == 3


def test_models_own_sampling_defaults_change_nothing(folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "penalised"))
    config = read_json(other / "generation_config.json")
    write_json(other / "generation_config.json", config | {"repetition_penalty": 3.0, "suppress_tokens": [5, 6, 7]})
    for temperature in (0.0, 1.0):
        texts = [
            [response.text for _, response in engine.generate(items(9), decoding(temperature=temperature), 3)]
            for engine in (TransformersEngine(GENERATION, folder), TransformersEngine(GENERATION, other))
        ]
        assert texts[0] == texts[1]


def test_prompt_without_room_is_an_error_row(folder: Path) -> None:
    small = TransformersEngine(GENERATION.model_copy(update={"max_model_tokens": 16}), folder)
    found = {item.query_id: response for item, response in small.generate(items(8), decoding(), 1)}
    assert len(found) == 8
    assert {response.finish_reason for response in found.values()} > {"error"}


def test_folder_without_model_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        TransformersEngine(GENERATION, tmp_path)
    assert "\n" not in str(caught.value)
