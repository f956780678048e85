"""A sampling stage with the real CPU engine: sampling that was broken off, and a stage that needs no engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dast.engines.protocol import Item
from dast.errors import StoreError
from dast.frames import frame, write
from dast.params.writing import yaml_text
from dast.policies.folder import write_policy
from dast.presets import compose
from dast.recording import recording
from dast.rollouts import wanted
from dast.store.blocks import NOBODY, Asker, Batch
from dast.store.keeping import Store
from dast.tables import POOL, QUERIES, ROLLOUTS
from tests.makers import ROOT, default_settings
from tests.tiny_models import save_tiny_model

GENERATION = default_settings().generation.model_copy(update={"engine": "transformers", "batch_rollouts": 8})
DECODING = default_settings().sample.decoding.model_copy(update={"max_new_tokens": 12, "temperature": 1.0})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_tiny_model(tmp_path_factory.mktemp("models") / "base")
    write_policy(folder, name="base", kind="tiny")
    return folder


def items(n: int, k: int) -> list[Item]:
    texts = [f"Tom has {i} coins. " + "Sep triples. " * (i % 4) + "How many?" for i in range(n)]
    return [
        item
        for i, text in enumerate(texts)
        for item in wanted(f"q{i:02}", "sample", range(k), [{"role": "user", "content": text}])
    ]


def table(model: Path, folder: Path, asked: list[Item]) -> bytes:
    with recording(GENERATION, model, Asker("base", "r1", "sample"), 7, None) as recorder:
        write(ROLLOUTS, recorder.collect(asked, DECODING, "rollouts"), folder / "rollouts.parquet")
    return (folder / "rollouts.parquet").read_bytes()


def test_broken_off_sampling_ends_in_the_same_bytes(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAST_STORE", str(tmp_path / "whole"))
    whole = table(model, tmp_path, items(10, 4))
    monkeypatch.setenv("DAST_STORE", str(tmp_path / "parts"))
    keep = Store.keep
    for n_batches in (0, 1, 2):
        left = list(range(n_batches))

        def keep_some(store: Store, batch: Batch, left: list[int] = left) -> int:
            left.pop()
            return keep(store, batch)

        monkeypatch.setattr(Store, "keep", keep_some)
        with pytest.raises(IndexError):
            table(model, tmp_path, items(10, 4))
    monkeypatch.setattr(Store, "keep", keep)
    assert table(model, tmp_path, items(10, 4)) == whole
    with Store(tmp_path / "parts") as store:
        assert sum(one.n_rollouts for one in store.holdings()) == 40


def test_stage_without_a_missing_rollout_starts_no_engine(tmp_path: Path, model: Path) -> None:
    settings = compose([], ROOT / "presets")["defaults"]
    settings["sample"] = {**settings["sample"], "n_rollouts": 2, "decoding": {**DECODING.model_dump()}}
    (tmp_path / "params.yaml").write_text(yaml_text({"round": {"name": "r1"}, **settings}))
    row = {"source": "s", "answer": "4", "solution": None, "source_level": None, "licence": "MIT"}
    write(
        QUERIES,
        frame(QUERIES, [{"query_id": f"q{i}", "query": f"Tom has {i}", **row} for i in range(3)]),
        tmp_path / "q",
    )
    write(POOL, frame(POOL, []), tmp_path / "p")
    flags = ["--params", "params.yaml", "--round-name", "r1", "--policy", "base", "--model", str(model)]
    flags += [
        "--queries",
        "q",
        "--pool",
        "p",
        "--rollouts",
        "out",
        "--prompts",
        "pr",
        "--settings",
        "s",
        "--metrics",
        "m",
    ]
    blocked = "import sys; sys.modules['torch'] = sys.modules['transformers'] = None; "
    outs = []
    for start in ("", blocked):
        code = f"{start}import runpy; runpy.run_module('stages.sample', run_name='__main__', alter_sys=True)"
        done = subprocess.run(
            [sys.executable, "-c", code, *flags],
            cwd=tmp_path,
            env={"PATH": "", "PYTHONPATH": str(ROOT), "DAST_STORE": str(tmp_path / "store"), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        outs.append([(tmp_path / name).read_bytes() for name in ("out", "pr", "s", "m")])
    assert outs[0] == outs[1]
    assert "all kept in the store" in done.stderr


def test_replay_variable_is_read_and_checked(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAST_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("DAST_REPLAY", "1")
    with pytest.raises(StoreError, match="lacks 4 of 4 rollouts"):
        table(model, tmp_path, items(2, 2))
    monkeypatch.setenv("DAST_REPLAY", "maybe")
    with pytest.raises(StoreError, match="DAST_REPLAY=maybe: use 1"):
        table(model, tmp_path, items(2, 2))


def test_recorded_engine_makes_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAST_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("DAST_REPLAY", "1")
    write_policy(tmp_path / "none", name="base", kind="none")
    pool = frame(POOL, [{"query_id": "q00", "pool_index": 0, "origin": "m", "response": "4", "label": None}])
    recorded = GENERATION.model_copy(update={"engine": "recorded"})
    with recording(recorded, tmp_path / "none", NOBODY, 1, pool) as recorder:
        assert recorder.collect(items(2, 2), DECODING, "rollouts")["response"].to_list() == ["4"]
    assert not (tmp_path / "store").exists()
