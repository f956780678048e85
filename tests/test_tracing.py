"""The life of a row: every chapter of it for rows of each kind, in a clone and in a package."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as limits

from dast.errors import CommandError, DastError, TableError
from dast.frames import frame
from dast.packaging.stated import read_card
from dast.params.project import load_yaml
from dast.params.writing import yaml_text
from dast.publishing.card import completed
from dast.publishing.provenance import Provenance
from dast.tables import CONTAMINATION
from dast.tables import PROMPTS as PROMPTS_TABLE
from dast.tracing.address import parse_address
from dast.tracing.clone import Clone
from dast.tracing.folder import Folder
from dast.tracing.life import life
from dast.tracing.siblings import OVER_MIX, fates
from dast.tracing.telling import told
from tests.builders import LEVELS, build, rollouts, settings
from tests.makers import difficulty_table, queries_table
from tests.packages import shared
from tests.test_building import CASES, ROLLOUTS
from tests.traced import MATCHED, add_round, make_clone, make_package

Story = dict[str, Any]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("clone")
    return root, make_clone(root)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("package"))


def trace(place: Path, row: str, round_name: str | None = None) -> Story:
    there = Folder(place) if (place / "README.md").exists() else Clone(place)
    return life(there, parse_address(row), round_name)


def test_trace_sampled_row_tells_its_life(clone: tuple[Path, str]) -> None:
    root, made = clone
    story = trace(root, "sft:q2/q2-0")
    assert story["row"] | {"place": None} == {
        "table": "sft",
        "set": "r1",
        "place": None,
        "query_id": "q2",
        "rollout_id": "q2-0",
        "round": "r1",
        "level": "easy",
        "origin": "self",
        "n_alike": 3,
    }
    assert story["source"]["query"] == "What is 2 + 1?"
    assert story["source"]["place"] == "the built-in generator, seed 1"
    (part,) = story["rollouts"]
    assert (part["step"], part["turn"], part["verdict"], part["predicted"]) == ("sample", None, "correct", "3")
    assert part["policy"]["name"] == "base"
    assert part["policy"]["fingerprint"] == "f" * 64
    assert part["prompt"]["messages"] == [{"role": "user", "content": "What is 2 + 1?"}]
    assert part["settings"] == {"digest": "s", "engine": "transformers", "seed": 11, "temperature": 0.7}
    assert (story["level"]["level"], story["level"]["n_correct"], story["level"]["interval"]) == ("easy", 4, 0.9)
    assert (story["level"]["pass_rate_low"], story["level"]["pass_rate_high"]) == (0.5, 1.0)
    assert story["allocation"]["outcome"] == "quota_met"
    assert story["kept"]["fates"] == {"duplicate": 2, "kept": 1, "over_keep": 1}
    assert story["recorded"] == {
        "commit": made,
        "path": "data/r1/sft.parquet",
        "note": None,
        "digest": story["recorded"]["digest"],
    }
    assert "nobody allocated it" in told(story)


def test_trace_matched_row_tells_its_exemplars_and_its_wave(clone: tuple[Path, str]) -> None:
    story = trace(clone[0], "sft:q1-8")
    (part,) = story["rollouts"]
    assert part["prompt"]["messages"] == MATCHED
    assert part["prompt"]["exemplars"] == [{"query_id": "q2"}]
    assert part["turn"] == {
        "step": "matched",
        "nth": 5,
        "of": 6,
        "n_before": 8,
        "got": 1,
        "wave": 2,
        "wave_is_exact": True,
    }
    assert story["allocation"]["strategy"] == "dast"
    assert (story["allocation"]["wanted"], story["allocation"]["cap"], story["allocation"]["got"]) == (4, 32, 3)
    same = {one["rollout_id"]: (one["fate"], one["same_as"]) for one in story["kept"]["siblings"]}
    assert same["q1-8"] == ("kept", None)
    assert same["q1-9"][0] in ("kept", "duplicate")
    assert "worked in front: q2" in told(story)


def test_trace_reference_row_was_sampled_by_nobody(clone: tuple[Path, str]) -> None:
    place = pl.read_parquet(clone[0] / "data/r1/sft.parquet").with_row_index().filter(origin="reference")["index"][0]
    story = trace(clone[0], f"sft:{place}")
    assert story["row"]["origin"] == "reference"
    assert [set(part) for part in story["rollouts"]] == [{"role", "rollout_id", "what"}]
    assert "reference solutions are 25 % of the set" in told(story)


def test_trace_pair_tells_both_sides_and_the_rule(clone: tuple[Path, str]) -> None:
    story = trace(clone[0], "dpo:reference/q3-0")
    assert [part["role"] for part in story["rollouts"]] == ["chosen", "rejected"]
    assert story["rollouts"][1]["verdict"] == "incorrect"
    pair = story["kept"]["pair"]
    assert (pair["rule"], pair["n_pairs"], pair["most"]) == ("parallel", 4, 4)
    text = told(story)
    assert "of 4 different wrong responses, given in 1 rollout" in text  # the hinted one may stand in no pair


def test_trace_rollout_that_stands_in_no_set_tells_why(clone: tuple[Path, str]) -> None:
    story = trace(clone[0], "rollouts:q2-1")
    assert {one["rollout_id"]: one["same_as"] for one in story["kept"]["siblings"]}["q2-1"] is not None
    assert story["recorded"]["path"] == "data/r1/graded.parquet"
    assert trace(clone[0], "rollouts:q1-4")["recorded"]["path"] == "data/r1/augmented.parquet"


def test_trace_query_tells_all_its_rollouts(clone: tuple[Path, str]) -> None:
    story = trace(clone[0], "queries:q1")
    assert story["rollouts"] == []
    assert len(story["kept"]["siblings"]) == 10
    assert "6" in told(story)


@pytest.mark.parametrize("row", ["sft:nobody", "sft:99", "dpo:q1/q3-0"])
def test_trace_unknown_row_is_one_line(clone: tuple[Path, str], row: str) -> None:
    with pytest.raises(CommandError, match=f"^{row}: no such row in r1; give its place") as fault:
        trace(clone[0], row)
    assert "\n" not in str(fault.value)


def test_trace_id_of_several_rows_names_them(clone: tuple[Path, str]) -> None:
    with pytest.raises(CommandError, match=r"^dpo:q3: 4 rows; name one of dpo:\d+, dpo:\d+, dpo:\d+, dpo:\d+$"):
        trace(clone[0], "dpo:q3")


def test_trace_unknown_table_and_round_are_one_line(clone: tuple[Path, str]) -> None:
    with pytest.raises(CommandError, match="names no row; say one of sft:ROW"):
        parse_address("tables:1")
    with pytest.raises(CommandError, match="no round r9 here; there are r1"):
        trace(clone[0], "sft:0", "r9")


def test_trace_newest_round_that_has_the_row_is_taken(clone: tuple[Path, str], tmp_path: Path) -> None:
    root = tmp_path / "two"
    shutil.copytree(clone[0], root)
    add_round(root)
    story = trace(root, "sft:q2/q2-0")
    assert (story["row"]["set"], story["row"]["round"]) == ("r2", "r1")
    assert "taken over from r1" in story["notes"][0]
    assert story["rollouts"][0]["policy"]["name"] == "base"
    assert story["recorded"]["note"] == "dvc.lock does not record it"
    assert trace(root, "sft:q2/q2-0", "r1")["notes"] == []


def test_trace_table_that_differs_from_the_lock_is_said_to(clone: tuple[Path, str], tmp_path: Path) -> None:
    root = tmp_path / "changed"
    shutil.copytree(clone[0], root)
    path = root / "data/r1/sft.parquet"
    pl.read_parquet(path).head(2).write_parquet(path)
    assert "records another content" in trace(root, "sft:0")["recorded"]["note"]


def test_trace_table_that_was_not_pulled_says_how_to_have_it(clone: tuple[Path, str], tmp_path: Path) -> None:
    root = tmp_path / "bare"
    shutil.copytree(clone[0], root)
    (root / "data/r1/graded.parquet").unlink()
    with pytest.raises(DastError, match=r"^data/r1/graded\.parquet: not here; `dvc pull data/r1/graded\.parquet`"):
        trace(root, "sft:0")


@pytest.mark.parametrize("guards", [{"leak_words": 4}, {"leak_words": None}, {"length": [0.1, 9.0], "leak_words": 4}])
@pytest.mark.parametrize("gone", ["row", "text"])
def test_trace_row_whose_query_is_gone_says_what_was_not_asked(
    clone: tuple[Path, str], tmp_path: Path, guards: dict[str, Any], gone: str
) -> None:
    root = tmp_path / "gone"
    shutil.copytree(clone[0], root)
    path = root / "data/metrics/r1/params.yaml"
    raw = load_yaml(path)
    length = dict(zip(("shortest", "longest"), guards["length"], strict=True)) if "length" in guards else None
    raw["build"]["guards"] |= {**guards, "length": length}
    path.write_text(yaml_text(raw))
    before = trace(root, "sft:q1-8")
    queries = pl.read_parquet(root / "data/queries/train.parquet")
    left = queries.filter(pl.col("query_id") != "q1") if gone == "row" else queries.with_columns(query=pl.lit(""))
    left.write_parquet(root / "data/queries/train.parquet")
    story = trace(root, "sft:q1-8")
    assert story["source"]["source"] == (None if gone == "row" else before["source"]["source"])
    assert story["level"]["level"] == "hard"
    said = [note for note in story["notes"] if "guard against leaks (build.guards.leak_words) was not asked" in note]
    assert len(said) == (guards["leak_words"] is not None)
    fates_of = [{one["rollout_id"]: one["fate"] for one in each["kept"]["siblings"]} for each in (before, story)]
    assert fates_of[0] == fates_of[1]  # nothing here leaks


def test_trace_query_without_a_level_or_a_row_is_traced_by_length(clone: tuple[Path, str], tmp_path: Path) -> None:
    root = tmp_path / "bare"
    shutil.copytree(clone[0], root)
    path = root / "data/metrics/r1/params.yaml"
    raw = load_yaml(path)
    raw["build"]["guards"]["length"] = {"shortest": 0.1, "longest": 9.0}
    path.write_text(yaml_text(raw))
    for name in ("queries/train", "r1/difficulty"):
        table = root / f"data/{name}.parquet"
        pl.read_parquet(table).filter(pl.col("query_id") != "q1").write_parquet(table)
    story = trace(root, "rollouts:q1-8")
    assert story["level"] is None
    assert len(story["kept"]["siblings"]) == 10


def test_trace_table_that_is_no_parquet_is_one_line(clone: tuple[Path, str], package: Path, tmp_path: Path) -> None:
    root, hub = tmp_path / "broken", tmp_path / "hub"
    shutil.copytree(clone[0], root)
    shutil.copytree(package, hub)
    for content in (b"", b"query_id,rollout_id\n" * 9):
        for table in (root / "data/r1/graded.parquet", next((hub / "rollouts").glob("*.parquet"))):
            table.write_bytes(content)
        for place in (root, hub):
            with pytest.raises(TableError, match=r"parquet: not a readable Parquet file: .*; fetch or make it anew$"):
                trace(place, "sft:0")


def test_trace_table_of_another_version_names_the_column(clone: tuple[Path, str], tmp_path: Path) -> None:
    root = tmp_path / "older"
    shutil.copytree(clone[0], root)
    table = root / "data/r1/graded.parquet"
    pl.read_parquet(table).drop("n_hint_tokens").write_parquet(table)
    with pytest.raises(TableError, match=r"data/r1/graded\.parquet: no column n_hint_tokens; another version made it"):
        trace(root, "sft:0")


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no such file"), ("a: 1\n<<<<<<< HEAD\nb: 1\n", "not valid YAML"), ("stages: [1]\n", "as DVC writes")],
)
def test_trace_lock_that_cannot_be_read_is_a_note(
    clone: tuple[Path, str], tmp_path: Path, content: str | None, said: str
) -> None:
    root = tmp_path / "unlocked"
    shutil.copytree(clone[0], root)
    (root / "dvc.lock").unlink()
    if content is not None:
        (root / "dvc.lock").write_text(content)
    assert said in trace(root, "sft:0")["recorded"]["note"]


def test_trace_card_that_cannot_be_read_is_one_line(package: Path, tmp_path: Path) -> None:
    shutil.copytree(package, tmp_path / "hub")
    card = tmp_path / "hub" / "README.md"
    whole = card.read_text()
    card.write_bytes(whole.encode() + b"\xff")
    with pytest.raises(CommandError, match=r"README\.md: cannot be read \(not UTF-8 text"):
        trace(tmp_path / "hub", "sft:0")
    card.write_text(whole.replace("```yaml\n", "```yaml\n<<<<<<< HEAD\n"))
    with pytest.raises(CommandError, match=r"README\.md: its settings: not valid YAML"):
        trace(tmp_path / "hub", "sft:0")


def test_trace_source_that_is_not_allowed_any_more_is_told(clone: tuple[Path, str], tmp_path: Path) -> None:
    root = tmp_path / "absolute"
    shutil.copytree(clone[0], root)
    path = root / "data/metrics/r1/params.yaml"
    raw = load_yaml(path)
    name = trace(root, "sft:0")["source"]["source"]
    (source,) = (one for one in raw["prepare"]["train"] if one["name"] == name)
    source |= {"kind": "file", "path": "/lustre/ada/q.jsonl"}
    path.write_text(yaml_text(raw))
    assert trace(root, "sft:0")["source"]["place"] == "a file that this version does not know how to name"


def test_trace_package_tells_the_same_life_as_the_clone(clone: tuple[Path, str], package: Path) -> None:
    for row in ("sft:0", "sft:q1-8", "dpo:2", "rollouts:3", "queries:q3"):
        here, there = trace(clone[0], row), trace(package, row)
        for chapter in ("row", "source", "rollouts", "level", "allocation", "kept"):
            mine, theirs = here[chapter], there[chapter]
            if chapter == "row" and row.startswith("dpo"):
                assert theirs.pop("origin") in ("self", "reference")  # which packaging adds
            assert mine == theirs, (row, chapter)
        assert "not published yet" in there["recorded"]["note"]


def test_trace_published_package_names_its_commit(package: Path, tmp_path: Path) -> None:
    shutil.copytree(package, tmp_path / "hub")
    card, origin = tmp_path / "hub" / "README.md", Provenance("c" * 40, "package@r1", "data/r1/hub", "d.dir", {}, ())
    card.write_text(completed(card.read_text(), "r1", "user/name", origin, None))
    recorded = trace(tmp_path / "hub", "sft:0")["recorded"]
    assert (recorded["commit"], recorded["note"]) == ("c" * 40, None)


def test_trace_package_of_several_rounds_holds_each(tmp_path: Path) -> None:
    make_package(tmp_path, package={"rounds": "lineage"})
    hub = make_package(tmp_path, "r2", policy="r1", package={"rounds": "lineage"})
    assert Folder(hub).rounds() == ["r2", "r1"]
    newest, earlier = trace(hub, "sft:q1-8"), trace(hub, "sft:q1-8", "r1")
    assert [story["row"]["round"] for story in (newest, earlier)] == ["r2", "r1"]
    assert newest["rollouts"][0]["policy"]["what"].startswith(
        "the model that round r1 trained; its base is the built-in"
    )
    assert earlier["rollouts"][0]["policy"]["name"] == "base"


def test_trace_dropped_rollout_is_contaminated_and_no_sibling_of_the_others(
    clone: tuple[Path, str], tmp_path: Path
) -> None:
    root = tmp_path / "dropped"
    shutil.copytree(clone[0], root)
    assert "action: drop" in (root / "data/metrics/r1/params.yaml").read_text()
    found = frame(CONTAMINATION, [shared("response", 2, "q2-0")])
    found.write_parquet(root / "data/r1/contamination.parquet")
    siblings = {one["rollout_id"]: one["fate"] for one in trace(root, "queries:q2")["kept"]["siblings"]}
    assert siblings["q2-0"] == "contaminated"
    assert set(siblings.values()) > {"contaminated", "duplicate"}


def test_trace_ids_only_package_says_which_texts_are_missing(tmp_path: Path) -> None:
    hub = make_package(tmp_path, package={"ids_only": True})
    story = trace(hub, "sft:q1-8")
    (part,) = story["rollouts"]
    assert part["prompt"]["messages"] is None
    assert part["verdict"] == "correct"
    assert "query" not in story["source"]
    assert len(story["source"]["answer_digest"]) == 16
    assert story["allocation"]["strategy"] == "dast"
    text = told(story)
    assert "its text is not here" in text
    assert "the package is ids_only" in text
    with pytest.raises(CommandError, match="no such row"):
        trace(hub, "sft:reference")


def test_trace_folder_without_our_card_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Another dataset\n")
    with pytest.raises(CommandError, match="no card of a dataset of this project"):
        trace(tmp_path, "sft:0")


def test_card_states_what_it_was_made_with(package: Path) -> None:
    stated = read_card((package / "README.md").read_text())
    assert stated is not None
    assert (stated.round, stated.policy, stated.levels, stated.commit) == ("r1", "base", "r1", None)
    assert stated.settings["build"]["reference_rate"] == 0.25
    assert stated.settings["sample"]["n_rollouts"] == 4


@limits(max_examples=60)
@given(ROLLOUTS, CASES)
def test_fates_of_all_rollouts_add_up_to_what_build_counts(drawn: list[Any], case: dict[str, Any]) -> None:
    graded = rollouts(*drawn)
    built = build(graded, **case)
    about = queries_table(4).select("query_id", "query").join(difficulty_table(LEVELS), on="query_id")
    mine = built.sft.filter(pl.col("origin") == "self")
    known = about.select("query_id", "query", "level")
    found = fates(graded, frame(PROMPTS_TABLE, []), known, mine, settings(**case))
    counts = Counter(found["fate"].to_list())
    expected = Counter(built.left_out) + Counter(kept=mine.height)
    expected[OVER_MIX] = expected.pop("over_mix", 0) + expected.pop("over_rows", 0)
    assert counts == +expected
    assert found.select("query_id", "rollout_id").is_unique().all()
    assert found.height == graded.height
