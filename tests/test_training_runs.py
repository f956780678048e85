"""Kept training runs: killed ones go on to the same end, finished ones train nothing, and what is another run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from safetensors.torch import load_file

from dast.errors import CommandError, DataError
from dast.frames import frame
from dast.params.train import Lora, Train
from dast.policies.folder import write_policy
from dast.smallfiles import read_csv
from dast.tables import DPO, SFT
from dast.training.kept import MARK, newest_checkpoint
from dast.training.runs import CHANGES_WEIGHTS, Run, find_run, finish_run
from dast.training.trained import Trained
from tests.full import need
from tests.makers import default_settings
from tests.test_training import turns
from tests.tiny_models import save_tiny_model

STEPS = 60


def rows(n: int = 10) -> pl.DataFrame:
    """Rows of as many lengths: another order of them gives other losses."""
    about = {"level": "hard", "round": "r1", "origin": "self", "n_alike": 1, "rollout_id": "a"}
    texts = ["; ".join(f"Sep {index}*{times}=27" for times in range(index % 4 + 1)) for index in range(n)]
    return frame(
        SFT,
        [
            {**about, "query_id": f"q{index}", "prompt": turns("user", f"Tom has {index} coins."), "completion": text}
            for index, text in enumerate(turns("assistant", text) for text in texts)
        ],
    )


def settings(**changes: Any) -> Train:
    """Three steps a pass, so that checkpoints every five steps fall everywhere in it."""
    chosen = default_settings().train
    few = {"steps": STEPS, "batch_size": 4, "learning_rate": 3e-3, "warmup_steps": 0}
    own = {"sft": chosen.sft.model_copy(update=few), "checkpoint_steps": 5, **changes}
    return chosen.model_copy(update=own)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_tiny_model(tmp_path_factory.mktemp("start"))
    write_policy(folder, name="base", kind="tiny")
    return folder


def preferences() -> pl.DataFrame:
    """Pairs of as many lengths."""
    table = rows().select("query_id", "level", "round", "prompt", chosen=pl.col("completion"))
    wrong = pl.Series([turns("assistant", f"Sep {index}*3=99") for index in range(table.height)])
    return frame(DPO, table.with_columns(chosen_id=pl.lit("a"), rejected_id=pl.lit("b"), rejected=wrong).to_dicts())


def run_of(case: str, start: Path, kept: Path) -> Run:
    """The runs that are killed: `sft`, `dpo`, and `lora`, which is dpo too."""
    if case == "sft":
        return find_run(rows(), "sft", start, settings(), kept)
    few = {"steps": STEPS, "batch_size": 4, "learning_rate": 1e-3, "warmup_steps": 0}
    dpo = settings().dpo.model_copy(update={**few, "precompute_ref_log_probs": case == "dpo"})
    lora = Lora(rank=4, alpha=8.0, dropout=0.1, targets=None, quantized=False, merge=False)
    return find_run(preferences(), "dpo", start, settings(dpo=dpo, lora=lora if case == "lora" else None), kept)


@pytest.fixture(scope="module")
def whole(start: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Trained]:
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    run = find_run(rows(), "sft", start, settings(), folder)
    return run, finish_run(run, folder / "out")


def test_run_every_parameter_is_in_the_key_or_means_the_same_weights() -> None:
    in_rows, same = (
        {"repeat", "level_weights", "weigh_by"},
        {"max_tokens", "checkpoint_steps", "gradient_checkpointing"},
    )
    assert {*CHANGES_WEIGHTS, "sft", "dpo", *in_rows, *same} == set(Train.model_fields)


def test_run_killed_goes_on_to_the_same_end(start: Path, whole: tuple[Run, Trained], tmp_path: Path) -> None:
    run = killed("sft", start, tmp_path)
    assert run.folder.name == whole[0].folder.name
    newest = newest_checkpoint(run.folder / "work")
    assert newest is not None
    assert not (run.folder / "model").exists()
    (newest / MARK).unlink()  # as if it had been killed while writing this one
    earlier = newest_checkpoint(run.folder / "work")
    assert earlier is not None
    assert earlier != newest

    again = finish_run(run, tmp_path / "out", tmp_path / "train.csv")
    same_end(again, tmp_path / "out", whole[1], whole[0].folder / "model")
    shown = [float(row["loss"]) for row in read_csv(tmp_path / "train.csv")]
    assert shown == pytest.approx([row["loss"] for row in again.curve], rel=1e-4)
    assert {path.name for path in run.folder.iterdir()} == {"model", "trained.json", "run.lock", "worker.lock"}


@pytest.mark.full
@pytest.mark.parametrize("case", ["dpo", "lora"])
def test_run_of_preferences_killed_goes_on_to_the_same_end(start: Path, tmp_path: Path, case: str) -> None:
    need("peft")
    run = killed(case, start, tmp_path)
    again = finish_run(run, tmp_path / "out")
    expected = finish_run(run_of(case, start, tmp_path / "whole"), tmp_path / "expected")
    same_end(again, tmp_path / "out", expected, tmp_path / "expected")


def killed(case: str, start: Path, kept: Path) -> Run:
    """A run whose process was killed when its third checkpoint was whole."""
    child = [sys.executable, "-m", "tests.test_training_runs", case, str(start), str(kept)]
    done = subprocess.run(child, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return run_of(case, start, kept)


def same_end(again: Trained, folder: Path, whole: Trained, whole_folder: Path) -> None:
    """Within the noise of floats."""
    assert [row["step"] for row in again.curve] == [row["step"] for row in whole.curve]
    assert [row["loss"] for row in again.curve] == pytest.approx([row["loss"] for row in whole.curve], rel=1e-5)
    (weights, expected) = (load_file(next(path.glob("*.safetensors"))) for path in (folder, whole_folder))
    assert all((weights[name] - tensor).abs().max() < 1e-5 for name, tensor in expected.items())


def test_run_finished_is_copied_without_training(whole: tuple[Run, Trained], tmp_path: Path) -> None:
    run = whole[0]
    other = Run(run.rows, run.method, tmp_path / "gone", run.settings, run.folder)  # nothing to train from
    done = finish_run(other, tmp_path / "out")
    assert done == whole[1]
    assert done.steps == STEPS
    assert (tmp_path / "out/model.safetensors").read_bytes() == (run.folder / "model/model.safetensors").read_bytes()
    assert not [path for path in (tmp_path / "out").rglob("*") if "optimizer" in path.name or "checkpoint" in path.name]


def test_run_finished_is_not_copied_past_a_lower_limit(whole: tuple[Run, Trained], tmp_path: Path) -> None:
    run = whole[0]
    lower = Run(run.rows, run.method, run.start, settings(max_tokens=12), run.folder)
    with pytest.raises(DataError, match=r"longer than train.max_tokens 12"):
        finish_run(lower, tmp_path / "out")


def test_run_that_another_process_trains_is_refused(start: Path, tmp_path: Path) -> None:
    run = find_run(rows(), "sft", start, settings(), tmp_path)
    run.folder.mkdir()
    code = "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(1, flush=True); "
    holder = subprocess.Popen(
        [sys.executable, "-c", code + "time.sleep(60)", str(run.folder / "run.lock")], stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(CommandError, match="another process trains this run"):
            finish_run(run, tmp_path / "out")
    finally:
        holder.kill()
        holder.wait()


def test_run_key_changes_with_what_changes_weights_alone(start: Path, tmp_path: Path) -> None:
    def key(table: pl.DataFrame, **changes: Any) -> str:
        return find_run(table, "sft", start, settings(**changes), tmp_path).folder.name

    own = key(rows())
    same = [{"checkpoint_steps": 7}, {"max_tokens": 99}, {"gradient_checkpointing": True}]
    same.append({"dpo": settings().dpo.model_copy(update={"beta": 0.5})})
    assert {key(rows(), **changes) for changes in same} == {own}
    others = [{"seed": 1}, {"bf16": True}, {"sft": settings().sft.model_copy(update={"steps": 61})}]
    assert len({own, key(rows(9)), key(rows().reverse()), *(key(rows(), **changes) for changes in others)}) == 6
    write_policy(changed := save_tiny_model(tmp_path / "start", seed=1), name="base", kind="tiny")
    assert find_run(rows(), "sft", changed, settings(), tmp_path).folder.name != own


def _killed_at_its_third_checkpoint(case: str, start: Path, kept: Path) -> None:
    run = run_of(case, start, kept)

    def kill() -> None:
        while not list(run.folder.glob(f"work/checkpoint-15/{MARK}")):
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    finish_run(run, kept / "out")


if __name__ == "__main__":
    _killed_at_its_third_checkpoint(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
