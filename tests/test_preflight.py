"""Checks of preflight that look at params, tables and answers of the Hub: each finding, without network or model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled, RepositoryNotFoundError, RevisionNotFoundError

from dast.errors import ModelError
from dast.frames import frame, write
from dast.params.project import parse_project
from dast.params.sections import Settings
from dast.params.sources import Bootstrap
from dast.policies.folder import folder_digest
from dast.preflight.access import Wanted, folder_findings, hub_finding, wanted_of
from dast.preflight.disk import (
    Counts,
    Disk,
    counts_of,
    disk_findings,
    disks,
    kept_bytes,
    model_bytes,
    rollout_bytes,
)
from dast.preflight.findings import Finding, Specimen, counted
from dast.preflight.forecast import base_stage, forecast_findings, sampling_stages, training_stage
from dast.preflight.material import Places, look_folder, queries_of
from dast.preflight.memory import key_value_bytes, sampling_bytes, sampling_finding, training_finding
from dast.preflight.pilot import Pilot, pilot_findings
from dast.preflight.shapes import Shape, length_findings
from dast.preflight.sources import source_faults
from dast.preflight.training_memory import Run, adapter_parameters, run_of, training_bytes
from dast.preflight.training_time import USED_RATE, Row, Speed, step_s
from dast.presets import compose
from dast.smallfiles import write_text
from dast.store.database import Holding
from dast.tables import QUERIES, TEST_QUERIES
from tests.makers import ROOT, default_settings, queries_table

SETTINGS = default_settings()
COMMIT = "0123456789" * 4
GB = 1_000_000_000
LLAMA_8B = Shape(8_030_261_248, 32, 4096, 14_336, 1024, 128_256, 131_072, tied=False)
QWEN_1B = Shape(1_543_714_304, 28, 1536, 8_960, 256, 151_936, 32_768, tied=True)
ONE = Run(
    method="sft",
    n_rows=1,
    n_tokens=1,
    optimizer="adamw_torch",
    accumulates=False,
    bf16=False,
    checkpointing=False,
    n_models=1,
    asks_reference=False,
    rank=None,
    quantized=False,
    n_processes=1,
    sharded=False,
)
LONG = replace(ONE, n_rows=4, n_tokens=2048, bf16=True)


def changed(**sections: Mapping[str, Any]) -> Settings:
    raw = compose([], ROOT / "presets")["defaults"]
    return Settings.model_validate({**raw, **{name: {**raw[name], **section} for name, section in sections.items()}})


class FakeHub:
    """Refuses with an error, or gives a commit."""

    def __init__(self, refusal: Exception | None = None, at: str = "auth_check") -> None:
        self.refusal, self.at = refusal, at

    def auth_check(self, repo_id: str, *, repo_type: str) -> None:
        self._maybe("auth_check")

    def repo_info(self, repo_id: str, *, repo_type: str, revision: str | None) -> Any:
        self._maybe("repo_info")
        return SimpleNamespace(sha=COMMIT)

    def _maybe(self, call: str) -> None:
        if self.refusal is not None and self.at == call:
            raise self.refusal


def refusal(kind: type[Exception]) -> Exception:
    error = kind.__new__(kind)
    error.args = ("refused",)
    return error


def test_finding_is_one_line_with_its_kind_in_front() -> None:
    assert Finding("warning", "disk", "nearly\n full; free some").told() == "warning disk: nearly full; free some"


def test_specimen_keeps_every_line_and_blank() -> None:
    assert Specimen("plain", "a \n\nb").told() == "prompt  plain\n        | a \n        | \n        | b"


def test_counted_has_every_kind() -> None:
    assert counted([Finding("ok", "a", "b")]) == {"ok": 1, "info": 0, "warning": 0, "error": 0}


@pytest.mark.parametrize(
    ("error", "at", "kind", "told"),
    [
        (GatedRepoError, "auth_check", "error", "accept its terms at https://huggingface.co/datasets/a/b"),
        (RepositoryNotFoundError, "auth_check", "error", "correct defaults.prepare.train.0"),
        (RevisionNotFoundError, "repo_info", "error", "fill a commit of its history"),
        (OfflineModeIsEnabled, "auth_check", "warning", "cannot be reached"),
        (RuntimeError, "repo_info", "warning", "cannot be reached"),
    ],
)
def test_hub_refusals_are_one_finding_each(error: type[Exception], at: str, kind: str, told: str) -> None:
    finding = hub_finding(Wanted("prepare.train.0", "dataset", "a/b", COMMIT), FakeHub(refusal(error), at))
    assert finding.kind == kind
    assert told in finding.text


@pytest.mark.parametrize(
    ("revision", "kind"), [(COMMIT, "ok"), ("main", "warning"), (COMMIT[:12], "warning"), (None, "error")]
)
def test_hub_only_a_whole_commit_is_ok_and_else_the_commit_is_named(revision: str | None, kind: str) -> None:
    finding = hub_finding(Wanted("bootstrap", "model", "a/b", revision), FakeHub())
    assert finding.kind == kind
    assert kind == "ok" or COMMIT in finding.text


def test_wanted_names_every_repository_of_a_preset_once() -> None:
    settings = Settings.model_validate(compose(["qwen-1.5b-24gb"], ROOT / "presets")["defaults"])
    found = wanted_of(settings.prepare, settings.bootstrap)
    assert [(one.kind, one.hub_id) for one in found] == [
        ("dataset", "openai/gsm8k"),
        ("dataset", "ChilleD/SVAMP"),
        ("model", "Qwen/Qwen2.5-1.5B-Instruct"),
    ]
    assert wanted_of(SETTINGS.prepare, SETTINGS.bootstrap) == []


def local(source: Path, digest: str | None) -> Bootstrap:
    changes = {"kind": "local", "source": str(source), "digest": digest}
    return SETTINGS.bootstrap.model_copy(update=changes)


def test_local_folder_is_held_against_its_digest(tmp_path: Path) -> None:
    write_text(tmp_path / "config.json", "{}")
    digest = folder_digest(tmp_path)
    assert [one.kind for one in folder_findings(local(tmp_path, digest))] == ["ok"]
    for other in (None, "f" * 64):
        (finding,) = folder_findings(local(tmp_path, other))
        assert finding.kind == "error"
        assert f"set it to {digest}" in finding.text
    assert [one.kind for one in folder_findings(local(tmp_path / "nowhere", digest))] == ["error"]
    assert list(folder_findings(SETTINGS.bootstrap)) == []


def test_source_faults_name_each_missing_file(tmp_path: Path) -> None:
    project = parse_project(compose(["gsm8k-recorded"], ROOT / "presets"), "preset")
    faults = source_faults(project, tmp_path)
    assert [fault.partition(":")[0] for fault in faults] == [
        "defaults.prepare.train.0.path",
        "defaults.prepare.pool.path",
    ]
    for name in ("test.jsonl", "example_model_solutions.jsonl"):
        write_text(tmp_path / "gsm8k" / name, "{}")
    assert source_faults(project, tmp_path) == []


def places(root: Path) -> Places:
    return Places(root, root / "data", root / "data/raw", root / "data/queries", root / "models")


def test_queries_written_are_taken_and_else_made(tmp_path: Path) -> None:
    here = places(tmp_path)
    made, told = queries_of(SETTINGS, here)
    assert made is not None
    assert made.train["query_id"].is_sorted()
    assert told == Finding("ok", "queries", "920 to train, 520 in 3 test sets, as prepare would write them")
    write(QUERIES, queries_table(3), here.train)
    write(TEST_QUERIES, frame(TEST_QUERIES, []), here.tests / "none.parquet")
    found, told = queries_of(SETTINGS, here)
    assert found is not None
    assert found.train.height == 3
    assert told.text == "3 to train, 0 in 0 test sets, as prepare wrote them"


def test_queries_on_the_hub_wait_for_prepare(tmp_path: Path) -> None:
    settings = Settings.model_validate(compose(["qwen-1.5b-24gb"], ROOT / "presets")["defaults"])
    found, told = queries_of(settings, places(tmp_path))
    assert found is None
    assert told.kind == "info"
    assert "openai/gsm8k" in told.text


def test_look_folder_of_a_hub_model_is_what_the_hub_gave_and_a_refusal_is_told(tmp_path: Path) -> None:
    hub = SETTINGS.bootstrap.model_copy(update={"kind": "hub", "source": "a/b", "revision": COMMIT})

    def take(hub_id: str, revision: str, kept_only: bool) -> Path:
        return tmp_path / hub_id / revision / ("kept" if kept_only else "")

    folder, told = look_folder(hub, tmp_path / "base", take, reachable=True)
    assert folder == tmp_path / "a/b" / COMMIT
    assert told.kind == "info"

    def refuse(hub_id: str, revision: str, kept_only: bool) -> Path:
        raise ModelError(f"{hub_id}: gone")

    assert look_folder(hub, tmp_path / "base", take, reachable=False)[0] == tmp_path / "a/b" / COMMIT / "kept"
    assert look_folder(hub, tmp_path / "base", refuse, reachable=True)[1].kind == "warning"
    assert look_folder(hub, tmp_path / "base", refuse, reachable=False)[1].kind == "info"
    write_text(tmp_path / "none" / "policy.json", "{}")
    none = SETTINGS.bootstrap.model_copy(update={"kind": "none"})
    assert look_folder(none, tmp_path / "none", refuse, reachable=True) == (
        None,
        Finding("ok", "base model", "none is asked for"),
    )
    folder, told = look_folder(SETTINGS.bootstrap, tmp_path / "base", refuse, reachable=True)
    assert folder is None
    assert told.kind == "info"


def test_disk_counts_every_rollout_that_the_rounds_may_want() -> None:
    counts = counts_of({"r1": SETTINGS, "r2": SETTINGS}, 100, 10)
    assert counts == Counts(n_rollouts=2 * 100 * 8 + 10 * (5 * 3 + 4), max_new_tokens=80)
    tokens = changed(augment={"budget": {"unit": "tokens", "per_query": 800.0}})
    assert counts_of({"r1": tokens}, 100, 0).n_rollouts == 100 * 10


def test_disk_rollouts_lie_once_in_the_store_and_twice_in_tables() -> None:
    assert rollout_bytes(Counts(10, 80), None) == (400, 800)
    assert rollout_bytes(Counts(10, 80), 7.0) == (70, 140)


def test_disk_size_of_a_rollout_is_that_of_those_kept() -> None:
    def holding(n_rollouts: int, n_bytes: int) -> Holding:
        return Holding("p", "base", "r1", "sample", "s", n_rollouts, 0, 0, n_bytes, 1.0)

    assert kept_bytes([]) is None
    assert kept_bytes([holding(10, 400), holding(30, 400)]) == 20


def test_disk_shared_is_one_and_two_are_two() -> None:
    store, project = (Path("/s"), 10), (Path("/p"), 20)
    assert disks(store, project, {Path("/s"): (1, 99), Path("/p"): (1, 99)}) == [Disk("/p", 30, 99)]
    apart = disks(store, project, {Path("/s"): (1, 99), Path("/p"): (2, 50)})
    assert apart == [Disk("/s", 10, 99), Disk("/p", 20, 50)]


@pytest.mark.parametrize(("free", "kind"), [(99, "error"), (150, "warning"), (200, "ok")])
def test_disk_with_too_little_room_is_an_error_and_a_tight_one_a_warning(free: int, kind: str) -> None:
    assert [one.kind for one in disk_findings([Disk("/p", 100, free)], "what")] == [kind]


def test_memory_training_counts_weights_gradients_moments_and_what_adamw_makes() -> None:
    assert training_bytes(QWEN_1B, ONE) == pytest.approx(20 * QWEN_1B.n_parameters, rel=0.05)
    reference = replace(ONE, n_models=2, asks_reference=True)
    assert training_bytes(QWEN_1B, reference) - training_bytes(QWEN_1B, ONE) == 4 * QWEN_1B.n_parameters


def test_memory_adafactor_makes_two_of_the_largest_matrix_alone() -> None:
    words = 151_936 * 1536
    found = training_bytes(QWEN_1B, replace(ONE, optimizer="adafactor"))
    assert found == pytest.approx(8.1 * QWEN_1B.n_parameters + 8 * words + 800e6, rel=0.001)


@pytest.mark.parametrize(
    ("change", "less"),
    [
        ({"checkpointing": True}, True),
        ({"optimizer": "adafactor"}, True),
        ({"rank": 16}, True),
        ({"n_rows": 8}, False),
        ({"accumulates": True}, False),
        ({"n_models": 2}, False),
    ],
)
def test_memory_moves_as_the_settings_do(change: dict[str, Any], less: bool) -> None:
    before, after = training_bytes(QWEN_1B, LONG), training_bytes(QWEN_1B, replace(LONG, **change))
    assert after != before
    assert (after < before) is less


def test_memory_has_a_tile_of_logits_however_many_words() -> None:
    more = replace(QWEN_1B, vocabulary=2 * QWEN_1B.vocabulary)
    added = 1536 * 151_936  # the head's further weights, which stand in n_parameters
    grown = training_bytes(more, LONG) - training_bytes(QWEN_1B, LONG)
    assert grown == pytest.approx(4 * added - 2 * added, rel=0.001)  # gradient; of the rest fewer are the layers'


def test_memory_gradients_stand_beside_activations_only_where_batches_make_a_step() -> None:
    grown = training_bytes(QWEN_1B, replace(LONG, accumulates=True)) - training_bytes(QWEN_1B, LONG)
    assert grown == 4 * QWEN_1B.n_parameters


def test_memory_run_of_dpo_holds_both_sides_and_a_reference() -> None:
    sft = replace(ONE, n_rows=32, n_tokens=256)
    assert run_of(SETTINGS, "sft") == sft
    assert run_of(SETTINGS, "dpo") == replace(sft, method="dpo", n_rows=64, n_models=2, asks_reference=True)


@pytest.mark.parametrize(
    ("preset", "shape", "gpu_bytes"), [("llama-3.1-8b", LLAMA_8B, 84 * GB), ("qwen-1.5b-24gb", QWEN_1B, 25 * GB)]
)
@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_memory_of_a_preset_fits_the_gpu_that_it_names(preset: str, shape: Shape, gpu_bytes: int, method: str) -> None:
    settings = Settings.model_validate(compose([preset], ROOT / "presets")["defaults"])
    assert training_finding(shape, run_of(settings, method), gpu_bytes).kind == "ok"
    vllm = settings.generation.model_copy(update={"engine": "vllm"})
    assert sampling_finding(shape, vllm, gpu_bytes).kind == "ok"


@pytest.mark.parametrize(("gpu_bytes", "kind"), [(None, "info"), (200 * GB, "ok"), (24 * GB, "error")])
def test_memory_training_is_held_against_the_gpu(gpu_bytes: int | None, kind: str) -> None:
    finding = training_finding(LLAMA_8B, replace(LONG, checkpointing=True), gpu_bytes)
    assert finding.kind == kind
    assert ("adafactor" in finding.text) is (kind == "error")


def test_memory_training_nearly_full_is_a_warning() -> None:
    run = replace(ONE, n_tokens=128, optimizer="adafactor", bf16=True, checkpointing=True)
    finding = training_finding(QWEN_1B, run, int(training_bytes(QWEN_1B, run) / 0.95))
    assert finding.kind == "warning"
    assert "batch_size" not in finding.text
    assert "gradient_checkpointing" not in finding.text


def test_memory_of_an_adapter_is_its_base_and_little_more() -> None:
    run = replace(ONE, rank=16)
    assert adapter_parameters(LLAMA_8B, 16) == 41_943_040  # as peft counts it
    assert training_bytes(LLAMA_8B, run) == pytest.approx(4 * LLAMA_8B.n_parameters + 20 * 41_943_040, rel=0.05)
    quantized = training_bytes(LLAMA_8B, replace(run, quantized=True))
    assert quantized < training_bytes(LLAMA_8B, run) / 2


def test_memory_of_processes_together_is_a_share_only_where_they_share() -> None:
    four = replace(ONE, n_processes=4)
    assert training_bytes(QWEN_1B, four) > training_bytes(QWEN_1B, ONE)
    shared = training_bytes(QWEN_1B, replace(four, sharded=True))
    assert shared == pytest.approx(5 * QWEN_1B.n_parameters, rel=0.2)


def test_memory_run_with_an_adapter_or_an_asked_reference_holds_no_second_model() -> None:
    asked = run_of(changed(train={"dpo": {**SETTINGS.train.dpo.model_dump(), "precompute_ref_log_probs": True}}), "dpo")
    assert (asked.n_models, asked.asks_reference) == (1, False)
    found = run_of(changed(train={"lora": LORA | {"quantized": True}}), "dpo")
    assert (found.n_models, found.asks_reference, found.rank, found.quantized) == (1, True, 8, True)


LORA = {"rank": 8, "alpha": 16.0, "dropout": 0.0, "targets": None, "quantized": False, "merge": False}


def test_disk_of_models_is_base_rounds_their_runs_and_two_checkpoints() -> None:
    n = QWEN_1B.n_parameters
    assert model_bytes(QWEN_1B, [(SETTINGS, "sft"), (SETTINGS, "dpo")]) == 4 * n + 2 * 2 * 4 * n + 2 * 12 * n


def test_disk_of_adapters_is_theirs_alone_and_merged_ones_are_whole() -> None:
    n, own = QWEN_1B.n_parameters, adapter_parameters(QWEN_1B, 8)
    alone, merged = (changed(train={"lora": LORA | {"merge": merge}}) for merge in (False, True))
    assert model_bytes(QWEN_1B, [(alone, "sft")]) == 4 * n + 2 * 4 * own + 2 * 12 * own
    assert model_bytes(QWEN_1B, [(merged, "sft")]) == 4 * n + 2 * 4 * n + 2 * 12 * own


def test_memory_keys_and_values_of_a_known_model() -> None:
    assert key_value_bytes(LLAMA_8B, "bfloat16") == 131_072  # as published: 128 KiB a token


def test_memory_sampling_by_engine() -> None:
    changes = {"engine": "vllm", "dtype": "bfloat16", "max_model_tokens": 4096, "batch_rollouts": 16_384}
    vllm = SETTINGS.generation.model_copy(update=changes)
    plain = vllm.model_copy(update={"engine": "transformers"})
    assert sampling_finding(LLAMA_8B, vllm, 80 * GB).kind == "ok"
    assert sampling_finding(LLAMA_8B, plain, 80 * GB).kind == "warning"
    assert sampling_finding(LLAMA_8B, vllm, 16 * GB).kind == "error"
    assert sampling_finding(LLAMA_8B, vllm.model_copy(update={"tensor_parallel": 2}), 16 * GB).kind == "ok"
    assert sampling_finding(LLAMA_8B, vllm.model_copy(update={"engine": "server"}), 16 * GB).kind == "info"
    assert sampling_finding(LLAMA_8B, vllm, None).kind == "info"


def test_memory_sampling_by_transformers_is_weights_and_whole_sequences() -> None:
    changes = {"engine": "transformers", "dtype": "bfloat16", "max_model_tokens": 4096, "batch_rollouts": 8}
    generation = SETTINGS.generation.model_copy(update=changes)
    least = 2 * LLAMA_8B.n_parameters + 8 * 4096 * key_value_bytes(LLAMA_8B, "bfloat16")
    assert least < sampling_bytes(LLAMA_8B, generation) < 1.2 * least


def test_lengths_beyond_the_models_are_errors() -> None:
    def faults(longest: int | None) -> list[str]:
        return [one.text.split()[0] for one in length_findings(replace(QWEN_1B, longest=longest), SETTINGS)]

    assert faults(None) == faults(512) == []
    assert faults(511) == ["generation.max_model_tokens"]
    assert faults(255) == ["generation.max_model_tokens", "train.max_tokens"]


PILOT = Pilot(
    n_rollouts=10,
    n_prompt_tokens=200,
    n_tokens=300,
    seconds=3.0,
    n_truncated=0,
    n_failed=0,
    verdicts={"correct": 4, "incorrect": 6},
    kept_tokens_per_s=None,
)


def test_pilot_is_one_line_with_its_counts() -> None:
    (finding,) = pilot_findings(PILOT)
    told = "10 rollouts: 4 correct, 6 incorrect; 30 tokens on average, 0 truncated; 100 tokens/s 10 at a time"
    assert finding == Finding("ok", "pilot", told)


@pytest.mark.parametrize(
    ("change", "kind", "told"),
    [
        ({"n_failed": 1}, "error", "failed"),
        ({"n_truncated": 6}, "warning", "max_new_tokens"),
        ({"verdicts": {"ungraded": 1, "correct": 9}}, "warning", "1 ungraded"),
        ({"verdicts": {"no_answer": 6, "correct": 4}}, "warning", "grading.extraction"),
    ],
)
def test_pilot_alarms_say_what_to_change(change: dict[str, Any], kind: str, told: str) -> None:
    _, alarm = pilot_findings(replace(PILOT, **change))
    assert alarm.kind == kind
    assert told in alarm.text


def test_forecast_time_is_tokens_by_speed() -> None:
    stages = {stage.name: stage.seconds for stage in sampling_stages(SETTINGS, 100, 10, PILOT)}
    assert stages == {"sample": 100 * 4 * 0.3, "augment": 100 * 4 * 0.3, "evaluate": 10 * 5 * 0.3}
    assert base_stage(SETTINGS, 10, PILOT).seconds == 10 * 9 * 0.3


FAST = Speed(operations_per_s=1e12, bytes_per_s=1e30, call_s=0.0)
ROW = Row(n_tokens=500, n_answer_tokens=400)


def test_time_of_a_step_is_six_operations_a_weight_and_the_heads_logits_twice() -> None:
    bare = replace(QWEN_1B, hidden=0)
    assert step_s(bare, ONE, ROW, 1, FAST) == pytest.approx(6 * bare.n_parameters * 500 / (1e12 * USED_RATE))
    layers = replace(QWEN_1B, n_parameters=151_936 * 1536, n_layers=0)
    assert step_s(layers, ONE, ROW, 1, FAST) == pytest.approx(8 * layers.n_parameters * 400 / (1e12 * USED_RATE))


@pytest.mark.parametrize(
    ("change", "share"),
    [({"rank": 8}, 2 / 3), ({"checkpointing": True}, 4 / 3), ({"asks_reference": True}, 4 / 3), ({"n_rows": 2}, 2)],
)
def test_time_of_a_step_moves_as_the_settings_do(change: dict[str, Any], share: float) -> None:
    shape = replace(QWEN_1B, vocabulary=0)
    whole = step_s(shape, ONE, ROW, 1, FAST)
    assert step_s(shape, replace(ONE, **change), ROW, 1, FAST) == pytest.approx(share * whole)


def test_time_of_a_step_is_the_hosts_where_it_cannot_call_fast_enough() -> None:
    slow = replace(FAST, call_s=1.0)
    assert step_s(QWEN_1B, ONE, ROW, 3, slow) == pytest.approx(3 * step_s(QWEN_1B, ONE, ROW, 1, slow))
    assert step_s(QWEN_1B, ONE, ROW, 1, slow) == step_s(replace(QWEN_1B, hidden=10), ONE, ROW, 1, slow)


def test_time_of_the_hosts_calls_grows_with_adapters_and_adafactor_though_not_with_rows() -> None:
    slow = replace(FAST, call_s=1.0)
    host = step_s(QWEN_1B, ONE, ROW, 1, slow)
    assert step_s(QWEN_1B, replace(ONE, n_rows=8), ROW, 1, slow) == host
    assert 1.5 * host < step_s(QWEN_1B, replace(ONE, rank=8), ROW, 1, slow) < 2 * host
    adafactor = [step_s(QWEN_1B, replace(ONE, optimizer="adafactor"), ROW, n, slow) for n in (1, 2)]
    assert adafactor[0] > host
    assert adafactor[1] - adafactor[0] == pytest.approx(host)  # it steps once


def test_time_of_moving_is_added_and_the_optimiser_moves_once_a_step() -> None:
    bound = replace(FAST, operations_per_s=1e30, bytes_per_s=1e9)
    one, two = (step_s(QWEN_1B, ONE, ROW, n_batches, bound) for n_batches in (1, 2))
    assert one < two < 2 * one
    mixed = replace(FAST, bytes_per_s=1e9)
    assert step_s(QWEN_1B, ONE, ROW, 1, mixed) == pytest.approx(one + step_s(QWEN_1B, ONE, ROW, 1, FAST))


def test_forecast_training_is_a_step_by_steps() -> None:
    row = Row(PILOT.mean_row_tokens, PILOT.mean_tokens)
    sft = training_stage(SETTINGS, "sft", 100, PILOT, (QWEN_1B, FAST))
    assert sft.seconds == pytest.approx(120 * step_s(QWEN_1B, run_of(SETTINGS, "sft"), row, 1, FAST))
    assert sft.work == "120 steps of 32 rows"
    epochs = changed(train={"sft": {**SETTINGS.train.sft.model_dump(), "steps": None}})
    # 100 queries x 2.75 kept
    assert training_stage(epochs, "sft", 100, PILOT, (QWEN_1B, FAST)).work == "9 steps of 32 rows"


def test_forecast_of_a_reference_asked_beforehand_is_that_of_one_asked_in_every_step() -> None:
    asked = changed(train={"dpo": {**SETTINGS.train.dpo.model_dump(), "precompute_ref_log_probs": True}})
    cost = QWEN_1B, FAST
    assert training_stage(asked, "dpo", 9, PILOT, cost) == training_stage(SETTINGS, "dpo", 9, PILOT, cost)


def test_forecast_of_whole_batches_is_no_upper_bound() -> None:
    for pilot, most in ((PILOT, "up to roughly 15 s"), (replace(PILOT, kept_tokens_per_s=100.0), "roughly 15 s")):
        stages = list(sampling_stages(SETTINGS, 5, 0, pilot))
        *_, whole = forecast_findings({"r1": stages}, base_stage(SETTINGS, 1, pilot), pilot)
        assert whole.text.startswith(f"{most} for 1 round")
