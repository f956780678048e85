"""Several processes: the same end as one on the same rows a step, and their faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from dast.errors import CommandError, ModelError
from dast.params.train import Launch, Train
from dast.policies.folder import write_policy
from dast.training.launching import ADDRESS_VARIABLE, command
from dast.training.loop import train_model
from dast.training.runs import find_run, finish_run
from tests.test_training import sft_rows
from tests.test_training_runs import rows, settings
from tests.tiny_models import save_tiny_model


def launched(n_rows: int, processes: int, **changes: Any) -> Train:
    """Eight steps of `n_rows` rows of each process."""
    optimiser = settings().sft.model_copy(update={"steps": 8, "batch_size": n_rows, **changes})
    return settings(sft=optimiser, launch=Launch(processes=processes, machines=1, strategy="ddp"))


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_tiny_model(tmp_path_factory.mktemp("start"))
    write_policy(folder, name="base", kind="tiny")
    return folder


@pytest.mark.full
def test_launch_two_processes_train_as_one_on_the_same_rows_a_step(start: Path, tmp_path: Path) -> None:
    one = train_model(rows(16), "sft", start, launched(8, 1), tmp_path / "one")
    run = find_run(rows(16), "sft", start, launched(4, 2), tmp_path)
    two = finish_run(run, tmp_path / "two", tmp_path / "train.csv")
    assert (two.steps, two.epochs) == (one.steps, one.epochs)
    assert [row["loss"] for row in two.curve] == pytest.approx([row["loss"] for row in one.curve], rel=1e-4)
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("one", "two")]
    assert all((weights[0][name] - weights[1][name]).abs().max() < 1e-4 for name in weights[0])
    assert {path.name for path in run.folder.iterdir()} == {"model", "trained.json", "run.lock", "worker.lock"}
    assert len((tmp_path / "train.csv").read_text().splitlines()) == 9


@pytest.mark.full
def test_launch_fault_in_a_process_is_told_as_without_it(start: Path, tmp_path: Path) -> None:
    run = find_run(sft_rows(16), "sft", start, launched(4, 2, learning_rate=1e30), tmp_path)
    with pytest.raises(ModelError, match=r"sft: the .* lower train.sft.learning_rate"):
        finish_run(run, tmp_path / "out")


def test_launch_several_machines_need_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Launch(processes=16, machines=2, strategy="fsdp")
    monkeypatch.delenv(ADDRESS_VARIABLE, raising=False)
    with pytest.raises(CommandError, match=f"set {ADDRESS_VARIABLE}"):
        command(tmp_path, wanted, 0)
    monkeypatch.setenv(ADDRESS_VARIABLE, "10.0.0.1")
    told = " ".join(command(tmp_path, wanted, 1))
    assert "--num_processes 16 --num_machines 2 --machine_rank 1" in told
    assert "--main_process_port 29500 --main_process_ip 10.0.0.1" in told
    assert "fsdp.yaml" in told
