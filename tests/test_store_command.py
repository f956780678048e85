"""`dast store`: what it lists, verifies, deletes, and carries to a teammate."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from pathlib import Path

import polars as pl
import pytest

from dast.cli import main
from dast.frames import write
from dast.policies.folder import fingerprint, write_policy
from dast.prompts import started
from dast.rollouts import wanted
from dast.smallfiles import write_json
from dast.store.blocks import Asker
from dast.store.keeping import Store
from dast.store.sharing import export, take_in
from dast.store.upkeep import unnamed, verify
from dast.tables import GRADED, PROMPTS, ROLLOUTS, SETTINGS
from tests.makers import ROOT
from tests.stores import DECODING, BatchEngine, asked, recorder, sampled

GONE = "9" * 64


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a base, and a store of rollouts of it and of a policy that nothing names."""
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    shutil.copy(ROOT / "presets" / "default.yaml", tmp_path / "params.yaml")
    write_policy(tmp_path / "models" / "base", name="base", kind="none")
    monkeypatch.setenv("DAST_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    base = fingerprint(tmp_path / "models" / "base")
    for policy in (base, GONE):
        sampled(tmp_path / "store", asked(6, 4), BatchEngine(), policy=policy)
    return tmp_path


def store(project: Path) -> Store:
    return Store(project / "store")


def test_list_shows_policies_rounds_and_sizes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "48 rollouts of 2 policies" in lines[0]
    assert lines[1].split()[:6] == ["policy", "fingerprint", "round", "stage", "rollouts", "tokens"]
    assert lines[3].split()[:5] == ["base", "e3b0c44298fc", "r1", "sample", "24"]
    assert main(["store", "list", "--json"]) == 0
    assert sum(row["n_rollouts"] for row in json.loads(capsys.readouterr().out)["kept"]) == 48


def test_commands_without_a_store_say_so(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DAST_STORE", str(project / "none"))
    assert main(["store"]) == 0
    assert main(["store", "gc"]) == 0
    assert main(["store", "verify"]) == 1
    assert "no store yet" in capsys.readouterr().err
    assert not (project / "none").exists()


def test_verify_sound_store_then_broken_then_mended(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "verify"]) == 0
    assert "48 rollouts in 12 batches, all as they were kept" in capsys.readouterr().out
    with sqlite3.connect(project / "store" / "rollouts.sqlite") as connection:
        connection.execute("UPDATE batches SET payload = zeroblob(9) WHERE batch_id = 3")
    connection.close()
    assert main(["store", "verify"]) == 1
    assert "1 of 12 batches, and 0 rows of others; 44 rollouts are sound" in capsys.readouterr().err
    assert main(["store", "verify", "--mend"]) == 0
    assert main(["store", "verify"]) == 0
    assert "44 rollouts in 11 batches" in capsys.readouterr().out


def test_verify_file_that_is_no_database_is_one_line_until_it_is_mended(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "store" / "rollouts.sqlite").write_bytes(b"nothing" * 1000)
    assert main(["store", "verify"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["store", "verify", "--mend"]) == 0
    assert main(["store", "verify"]) == 0


def test_gc_lists_then_deletes_what_no_round_names(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "gc"]) == 0
    told = capsys.readouterr().out
    assert "24 rollouts of 1 policies belong to no round" in told
    assert GONE[:12] in told
    assert main(["store", "gc", "--yes"]) == 0
    assert {one.policy for one in store(project).holdings()} == {fingerprint(project / "models" / "base")}
    assert main(["store", "gc"]) == 0
    assert "everything belongs to a round" in capsys.readouterr().out
    assert verify(store(project)).sound


def test_gc_keeps_what_a_branch_names(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost"]
    write_json(project / "data" / "metrics" / "old" / "train.json", {"fingerprint": GONE})
    for command in (["init", "-q"], ["add", "data"], ["commit", "-qm", "old"], ["branch", "old"]):
        subprocess.run([*git, *command], check=True)
    shutil.rmtree(project / "data")
    subprocess.run([*git, "commit", "-qam", "new"], check=True)
    assert main(["store", "gc"]) == 0
    assert "everything belongs to a round" in capsys.readouterr().out
    subprocess.run([*git, "branch", "-qD", "old"], check=True)
    assert main(["store", "gc"]) == 0
    assert GONE[:12] in capsys.readouterr().out


@pytest.mark.parametrize("broken", ["owner", "no git", "link"])
def test_gc_deletes_nothing_where_git_cannot_be_asked(
    project: Path, broken: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if broken == "link":
        (project / ".git").symlink_to(project / "not mounted")
    else:
        subprocess.run(["git", "init", "-q"], check=True)
    if broken == "owner":  # as in a container that runs under another user's number
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
        monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    elif broken == "no git":
        monkeypatch.setenv("PATH", str(project / "none"))
    for call in (["store", "gc"], ["store", "gc", "--yes"], ["training", "gc", "--yes"]):
        assert main(call) == 1
        told = capsys.readouterr().err
        assert "git cannot be asked which branches" in told
        assert told.count("\n") == 1
    assert len({one.policy for one in store(project).holdings()}) == 2


@pytest.mark.parametrize("lost", ["branch", "object"])
def test_gc_deletes_nothing_where_git_goes_on_without_a_part(
    project: Path, lost: str, capsys: pytest.CaptureFixture[str]
) -> None:
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost"]
    small = Path("data/metrics/old/train.json")
    write_json(project / small, {"fingerprint": GONE})
    for command in (["init", "-q"], ["add", "data"], ["commit", "-qm", "old"]):
        subprocess.run([*git, *command], check=True)
    if lost == "branch":
        (project / ".git" / "refs" / "heads" / "cut").write_text("")
    else:
        asked = subprocess.run([*git, "rev-parse", f"HEAD:{small}"], check=True, capture_output=True, text=True)
        (project / ".git" / "objects" / asked.stdout[:2] / asked.stdout[2:].strip()).unlink()
    shutil.rmtree(project / "data")
    assert main(["store", "gc", "--yes"]) == 1
    assert "git cannot be asked which branches" in capsys.readouterr().err
    assert len({one.policy for one in store(project).holdings()}) == 2


def test_gc_keeps_a_named_policy_whose_fingerprint_is_not_known_here(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(project / "models")
    assert main(["store", "gc"]) == 0
    assert "everything belongs to a round" in capsys.readouterr().out


def test_unnamed_policy_that_a_named_one_equals_stays(project: Path) -> None:
    with store(project) as kept:
        work = recorder(kept, BatchEngine(), policy=GONE)
        work.asker = Asker("r1", "r1", "evaluate")
        work.collect(asked(1, 9), DECODING, "rollouts")
        assert {one.policy_name for one in unnamed(kept, set(), {"r1"})} == {"base"}
        assert {one.policy for one in unnamed(kept, set(), {"r1"})} == {fingerprint(project / "models" / "base")}


def test_export_and_import_carry_every_rollout(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "export", "shared"]) == 0
    assert "48 rollouts" in capsys.readouterr().out
    with Store(project / "other") as other:
        assert take_in(other, project / "shared")["taken"] == 48
        assert take_in(other, project / "shared")["taken"] == 0
        assert verify(other).sound
    before, after = ((one.n_rollouts, one.n_tokens) for one in (*store(project).holdings()[:1], *other.holdings()[:1]))
    assert before == after
    sampled(project / "other", asked(6, 4), BatchEngine(stop_after=0), policy=GONE)


def test_import_of_an_export_refuses_rows_that_were_changed(project: Path) -> None:
    with store(project) as kept:
        export(kept, project / "shared")
    path = project / "shared" / "kept-00000.parquet"
    rows = pl.read_parquet(path).with_row_index()
    text = pl.when(pl.col("index") < 5).then(pl.lit("another")).otherwise("response")
    rows.with_columns(response=text).drop("index").write_parquet(path)
    with Store(project / "other") as other:
        assert dict(take_in(other, project / "shared"))["taken"] == 43
        assert take_in(other, project / "shared")["refused"] == 5


def pulled(folder: Path, seed: int, *, shared: bool) -> None:
    """Tables of a round: four plain draws of each query, then two more by the same sampler or by another."""
    first = recorder(folder / "none", BatchEngine(), seed=seed)
    first.store = None
    plain = first.collect(asked(6, 4), DECODING, "rollouts")
    second = recorder(folder / "none", BatchEngine(), seed=seed if shared else seed + 1)
    second.store = None
    second.count_earlier(plain)
    items = [item for item in asked(6, 6, step="more") if item.sample_index >= 4]
    more = second.collect(items, DECODING, "rollouts")
    for work, prefix in ((first, ""), (second, "augmented_")):
        write(PROMPTS, work.prompts_table(), folder / f"{prefix}prompts.parquet")
        write(SETTINGS, work.settings_table(), folder / f"{prefix}settings.parquet")
    write(ROLLOUTS, plain, folder / "rollouts.parquet")
    added = more.with_columns(
        predicted=pl.lit(None, pl.String), verdict=pl.lit("correct"), reason=pl.lit(None, pl.String)
    )
    write(GRADED, added.cast(pl.Schema(GRADED.schema)), folder / "augmented.parquet")


@pytest.mark.parametrize("shared", [True, False])
def test_import_of_a_rounds_tables_serves_its_stages(tmp_path: Path, shared: bool) -> None:
    pulled(tmp_path / "r1", 5, shared=shared)
    with Store(tmp_path / "store") as kept:
        counts = take_in(kept, tmp_path / "r1")
        assert (counts["taken"], counts["refused"]) == (36, 0)
        assert {(one.round, one.stage) for one in kept.holdings()} == {("r1", "sample"), ("r1", "augment")}
    table = sampled(tmp_path / "store", asked(6, 4), BatchEngine(stop_after=0), seed=5)
    assert table == (tmp_path / "r1" / "rollouts.parquet").read_bytes()


def test_import_of_hinted_rollouts_keeps_what_the_model_wrote_alone(tmp_path: Path) -> None:
    folder = tmp_path / "r1"
    prompts = [started([{"role": "user", "content": f"q{i}"}], start) for i, start in enumerate(["1+1=2;", "So"])]
    items = [item for i, prompt in enumerate(prompts) for item in wanted(f"q{i}", "hinted", [0, 1], prompt)]
    with Store(tmp_path / "own") as own:
        work = recorder(own, BatchEngine(), seed=5)
        whole = work.collect(items, DECODING, "rollouts")
    assert whole["response"].str.starts_with("1+1=2;").any()
    added = whole.with_columns(
        predicted=pl.lit(None, pl.String), verdict=pl.lit("correct"), reason=pl.lit(None, pl.String)
    ).cast(pl.Schema(GRADED.schema))
    write(PROMPTS, work.prompts_table(), folder / "augmented_prompts.parquet")
    write(SETTINGS, work.settings_table(), folder / "augmented_settings.parquet")
    write(GRADED, added, folder / "augmented.parquet")
    with Store(tmp_path / "store") as kept:
        counts = take_in(kept, folder)
        assert (counts["taken"], counts["refused"]) == (4, 0)
        again = recorder(kept, BatchEngine(stop_after=0), seed=5).collect(items, DECODING, "rollouts")
    names = ["rollout_id", "response", "n_hint_tokens", "n_tokens", "finish_reason"]
    assert again.select(names).sort("rollout_id").equals(whole.select(names).sort("rollout_id"))
    turned = pl.when(pl.col("query_id") == "q0").then(pl.lit("another start")).otherwise("response")
    write(GRADED, added.with_columns(response=turned), folder / "augmented.parquet")
    with Store(tmp_path / "third") as kept:
        counts = take_in(kept, folder)
    assert (counts["taken"], counts["refused"]) == (2, 2)


def test_import_of_more_draws_without_the_first_ones_is_refused(tmp_path: Path) -> None:
    pulled(tmp_path / "r1", 5, shared=True)
    (tmp_path / "r1" / "rollouts.parquet").unlink()
    with Store(tmp_path / "store") as kept:
        assert take_in(kept, tmp_path / "r1")["refused"] == 12
        assert not kept.holdings()


def test_import_keeps_what_is_there_and_counts_other_texts(tmp_path: Path) -> None:
    pulled(tmp_path / "r1", 5, shared=False)
    sampled(tmp_path / "store", asked(3, 4), BatchEngine(), seed=5, size=3)
    with Store(tmp_path / "store") as kept:
        counts = take_in(kept, tmp_path / "r1")
    assert counts["known with another text"] == 12
    assert counts["taken"] == 36 - 12


def test_import_of_nothing_is_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "empty").mkdir()
    assert main(["store", "import", "empty"]) == 1
    assert "empty: no kept-*.parquet of an export, and no rollouts.parquet" in capsys.readouterr().err
