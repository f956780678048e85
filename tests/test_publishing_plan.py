"""What a plan says, and the law that carrying it out leaves nothing to change."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dast.errors import PublishError
from dast.packaging.card import RESULTS as RESULTS_MARK
from dast.packaging.provenance import PROVENANCE
from dast.publishing.card import completed
from dast.publishing.files import LocalFile
from dast.publishing.lock import Lock, Stage, read_lock
from dast.publishing.plan import Plan, Remote, RemoteFile, Target, compare, make_plan
from dast.publishing.provenance import Provenance
from dast.publishing.receipt import add_receipt, receipt_path
from dast.publishing.results import Places, Results, read_results
from dast.smallfiles import read_json, write_csv, write_json

TARGET = Target("ada/sums", "dataset", False, "v1")
ORIGIN = Provenance("c" * 40, "package@r1", "data/r1/hub", "d" * 32 + ".dir", {"data/r1/sft.parquet": "e" * 32}, ())

CONTENTS = st.dictionaries(st.sampled_from(["a", "b/c", "b/d", "README.md"]), st.binary(max_size=3))


def local(contents: dict[str, bytes]) -> list[LocalFile]:
    return [
        LocalFile(path, content, len(content), hashlib.sha256(content).hexdigest())
        for path, content in sorted(contents.items())
    ]


def remote(contents: dict[str, bytes], large: frozenset[str] = frozenset()) -> dict[str, RemoteFile]:
    own = RemoteFile(".gitattributes", 4, "0" * 40, large=False)
    held = {
        file.path: RemoteFile(
            file.path, file.n_bytes, file.sha256 if file.path in large else file.blob_id(), file.path in large
        )
        for file in local(contents)
    }
    return {".gitattributes": own, **held}


def applied(plan: Plan, there: dict[str, bytes]) -> dict[str, bytes]:
    """What a repository holds once the plan is carried out."""
    removed = {change.path for change in plan.changes if change.how == "remove"}
    kept = {path: content for path, content in there.items() if path not in removed}
    return kept | {file.path: bytes(file.content) for file in plan.uploads if isinstance(file.content, bytes)}


@given(CONTENTS, CONTENTS, st.frozensets(st.sampled_from(["a", "b/c", "b/d"])))
def test_plan_carried_out_leaves_what_was_wanted(
    here: dict[str, bytes], there: dict[str, bytes], large: frozenset[str]
) -> None:
    plan = make_plan(TARGET, local(here), Remote("f" * 40, False, remote(there, large), None))
    assert applied(plan, there) == here
    assert compare(local(here), remote(here, large)) == []
    assert {change.path for change in plan.changes} == {
        path for path in here.keys() | there.keys() if here.get(path) != there.get(path)
    }


def test_plan_tells_every_change_and_the_sums() -> None:
    there = remote({"old": b"x" * 2000, "README.md": b"y" * 1000, "same": b"z"})
    here = local({"README.md": b"n" * 3000, "new/file": b"a" * 4000, "same": b"z"})
    assert make_plan(TARGET, here, Remote("f" * 40, True, there, None)).told() == (
        "dataset ada/sums (private, at ffffffffffff)\n"
        "  change  README.md  3 kB, was 1 kB\n"
        "  add     new/file   4 kB\n"
        "  remove  old        2 kB\n"
        "  1 to add, 1 to change, 1 to remove, 1 as they are; 7 kB to upload\n"
        "  tag v1: new"
    )


def test_plan_tag_on_equal_content_needs_no_other() -> None:
    there = remote({"a": b"x"})
    plan = make_plan(TARGET, local({"a": b"x"}), Remote("f" * 40, False, there, there))
    assert not plan.changes
    assert not plan.makes_tag
    assert plan.told().endswith("tag v1: marks this content already")


def test_plan_tag_on_other_content_is_refused_whatever_the_branch_holds() -> None:
    equal, other = remote({"a": b"x"}), remote({"a": b"y"})
    with pytest.raises(PublishError, match="tag v1 marks other content"):
        make_plan(TARGET, local({"a": b"x"}), Remote("f" * 40, False, equal, other))


RUN = {"method": "sft", "n_rows": 1775, "steps": 120, "epochs": 2.14286, "loss_first": 0.0829, "loss_last": 0.0132}
RESULTS = Results("a" * 32 + ".dir", RUN, [{"test set": "held", "round": "r1", "pass@1": "0.833±0.015"}])


def test_card_without_marks_keeps_its_text_and_has_origin_and_results_at_its_end() -> None:
    text = completed("---\na: 1\n---\n# Sums\n", "r1", "ada/sums", ORIGIN, RESULTS)
    assert text.startswith("---\na: 1\n---\n# Sums\n\n## Where it comes from\n")
    for said in (
        ORIGIN.commit,
        ORIGIN.digest,
        f"| `data/r1/sft.parquet` | `{'e' * 32}` |",
        "0.833±0.015",
        "1,775 rows",
    ):
        assert said in text, said
    assert "What training gave" not in completed("# Sums\n", "r1", "ada/sums", ORIGIN, None)


@pytest.mark.parametrize("results", [RESULTS, None])
def test_card_with_marks_changes_there_alone(results: Results | None) -> None:
    parts = ('a = load("USER/NAME")\n\n', RESULTS_MARK, "\n\n## Reproduce it\n\n", PROVENANCE, "\n\n## Cite\n")
    text = completed("".join(parts), "r1", "ada/sums", ORIGIN, results)
    start, end = text.split("## Reproduce it\n\nStage `package@r1`")
    assert start.startswith('a = load("ada/sums")\n\n')
    assert ("0.833±0.015" in start) == (results is not None)
    assert end.endswith("</details>\n\n## Cite\n")
    assert "dast publish" not in text


def lock(**changed: str) -> Lock:
    """build → train → evaluate, and the base's evaluation; `changed` says what a later stage saw otherwise."""
    seen = {"sft": "1", "model": "2"} | changed
    return Lock(
        (
            Stage("build@r1", {"dast/pairs.py": "9"}, {"sft": "1"}),
            Stage("train@r1", {"sft": seen["sft"]}, {"model": "2", "train.json": "3"}),
            Stage("evaluate@r1", {"model": seen["model"]}, {"r1.csv": "4"}),
            Stage("evaluate_base", {}, {"base.csv": "5"}),
        )
    )


@pytest.mark.parametrize(("changed", "fresh"), [({}, True), ({"sft": "0"}, False), ({"model": "0"}, False)])
def test_results_are_told_only_of_the_model_of_these_tables(
    tmp_path: Path, changed: dict[str, str], fresh: bool
) -> None:
    write_json(tmp_path / "train.json", {"method": "sft"})
    row = {"test_set": "held", "domain": "in", "group": "all", "n_queries": 8, "measure": "greedy"}
    for name, estimate in (("base", 0.25), ("r1", 0.75)):
        write_csv(tmp_path / f"{name}.csv", [{**row, "estimate": estimate, "se": 0.0, "low": 0.0, "high": 1.0}])
    places = Places("model", "train.json", {"base": "base.csv", "r1": "r1.csv"})
    results = read_results(tmp_path, lock(**changed), places)
    assert (results is not None) == fresh
    if results is not None:
        assert [(row["round"], row["greedy"][:4]) for row in results.accuracy] == [("base", "25.0"), ("r1", "75.0")]
        assert results.digest == "2"


def test_lock_without_file_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="dvc repro"):
        read_lock(tmp_path / "dvc.lock")


def test_receipt_adds_an_entry_for_each_revision_and_tag_once(tmp_path: Path) -> None:
    path = receipt_path(tmp_path, TARGET)
    files = local({"a": b"x"})
    assert path == tmp_path / "datasets" / "ada" / "sums.json"
    assert add_receipt(path, TARGET, ORIGIN, files, "1" * 40)
    assert not add_receipt(path, TARGET, ORIGIN, files, "1" * 40)
    assert add_receipt(path, Target("ada/sums", "dataset", False, "v2"), ORIGIN, files, "1" * 40)
    kept = read_json(path)
    assert [(one["revision"][0], one["tag"]) for one in kept["published"]] == [("1", "v1"), ("1", "v2")]
    assert kept["published"][0]["sha256"] == {"a": hashlib.sha256(b"x").hexdigest()}
    assert kept["published"][0]["output"] == {"path": "data/r1/hub", "md5": ORIGIN.digest}
