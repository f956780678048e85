from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from dast.tiny.base import IGNORED, BaseSettings, batches, encode, train_base
from dast.tiny.corpus import Noise, conversations
from dast.tiny.muon import Muon, orthogonal
from dast.tiny.tokenizer import make_tokenizer

SETTINGS = BaseSettings(
    seed=5,
    steps_short=6,
    steps_long=4,
    long_weights=(2.0, 2.0, 2.0, 2.0, 1.7, 1.3),
    top=59,
    batch_size=8,
    learning_rate=3e-3,
    hidden_size=32,
    layers=2,
    heads=2,
    noise=Noise(
        worked_rate=0.3,
        shots_rate=0.3,
        slip_plain={"c": 0.3, "d": 0.65, "t": 0.85},
        slip_worked={"c": 0.1, "d": 0.3, "t": 0.45},
    ),
)


def weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_encode_conversations_equal_what_the_chat_template_renders() -> None:
    tokenizer = make_tokenizer()
    drawn = list(conversations(random.Random(0), 60, (1, 1, 1, 1, 1, 1), SETTINGS.noise))
    assert max(map(len, drawn)) > 1
    for turns, ids in zip(drawn, encode(drawn, tokenizer), strict=True):
        messages = [
            message
            for query, response in turns
            for message in ({"role": "user", "content": query}, {"role": "assistant", "content": response})
        ]
        assert tokenizer.apply_chat_template(messages)["input_ids"] == ids


def test_batches_labels_are_the_responses_and_nothing_else() -> None:
    tokenizer = make_tokenizer()
    seen = 0
    for ids, labels in batches(SETTINGS, tokenizer):
        for row, kept in zip(ids.tolist(), labels.tolist(), strict=True):
            text = tokenizer.decode([i for i in row if i != tokenizer.pad_token_id])
            target = tokenizer.decode([i for i in kept if i != IGNORED])
            turns = text.removeprefix(tokenizer.bos_token).split(tokenizer.eos_token)[:-1]
            assert target.replace(" ", "") == "".join(
                turn.split("\n")[1] + tokenizer.eos_token for turn in turns
            ).replace(" ", "")
            seen += 1
    assert seen == (SETTINGS.steps_short + SETTINGS.steps_long) * SETTINGS.batch_size


def test_train_base_saved_model_loads_and_generates(tmp_path: Path) -> None:
    trained = train_base(SETTINGS, tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert torch.equal(weights(model), weights(trained))
    messages = [{"role": "user", "content": "Tom has 9 coins. Sep triples. How many?"}]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")
    out = model.generate(**prompt, max_new_tokens=5, do_sample=False)
    assert out.shape[1] > prompt["input_ids"].shape[1]


def test_train_base_same_seed_same_weights_other_seed_others(tmp_path: Path) -> None:
    short = replace(SETTINGS, steps_short=2, steps_long=1)
    first = weights(train_base(short, tmp_path / "a"))
    assert torch.equal(first, weights(train_base(short, tmp_path / "b")))
    assert not torch.equal(first, weights(train_base(replace(short, seed=6), tmp_path / "c")))


def test_train_base_a_few_steps_lower_the_loss(tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    ids, labels = next(batches(SETTINGS, tokenizer))

    def loss(steps: int) -> float:
        model = train_base(replace(SETTINGS, steps_short=steps, steps_long=0), tmp_path / str(steps)).eval()
        with torch.no_grad():
            return float(model(input_ids=ids, labels=labels).loss)

    assert loss(60) < loss(1) - 1.0


def test_orthogonal_random_matrices_singular_values_are_near_one() -> None:
    matrices = torch.randn(3, 16, 40, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonal(matrices))
    assert 0.6 < values.min() < values.max() < 1.3


def test_muon_high_and_wide_matrices_reach_their_target() -> None:
    generator = torch.Generator().manual_seed(0)
    for shape in ((8, 20), (20, 8)):
        target = torch.randn(shape, generator=generator)
        weight = torch.nn.Parameter(torch.zeros(shape))
        optimizer = Muon([weight], lr=0.05, weight_decay=0.0)
        for _ in range(200):
            optimizer.zero_grad()
            (weight - target).square().sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        assert (weight - target).abs().mean() < 0.1 * target.abs().mean()
