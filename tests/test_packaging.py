"""A package loads by `datasets` as it is, equals its tables, and holds several rounds as splits where params say so."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dast import frames, tables
from dast.errors import DataError, TableError
from dast.packaging.configs import FULL, IDS_ONLY, TRAINING_CONFIGS, features_of
from dast.packaging.folder import Bounds, Contents, union, write_package
from dast.packaging.glossary import config_meanings, meanings
from tests.makers import ROOT
from tests.packages import card_of, pair_row, rollout, rows_of_configs, run_stage

Loader = Callable[..., Any]


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def with_pairs(n: int = 1) -> dict[str, pl.DataFrame]:
    pairs = [pair_row(1, rejected=f"sample-{number}") for number in range(n)]
    return {**rows_of_configs(), "dpo": frames.frame(tables.DPO, pairs)}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Loader:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    datasets.disable_progress_bars()
    return lambda folder, config, split="train": datasets.load_dataset(
        str(folder), config, split=split, cache_dir=str(tmp_path / "cache")
    )


def test_package_every_filled_config_loads_and_equals_its_table(tmp_path: Path, load: Loader) -> None:
    rows = with_pairs()
    hub = run_stage(tmp_path, rows, [])
    published = {**rows, "dpo": rows["dpo"].with_columns(origin=pl.lit("self"))}
    for config, table in FULL.items():
        if rows[config].height:
            loaded = load(hub, config)
            assert loaded.features == features_of(table), config
            assert loaded.to_list() == published[config].select(list(table.schema)).sort(table.key).to_dicts(), config


def test_package_every_training_row_says_where_it_comes_from() -> None:
    ids = {"sft": {"rollout_id"}, "dpo": {"chosen_id", "rejected_id"}}
    for shapes in (FULL, IDS_ONLY):
        for config in TRAINING_CONFIGS:
            assert {"round", "query_id", "level", "origin", *ids[config]} <= set(shapes[config].schema)


def test_package_pair_with_the_reference_as_chosen_has_its_origin(tmp_path: Path, load: Loader) -> None:
    rows = {**with_pairs(), "dpo": frames.frame(tables.DPO, [pair_row(1, "reference"), pair_row(1)])}
    assert load(run_stage(tmp_path, rows, []), "dpo")["origin"] == ["reference", "self"]


def contents_of(rows: pl.DataFrame, **more: Any) -> Contents:
    card = b"---\nconfigs: [{config_name: sft, data_files: sft/*.parquet}]\n---\n"
    return Contents({"sft": tables.SFT}, {"sft": rows}, {"sft": "train"}, {"README.md": card}, **more)


def long_rows(n_rows: int = 2000, n_chars: int = 1000) -> pl.DataFrame:
    one = rows_of_configs(1)["sft"].to_dicts()[0]
    text = [{"role": "assistant", "content": "x" * n_chars}]
    return frames.frame(tables.SFT, [{**one, "rollout_id": f"{n:06}", "completion": text} for n in range(n_rows)])


def test_package_large_table_becomes_files_and_row_groups_of_bounded_size(tmp_path: Path, load: Loader) -> None:
    import pyarrow.parquet as pq

    rows = long_rows()
    n_files, _ = write_package(contents_of(rows), tmp_path / "hub", Bounds(10_000, 1_000_000, 1_000_000))
    paths = sorted((tmp_path / "hub" / "sft").iterdir())
    assert (n_files, len(paths)) == (4, 3)
    assert load(tmp_path / "hub", "sft").to_list() == rows.to_dicts()
    write_package(contents_of(rows), tmp_path / "hub", Bounds(10_000, 100_000_000, 1_000_000))
    (path,) = (tmp_path / "hub" / "sft").iterdir()
    groups = pq.ParquetFile(path).metadata
    assert 2 <= groups.num_row_groups <= 4
    write_package(contents_of(rows), tmp_path / "hub", Bounds(600, 100_000_000, 1_000_000))
    assert len(list((tmp_path / "hub" / "sft").iterdir())) == 4


def test_package_empty_table_is_no_config_but_keeps_its_file_and_columns(tmp_path: Path) -> None:
    from datasets import get_dataset_config_names

    hub = run_stage(tmp_path, rows_of_configs(), [])
    assert set(get_dataset_config_names(str(hub))) == set(FULL) - {"dpo", "unsolved", "suspects"}
    empty = pl.read_parquet(hub / "dpo" / "train-00000-of-00001.parquet")
    assert empty.columns == list(FULL["dpo"].schema)
    assert empty.height == 0


def test_package_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    rows = with_pairs(3)
    shuffled = {config: part.reverse() for config, part in rows.items()}
    assert files_of(run_stage(tmp_path / "a", rows, [])) == files_of(run_stage(tmp_path / "b", shuffled, []))


def test_package_lineage_holds_each_round_as_a_split(tmp_path: Path, load: Loader) -> None:
    lineage = {"package": {"rounds": "lineage"}}
    first, second = with_pairs(), rows_of_configs(3)
    run_stage(tmp_path, first, [], **lineage)
    hub = run_stage(tmp_path, second, [], round_name="r-2", policy="r1", **lineage)
    assert [load(hub, "sft", split).num_rows for split in ("r1", "r_2")] == [5, 3]
    assert load(hub, "dpo", "r1").num_rows == 1
    assert load(hub, "queries").num_rows == 2
    assert files_of(tmp_path / "r1" / "hub" / "sft").items() <= files_of(hub / "sft").items()
    assert "[r1.md](r1.md)" in card_of(hub)
    assert not (hub / "r1.md").read_text(encoding="utf-8").startswith("---")


def test_package_lineage_of_a_round_packaged_alone_is_refused(tmp_path: Path) -> None:
    run_stage(tmp_path, rows_of_configs(), [])
    with pytest.raises(DataError, match=r"one round alone; set package.rounds to lineage for r1 too"):
        run_stage(tmp_path, rows_of_configs(), [], round_name="r2", policy="r1", package={"rounds": "lineage"})


def test_package_lineage_of_other_columns_is_refused(tmp_path: Path) -> None:
    run_stage(tmp_path, rows_of_configs(), [], package={"rounds": "lineage", "ids_only": True})
    with pytest.raises(DataError, match=r"run package@r1 again with this round's package.ids_only"):
        run_stage(tmp_path, rows_of_configs(), [], round_name="r2", policy="r1", package={"rounds": "lineage"})


def test_union_two_rows_of_one_key_are_refused() -> None:
    first, second = (
        frames.frame(tables.GRADED, [rollout(1, 0, verdict=verdict)]) for verdict in ("correct", "incorrect")
    )
    assert union(tables.GRADED, first, first).height == 1
    with pytest.raises(TableError, match="two different rows"):
        union(tables.GRADED, first, second)


def test_metrics_count_every_config(tmp_path: Path) -> None:
    hub = run_stage(tmp_path, rows_of_configs(), [])
    counts = json.loads((tmp_path / "r1" / "package.json").read_text(encoding="utf-8"))
    assert (counts["n_sft"], counts["n_rollouts"], counts["n_dpo"]) == (5, 3, 0)
    assert counts["n_files"] == len(files_of(hub))
    assert counts["n_bytes"] == sum(map(len, files_of(hub).values()))


def test_glossary_describes_every_config_and_column() -> None:
    for ids_only, shapes in ((False, FULL), (True, IDS_ONLY)):
        assert set(config_meanings(ids_only)) >= set(shapes)
        assert all(meanings(config, table) for config, table in shapes.items())


def test_package_stage_starts_without_torch() -> None:
    code = "import sys, stages.package; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
