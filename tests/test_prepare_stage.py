"""The stages `prepare` and `resolve`, run on small folders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from dast import frames, tables
from dast.errors import DastError, ParamsError
from dast.params.project import load_project, load_settings, load_yaml, merge
from dast.params.writing import yaml_text
from dast.presets import compose
from dast.smallfiles import read_json
from stages import prepare, resolve

ROOT = Path(__file__).resolve().parents[1]
GSM8K = ROOT.parent / "shared" / "data" / "gsm8k"
Rows = Sequence[Mapping[str, Any]]

COLUMNS = {"query": ["question"], "answer": "answer", "solution": "answer", "level": None}


def file_source(name: str, path: str) -> dict[str, Any]:
    rules = {
        "answer_rule": "hash",
        "strip_pattern": "<<[^>]*>>",
        "solution_end": None,
        "where": {},
        "tolerance": None,
        "licence": "MIT",
    }
    return {"kind": "file", "name": name, "path": path, "columns": COLUMNS, **rules}


def test_set(name: str, path: str) -> dict[str, Any]:
    return {"domain": "out", "source": file_source(name, path)}


test_set.__test__ = False  # type: ignore[attr-defined]


def write_lines(path: Path, rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def row(query: str, answer: int = 4) -> dict[str, Any]:
    return {"question": query, "answer": f"It is <<2+2=4>>{answer}.\n#### {answer}"}


def run_prepare(folder: Path, section: Mapping[str, Any], *names: str, **others: Mapping[str, Any]) -> Path:
    """Runs the stage on `folder/raw` with this `prepare` section over the presets; returns the output folder."""
    content = merge(compose(names, ROOT / "presets"), {"defaults": {"prepare": section, **others}})
    (folder / "params.yaml").write_text(yaml_text(content))
    (folder / "raw").mkdir(exist_ok=True)
    out = folder / "out"
    paths = {
        name: out / f"{name}.parquet" for name in ("train", "pool", "reference_sft", "contamination", "difficulty")
    }
    prepare.main(
        params=folder / "params.yaml",
        raw=folder / "raw",
        tests=out / "tests",
        metrics=out / "m.json",
        refused=out / "refused.csv",
        **paths,
    )
    return out


def test_prepare_files_give_tables_and_counts_that_add_up(tmp_path: Path) -> None:
    train = [row("a?"), row("b?"), row("a?"), row("held?"), {"question": "c?", "answer": ""}]
    write_lines(tmp_path / "raw" / "train.jsonl", train)
    write_lines(tmp_path / "raw" / "test.jsonl", [row("held?"), row("held?"), row("d?")])
    section = {"train": [file_source("mine", "train.jsonl")], "tests": [test_set("held", "test.jsonl")]}
    out = run_prepare(tmp_path, {**section, "train_in_tests": "drop"})
    queries = frames.read(tables.QUERIES, out / "train.parquet")
    assert sorted(queries["query"]) == ["a?", "b?"]
    assert frames.read(tables.DIFFICULTY, out / "difficulty.parquet").is_empty()
    held = frames.read(tables.TEST_QUERIES, out / "tests" / "held.parquet")
    assert held.select("test_set", "domain").unique().rows() == [("held", "out")]
    counts = read_json(out / "m.json")
    assert counts["train"]["mine"] == {
        "read": 5,
        "kept": 2,
        "duplicate": 1,
        "in_test": 1,
        "no_answer": 1,
        "no_query": 0,
        "ungradable": 0,
        "contaminated": 0,
    }
    assert counts["tests"]["held"]["kept"] == held.height == 2
    for part in (*counts["train"].values(), *counts["tests"].values(), counts["pool"]):
        assert part["read"] == sum(value for name, value in part.items() if name != "read")


def test_prepare_reference_rows_are_plain_prompts_and_clean_solutions(tmp_path: Path) -> None:
    write_lines(tmp_path / "raw" / "train.jsonl", [row("a?")])
    out = run_prepare(tmp_path, {"train": [file_source("mine", "train.jsonl")], "tests": []})
    (reference,) = frames.read(tables.SFT, out / "reference_sft.parquet").iter_rows(named=True)
    assert reference["prompt"] == [{"role": "user", "content": "a?"}]
    assert reference["completion"] == [{"role": "assistant", "content": "It is 4."}]
    assert (reference["rollout_id"], reference["origin"], reference["round"]) == ("reference", "reference", "base")
    assert reference["level"] is None
    assert (out / "tests").is_dir()


def test_prepare_twice_gives_equal_bytes(tmp_path: Path) -> None:
    write_lines(tmp_path / "raw" / "train.jsonl", [row("a?"), row("b?")])
    section = {"train": [file_source("mine", "train.jsonl")], "tests": []}
    first = {path.name: path.read_bytes() for path in run_prepare(tmp_path, section).glob("*.*")}
    assert first == {path.name: path.read_bytes() for path in run_prepare(tmp_path, section).glob("*.*")}


@pytest.mark.parametrize(
    ("train", "test", "told"),
    [
        (
            [row("a?"), row("held?")],
            [row("held?")],
            r"1 train queries stand in a test set \(train.jsonl:2 = test.jsonl:1\)",
        ),
        (
            [{"question": "a?"}],
            [row("b?")],
            r"mine: no row has answer \(columns: question\); correct prepare.train.0.columns",
        ),
        ([{"question": "a?", "answer": "x"}], [row("b?")], r"mine: none of its 1 rows can be used: 1 no_answer"),
        ([], [row("b?")], r"mine: no rows"),
        ([row("a?")], [{"question": " ", "answer": "#### 1"}], r"held: none of its 1 rows can be used: 1 no_query"),
    ],
)
def test_prepare_bad_input_is_refused_in_one_line(tmp_path: Path, train: Rows, test: Rows, told: str) -> None:
    write_lines(tmp_path / "raw" / "train.jsonl", train)
    write_lines(tmp_path / "raw" / "test.jsonl", test)
    section = {"train": [file_source("mine", "train.jsonl")], "tests": [test_set("held", "test.jsonl")]}
    with pytest.raises(DastError, match=told) as raised:
        run_prepare(tmp_path, section)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_prepare_all_train_in_tests_is_refused(tmp_path: Path) -> None:
    write_lines(tmp_path / "raw" / "train.jsonl", [row("a?")])
    section = {"train": [file_source("mine", "train.jsonl")], "tests": [test_set("held", "train.jsonl")]}
    with pytest.raises(DastError, match=r"prepare.train: no query is left"):
        run_prepare(tmp_path, {**section, "train_in_tests": "drop"})


def test_prepare_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DastError, match=r"prepare.train: two sources are named mine"):
        run_prepare(tmp_path, {"train": [file_source("mine", "a.jsonl"), file_source("mine", "b.jsonl")], "tests": []})


def test_prepare_default_preset_draws_train_and_tests_apart(tmp_path: Path) -> None:
    out = run_prepare(tmp_path, {})
    train = frames.read(tables.QUERIES, out / "train.parquet")
    held = frames.read_all(tables.TEST_QUERIES, out / "tests")
    assert train.height == 920
    assert train["solution"].null_count() == 0
    assert not set(train["query"]) & set(held["query"])
    assert held.group_by("test_set").len().sort("test_set").rows() == [
        ("in_domain", 320),
        ("longer", 80),
        ("wording", 120),
    ]


@pytest.mark.skipif(not GSM8K.is_dir(), reason="the real GSM8K files are not on this machine")
def test_prepare_gsm8k_recorded_preset_reads_the_real_files(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "gsm8k").symlink_to(GSM8K)
    out = run_prepare(tmp_path, {}, "gsm8k-recorded")
    counts = read_json(out / "m.json")
    assert counts["train"]["gsm8k"]["kept"] == 1319
    assert counts["pool"] == {"read": 5276, "kept": 5276, "no_query": 0, "unknown_query": 0, "empty": 0}
    pool = frames.read(tables.POOL, out / "pool.parquet")
    assert pool["label"].sum() == 2001
    assert pool.group_by("query_id").len()["len"].unique().to_list() == [4]
    solutions = frames.read(tables.QUERIES, out / "train.parquet")["solution"]
    assert not solutions.str.contains("<<|####").any()
    assert solutions.str.contains(r"\nA: [-\d,.]+$").all()


def test_resolve_round_trip_validates_to_the_round_s_settings(tmp_path: Path) -> None:
    content = compose(["llama-3.1-8b"], ROOT / "presets")
    content["rounds"]["r2"]["override"] = {"train": {"sft": {"learning_rate": 1e-5}}, "sample": {"n_rollouts": 3}}
    (tmp_path / "params.yaml").write_text(yaml_text(content))
    resolve.main(params=tmp_path / "params.yaml", round_name="r2", resolved=tmp_path / "r2" / "params.yaml")
    assert load_yaml(tmp_path / "r2" / "params.yaml") == load_project(tmp_path / "params.yaml").settings_of("r2")
    settings = load_settings(tmp_path / "r2" / "params.yaml")
    assert settings.train.sft.learning_rate == 1e-5
    assert settings.sample.n_rollouts == 3
    text = (tmp_path / "r2" / "params.yaml").read_text()
    assert "learning_rate: 1.0e-05\n" in text
    assert "\\boxed{25}.\n" in text


def test_resolve_unknown_round_is_refused(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(yaml_text(compose([], ROOT / "presets")))
    with pytest.raises(ParamsError, match=r"rounds.r9: no such round"):
        resolve.main(params=tmp_path / "params.yaml", round_name="r9", resolved=tmp_path / "out.yaml")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(min_size=1), below, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1), VALUES, min_size=1, max_size=3))
def test_yaml_text_reads_back_as_the_same_values(content: dict[str, Any]) -> None:
    back = YAML(typ="safe", pure=True).load(yaml_text(content))
    assert back == content
    assert json.dumps(back) == json.dumps(content)


def test_yaml_text_small_numbers_are_numbers_in_yaml_1_1_too() -> None:
    assert yaml_text({"a": 1e-5, "b": 1e22, "c": 2.5e-7}) == "a: 1.0e-05\nb: 1.0e+22\nc: 2.5e-07\n"


def test_yaml_text_long_text_stays_readable() -> None:
    assert yaml_text({"a": "one\ntwo", "b": None}) == "a: |-\n  one\n  two\nb: null\n"


LONG = "A farmer has seven fields and sows wheat on three of them each spring; how many fields lie fallow?"


def near_section(folder: Path) -> dict[str, Any]:
    write_lines(folder / "raw" / "train.jsonl", [row("a?"), row(LONG)])
    write_lines(folder / "raw" / "test.jsonl", [row(LONG.replace("fallow", "bare")), row("d?")])
    return {"train": [file_source("mine", "train.jsonl")], "tests": [test_set("held", "test.jsonl")]}


def test_prepare_near_copy_of_a_test_query_is_reported_with_its_evidence(tmp_path: Path) -> None:
    out = run_prepare(tmp_path, near_section(tmp_path), contamination={"min_share": 0.5, "action": "report"})
    (evidence,) = frames.read(tables.CONTAMINATION, out / "contamination.parquet").iter_rows(named=True)
    assert (evidence["part"], evidence["test_set"], evidence["kind"]) == ("query", "held", "n_gram")
    assert evidence["words"] == "a farmer has seven fields and sows wheat on three of them each"
    assert read_json(out / "m.json")["contamination"] == {
        "n_gram": 13,
        "min_share": 0.5,
        "action": "report",
        "n_texts": 4,
        "n_contaminated": 1,
        "tests": {"held": {"n_exact": 0, "n_shared": 1, "n_contaminated": 1}},
    }


def test_prepare_near_copy_is_refused_where_params_want_it_and_leaves_the_evidence(tmp_path: Path) -> None:
    with pytest.raises(DastError, match=r"^1 texts of training are contaminated, .*contamination.parquet lists them"):
        run_prepare(tmp_path, near_section(tmp_path), contamination={"action": "refuse"})
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["contamination.parquet"]


def test_prepare_near_copy_is_dropped_and_counted_where_params_want_it(tmp_path: Path) -> None:
    out = run_prepare(tmp_path, near_section(tmp_path), contamination={"action": "drop"})
    assert frames.read(tables.QUERIES, out / "train.parquet")["query"].to_list() == ["a?"]
    assert frames.read(tables.SFT, out / "reference_sft.parquet").height == 1
    assert frames.read(tables.CONTAMINATION, out / "contamination.parquet").height == 1
    counts = read_json(out / "m.json")
    mine = counts["train"]["mine"]
    assert (mine["read"], mine["kept"], mine["contaminated"]) == (2, 1, 1)
    assert counts["contamination"]["n_contaminated"] == 1


def test_prepare_all_contaminated_is_refused(tmp_path: Path) -> None:
    section = near_section(tmp_path)
    write_lines(tmp_path / "raw" / "train.jsonl", [row(LONG)])
    with pytest.raises(DastError, match=r"no query is left, all 1 are contaminated"):
        run_prepare(tmp_path, section, contamination={"action": "drop"})
