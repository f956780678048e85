"""Checks of preflight that need a tokenizer or a model: a small one of random weights."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from transformers import AutoConfig, LlamaConfig, LlamaForCausalLM
from trl.trainer.utils import add_fused_lm_head

from dast.cli import main
from dast.errors import ModelError
from dast.policies.counting import BY_CHARACTERS
from dast.policies.folder import write_policy
from dast.preflight.configs import shape_of
from dast.preflight.device import speed
from dast.preflight.findings import Finding, Specimen
from dast.preflight.material import Places, queries_of
from dast.preflight.pilot import N_PILOT, STAGE
from dast.preflight.prompts import Kind, kinds_of, shown
from dast.preflight.shapes import Shape
from dast.preflight.tokens import load_tokenizer, round_trip, special_tokens, template_findings
from dast.preflight.training_memory import Run, activation_bytes, layer_bytes, run_of
from dast.prompts import sampling_prompt
from dast.recording import recording
from dast.rollouts import wanted
from dast.smallfiles import write_text
from dast.store.blocks import Asker
from dast.store.keeping import Store
from dast.tiny.tokenizer import make_tokenizer
from tests.makers import ROOT, default_settings, queries_table
from tests.test_starts import bpe
from tests.tiny_models import save_tiny_model

SETTINGS = default_settings()
STYLE = SETTINGS.prompt.tuned
TURNS = "{% for m in messages %}{{ m['content'] + ' ' }}{% endfor %}"
QUERY, SOLUTION = "Eva has 17 cards. Sep drops 6. How many?", "Sep 17-6=11; #### 11"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_tiny_model(tmp_path_factory.mktemp("models") / "base")
    write_policy(folder, name="base", kind="tiny")
    return folder


def test_shape_counts_what_would_be_loaded(model: Path) -> None:
    loaded = LlamaForCausalLM.from_pretrained(model)
    shape = shape_of(model)
    assert shape.n_parameters == sum(weights.numel() for weights in loaded.parameters())
    assert shape == Shape(shape.n_parameters, 2, 64, 64, 64, len(make_tokenizer()), 512, tied=True)


def test_shape_of_shared_keys_is_theirs(tmp_path: Path) -> None:
    config = LlamaConfig(hidden_size=64, num_attention_heads=8, num_key_value_heads=2, num_hidden_layers=1)
    config.save_pretrained(tmp_path)
    assert shape_of(tmp_path).key_value == 2 * 8


def test_shape_without_a_config_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="gives no model of a known shape"):
        shape_of(tmp_path)


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("rank", [None, 4])
def test_activations_are_what_a_forward_pass_holds(
    tmp_path: Path, bf16: bool, checkpointing: bool, rank: int | None
) -> None:
    rows, tokens = 3, 60  # no product of them is another size of the model's
    sizes = {"hidden_size": 128, "intermediate_size": 352, "num_attention_heads": 8, "num_key_value_heads": 2}
    LlamaConfig(vocab_size=500, num_hidden_layers=3, **sizes).save_pretrained(tmp_path)
    shape = shape_of(tmp_path)
    run = replace(run_of(SETTINGS, "sft"), n_rows=rows, n_tokens=tokens)
    run = replace(run, bf16=bf16, checkpointing=checkpointing, rank=rank)
    expected = activation_bytes(shape, run)
    if checkpointing:  # made again in the backward pass, which this does not run
        expected -= rows * tokens * layer_bytes(shape, run)
    assert held(tmp_path, rows, tokens, run) == pytest.approx(expected, rel=0.06)


def held(folder: Path, rows: int, tokens: int, run: Run) -> int:
    """Bytes that autograd keeps of a forward pass as TRL makes it; weights and their copies left out."""
    network = LlamaForCausalLM(AutoConfig.from_pretrained(folder)).train()
    if run.checkpointing:
        network.gradient_checkpointing_enable()
        network.enable_input_require_grads()
    add_fused_lm_head(network, outputs=("log_probs", "entropy", "is_top1"))
    model = network if run.rank is None else with_adapter(network, run.rank)
    own = {weights.untyped_storage().data_ptr() for weights in model.parameters()}
    shapes = {shape for weights in model.parameters() for shape in (weights.shape, weights.shape[::-1])}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own and tensor.shape not in shapes:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    ids = torch.zeros(rows, tokens, dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[0, -5:] = 0  # padding: keys and values are repeated for every head
    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16, enabled=run.bf16):
        model(input_ids=ids, attention_mask=mask, labels=ids, use_cache=False, fused_lm_head=True)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def with_adapter(network: torch.nn.Module, rank: int) -> torch.nn.Module:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=rank, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted: torch.nn.Module = peft.get_peft_model(network, config)
    return adapted


def test_speeds_of_the_device_are_plausible() -> None:
    found = speed(bf16=False)
    assert found.operations_per_s > 1e9
    assert found.bytes_per_s > 1e8
    assert 1e-7 < found.call_s < 1e-3


def test_round_trip_of_the_world_is_ok_and_of_other_text_is_not() -> None:
    tokenizer = make_tokenizer()
    assert round_trip(tokenizer, [QUERY, SOLUTION]).kind == "ok"
    assert round_trip(tokenizer, [QUERY, SOLUTION, "Zoe has 3 pears."]).kind == "warning"
    finding = round_trip(tokenizer, ["Zoe has 3 pears."])
    assert finding.kind == "error"
    assert "'Zoe has 3 pears.' as '<unk>" in finding.text


def test_special_tokens_in_data_are_named_with_their_rows() -> None:
    rows = queries_table(3)
    assert special_tokens(make_tokenizer(), rows).kind == "ok"
    spoilt = rows.with_columns(
        solution=pl.when(pl.col("query_id") == "q001").then(pl.lit("a</s>b")).otherwise("solution")
    )
    finding = special_tokens(make_tokenizer(), spoilt)
    assert finding.kind == "warning"
    assert finding.text.startswith("1 row")
    assert "q001" in finding.text


def template_kinds(template: str | None) -> list[str]:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = template or tokenizer.chat_template
    return [finding.kind for finding in template_findings(tokenizer, STYLE, QUERY, SOLUTION)]


def test_template_of_the_tiny_base_is_ok() -> None:
    assert template_kinds(None) == ["ok", "ok"]


@pytest.mark.parametrize(
    ("template", "kinds"),
    [
        (TURNS + "{% if add_generation_prompt %}.{% endif %}</s>", ["error", "ok"]),
        (TURNS, ["ok", "warning"]),
        ("{{ bos_token }}{{ bos_token }}" + TURNS, ["ok", "warning", "warning"]),
        ("{{ raise_exception('no system message here') }}", ["error"]),
    ],
)
def test_template_faults_are_found(template: str, kinds: list[str]) -> None:
    assert template_kinds(template) == kinds


def test_raw_prompts_need_no_template_and_are_the_start_of_their_rows() -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = None
    raw = STYLE.model_copy(update={"raw": True})
    (found,) = template_findings(tokenizer, raw, QUERY, SOLUTION)
    assert (found.kind, found.subject) == ("ok", "raw prompts")


def test_raw_prompt_whose_end_merges_with_the_response_is_an_error() -> None:
    tokenizer = bpe("")
    merged = STYLE.model_copy(update={"raw": True, "user": "{query}."})
    (found,) = template_findings(tokenizer, merged, "How many", "\nThen 27")
    assert found.kind == "error"


def test_template_of_params_serves_a_tokenizer_without_one(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "bare")
    (tmp_path / "bare" / "chat_template.jinja").unlink()
    assert [one.kind for one in template_findings(load_tokenizer(tmp_path / "bare", None), STYLE, "a", "b")] == [
        "error"
    ]
    assert load_tokenizer(tmp_path / "bare", "{{ 1 }}").chat_template == "{{ 1 }}"
    with pytest.raises(ModelError, match="no tokenizer can be loaded"):
        load_tokenizer(tmp_path, None)


def with_ladder(**changes: bool) -> object:
    raw = SETTINGS.model_dump()
    for name, enabled in changes.items():
        raw["augment"]["ladder"][name]["enabled"] = enabled
    return SETTINGS.model_validate(raw)


def test_prompts_of_every_kind_are_shown_as_sent() -> None:
    queries = queries_table(3).with_columns(
        query=pl.format("Eva has {} cards. Sep drops 6. Oct wins 3. How many?", pl.int_range(pl.len()) + 50),
        answer=pl.lit("47"),
        solution=pl.lit("Sep 50-6=44; Oct 44+3=47; #### 47"),
    )
    kinds = list(kinds_of(with_ladder(hinted=True), queries, BY_CHARACTERS))  # type: ignore[arg-type]
    assert [kind.name for kind in kinds if isinstance(kind, Kind)] == ["plain", "matched", "hinted"]
    told = list(shown([kind for kind in kinds if isinstance(kind, Kind)], make_tokenizer(), 512))
    texts = [one.text for one in told if isinstance(one, Specimen)]
    assert texts[0] == "<s> Eva has 50 cards. Sep drops 6. Oct wins 3. How many?\n"
    assert texts[1].count("How many?") == 2
    assert texts[2].endswith("Sep 50-6=44;")
    assert [one.kind for one in told if isinstance(one, Finding)] == ["ok", "ok", "ok"]


def test_prompts_without_solutions_say_what_is_lacking() -> None:
    bare = queries_table(2).with_columns(solution=pl.lit(None, pl.String))
    _, *rest = kinds_of(with_ladder(hinted=True), bare, BY_CHARACTERS)  # type: ignore[arg-type]
    assert [one.kind for one in rest if isinstance(one, Finding)] == ["warning", "warning"]


@pytest.mark.parametrize(("limit", "kinds"), [(512, ["ok"]), (90, ["warning"]), (5, ["error"])])
def test_prompts_too_long_for_their_response_are_found(limit: int, kinds: list[str]) -> None:
    plain = Kind("plain", [{"role": "user", "content": QUERY}], 80)
    found = [one.kind for one in shown([plain], make_tokenizer(), limit) if isinstance(one, Finding)]
    assert found == kinds


def test_command_tries_the_base_and_pays_nothing_twice(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DAST_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    write_text(tmp_path / "dvc.yaml", "")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(model, tmp_path / "models" / "base")
    outs = []
    for _ in range(2):
        assert main(["preflight"]) == 0
        outs.append(capsys.readouterr().out)
        with Store(tmp_path / "store") as store:
            (held_,) = store.holdings()
        assert (held_.n_rollouts, held_.stage, held_.round) == (10, STAGE, "r1")
    assert "pilot: 10 rollouts: " in outs[0]
    assert "time, all: up to roughly" in outs[0]
    assert kept_for_sample(tmp_path / "models" / "base", monkeypatch) == 10
    first, again = ([line for line in out.splitlines() if ": 10 rollouts" in line] for out in outs)
    assert first == again


def kept_for_sample(base: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Rollouts of `sample` that need no engine after a pilot."""
    monkeypatch.setenv("DAST_REPLAY", "1")
    queries, _ = queries_of(SETTINGS, Places(base, base, base, base, base))
    assert queries is not None
    items = [
        item
        for query_id, query in queries.train.head(N_PILOT).select("query_id", "query").iter_rows()
        for item in wanted(query_id, "sample", [0], sampling_prompt(SETTINGS.prompt.base, query))
    ]
    with recording(SETTINGS.generation, base, Asker("base", "r1", "sample"), SETTINGS.sample.seed, None) as recorder:
        return recorder.collect(items, SETTINGS.sample.decoding, "rollouts").height
