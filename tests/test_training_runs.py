"""Kept training runs: killed ones go on to the same end, finished ones train nothing, and what is another run."""

from __future__ import annotations

import json
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
from dast.params.train import Train
from dast.policies.folder import write_policy
from dast.smallfiles import read_csv
from dast.tables import SFT, frame
from dast.training.kept import MARK, newest_checkpoint
from dast.training.runs import Run, find_run, finish_run
from dast.training.trained import Trained
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


@pytest.fixture(scope="module")
def whole(start: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Trained]:
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    run = find_run(rows(), "sft", start, settings(), folder)
    return run, finish_run(run, folder / "out")


def weights(folder: Path) -> dict[str, Any]:
    return dict(load_file(folder / "model.safetensors"))


def test_run_killed_goes_on_to_the_same_end(start: Path, whole: tuple[Run, Trained], tmp_path: Path) -> None:
    child = [sys.executable, "-m", "tests.test_training_runs", str(start), str(tmp_path)]
    done = subprocess.run(child, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    run = find_run(rows(), "sft", start, settings(), tmp_path)
    assert run.folder.name == whole[0].folder.name
    newest = newest_checkpoint(run.folder / "work")
    assert newest is not None
    assert not (run.folder / "model").exists()
    (newest / MARK).unlink()  # as if it had been killed while writing this one
    earlier = newest_checkpoint(run.folder / "work")
    assert earlier is not None
    assert earlier != newest

    again = finish_run(run, tmp_path / "out", tmp_path / "train.csv")
    told, expected = pl.DataFrame(again.curve), pl.DataFrame(whole[1].curve)
    assert told["step"].to_list() == expected["step"].to_list()
    assert told["loss"].to_list() == pytest.approx(expected["loss"].to_list(), rel=1e-5)
    assert [float(row["loss"]) for row in read_csv(tmp_path / "train.csv")] == pytest.approx(
        told["loss"].to_list(), 1e-4
    )
    for name, tensor in weights(whole[0].folder / "model").items():
        assert (weights(tmp_path / "out")[name] - tensor).abs().max() < 1e-5
    assert {path.name for path in run.folder.iterdir()} == {"model", "trained.json", "run.lock"}


def test_run_finished_is_copied_without_training(whole: tuple[Run, Trained], tmp_path: Path) -> None:
    run = whole[0]
    other = Run(run.rows, run.method, tmp_path / "gone", run.settings, run.folder)  # nothing to train from
    done = finish_run(other, tmp_path / "out")
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


def _killed_at_its_third_checkpoint(start: Path, kept: Path) -> None:
    run = find_run(rows(), "sft", start, settings(), kept)

    def kill() -> None:
        while not list(run.folder.glob(f"work/checkpoint-15/{MARK}")):
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    finish_run(run, kept / "out")
    print(json.dumps("not killed"))  # noqa: T201


if __name__ == "__main__":
    _killed_at_its_third_checkpoint(Path(sys.argv[1]), Path(sys.argv[2]))
