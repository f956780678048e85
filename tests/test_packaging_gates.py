"""What may not leave the machine is refused in one line: texts without a licence, test queries, secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dast import frames, tables
from dast.errors import DataError
from dast.packaging.gates import refuse_test_queries
from dast.packaging.idsonly import answer_digest, without_texts
from dast.packaging.licences import LICENCES, RESTRICTED, TAKEDOWNS, licence_faults, refuse_licences
from dast.packaging.secrets import refuse_secrets
from dast.params.package import Package
from dast.params.project import Project, parse_project
from dast.params.sources import Prepare
from dast.preflight.checks import Preflight
from dast.presets import compose
from tests.makers import ROOT, default_settings
from tests.packages import card_of, held_row, pair_row, rollout, rows_of_configs, run_stage, shared

SETTINGS = default_settings()


def prepared(licence: str = "MIT", hub_id: str | None = None, pool_licence: str | None = None) -> Prepare:
    raw = SETTINGS.prepare.model_dump()
    raw["train"][0]["licence"] = licence
    columns = {"query": ["q"], "answer": "a", "solution": None, "level": None}
    place = {"config": None, "split": "train", "revision": "0" * 40}
    if hub_id:
        about = {"kind": "hub", "name": "s", "hub_id": hub_id, "columns": columns, "answer_rule": "whole"}
        rest = {"strip_pattern": None, "solution_end": None, "where": {}, "tolerance": None, "licence": licence}
        raw["train"] = [{**about, **place, **rest}]
    if pool_licence:
        column = {"response": "r", "label": None, "origin": "m", "origin_is_column": False}
        about = {"kind": "hub", "path": "a/pool", "query": ["q"], "responses": [column], "unknown_queries": "drop"}
        raw["pool"] = {**about, **place, "licence": pool_licence}
    return Prepare.model_validate(raw)


def packaged(**changes: Any) -> Package:
    return Package.model_validate({**SETTINGS.package.model_dump(), **changes})


@pytest.mark.parametrize("licence", ["MIT", "cc-by-4.0", "Apache-2.0", "odc-by"])
def test_licence_gate_known_free_licence_passes(licence: str) -> None:
    refuse_licences(prepared(licence, pool_licence=licence), packaged())


@pytest.mark.parametrize(
    ("licence", "said"),
    [
        ("unknown", r"prepare.train.0 \(tiny\): its licence is unknown: find out"),
        ("other", "its licence is other"),
        ("my own", "my own is no licence that the Hub knows"),
        ("CC-BY-NC-4.0", "cc-by-nc-4.0 bars commercial use or changed copies: add it to package.accept_licences"),
        ("cc-by-nd-4.0", "cc-by-nd-4.0 bars commercial use"),
    ],
)
def test_licence_gate_refuses_and_ids_only_is_the_way_out(licence: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        refuse_licences(prepared(licence), packaged())
    refuse_licences(prepared(licence), packaged(ids_only=True))


def test_licence_gate_accepted_non_commercial_licence_passes() -> None:
    refuse_licences(prepared("CC-BY-NC-4.0"), packaged(accept_licences=["cc-by-nc-4.0"]))


@pytest.mark.parametrize("hub_id", ["hendrycks/competition_math", "lighteval/MATH"])
def test_licence_gate_taken_down_dataset_is_refused_whatever_it_states(hub_id: str) -> None:
    with pytest.raises(DataError, match=r"was taken down: .*January 2025"):
        refuse_licences(prepared("mit", hub_id), packaged(accept_licences=sorted(RESTRICTED)))
    refuse_licences(prepared("mit", hub_id), packaged(ids_only=True))


def test_licence_gate_pool_is_refused_even_with_ids_only() -> None:
    with pytest.raises(DataError, match=r"prepare.pool \(a/pool\): its licence is unknown.*leave the pool out"):
        refuse_licences(prepared(pool_licence="unknown"), packaged(ids_only=True))


def test_licence_gate_every_fault_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"prepare.train.0.*; prepare.pool"):
        refuse_licences(prepared("unknown", pool_licence="unknown"), packaged())


def test_licence_lists_hold_together() -> None:
    assert RESTRICTED < LICENCES
    assert {"cc-by-nc-sa-4.0", "cc-by-nd-4.0", "fair-noncommercial-research-license"} <= RESTRICTED
    assert not RESTRICTED & {"ncsa", "mit", "cc-by-sa-4.0", "bsd-3-clause"}
    assert all(name == name.lower() for name in (*LICENCES, *TAKEDOWNS))


def test_package_unknown_licence_ends_the_stage_and_leaves_no_folder(tmp_path: Path) -> None:
    source = default_settings().prepare.train[0].model_dump()
    with pytest.raises(DataError, match="its licence is unknown"):
        run_stage(tmp_path, rows_of_configs(), [], prepare={"train": [{**source, "licence": "unknown"}]})
    assert not (tmp_path / "r1" / "hub").exists()


def test_package_test_query_to_train_on_is_refused_by_normalised_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sft: 1 queries also stand in a test set, such as q1 in held"):
        run_stage(tmp_path, rows_of_configs(), [held_row("  What is 1 +   1? ")])
    assert not (tmp_path / "r1" / "hub").exists()


def test_package_test_query_that_is_not_trained_on_passes(tmp_path: Path) -> None:
    hub = run_stage(tmp_path, rows_of_configs(), [held_row("What is 2 + 1?")])
    assert "| `held` | 1 | 0 | 0 | 0 | 0 |" in card_of(hub)


def test_refusal_row_without_training_query_is_named() -> None:
    rows = rows_of_configs()
    with pytest.raises(DataError, match=r"sft: 1 queries are no training queries, such as q1"):
        refuse_test_queries(rows["queries"].filter(query_id="q2"), frames.frame(tables.TEST_QUERIES, []), rows)


@pytest.mark.parametrize("found", [shared("query", 1), shared("response", 1, "sample-0")])
def test_package_contaminated_row_is_refused_or_told_of(tmp_path: Path, found: dict[str, Any]) -> None:
    tests = [held_row("Something else?")]
    with pytest.raises(DataError, match=r"1 texts are contaminated, such as the (query|response) q1.* by t of held"):
        run_stage(tmp_path, rows_of_configs(), tests, found=[found])
    told = run_stage(tmp_path, rows_of_configs(), tests, found=[found], package={"contaminated": "report"})
    counts = "1 | 1 | 0 | 0" if found["part"] == "query" else "0 | 0 | 1 | 1"
    assert f"| `held` | 1 | {counts} |" in card_of(told)


def test_package_contamination_of_rows_that_are_not_trained_on_is_nobodys_fault(tmp_path: Path) -> None:
    found = [shared("query", 2), shared("response", 1, "sample-99"), shared("query", 1, contaminated=False)]
    hub = run_stage(tmp_path, rows_of_configs(), [held_row("Something else?")], found=found)
    assert "| `held` | 1 | 1 | 0 | 0 | 0 |" in card_of(hub)


def ids_only_rows(*rollouts: dict[str, Any], **more: list[dict[str, Any]]) -> dict[str, pl.DataFrame]:
    rows = rows_of_configs(2)
    rows["rollouts"] = frames.frame(tables.GRADED, [rollout(1, 0), rollout(1, 1), *rollouts])
    changed = {name: frames.frame(tables.TABLES[name], listed) for name, listed in more.items()}
    return {**rows, **changed, "dpo": changed.get("dpo", rows["dpo"]).with_columns(origin=pl.lit("self"))}


def test_ids_only_holds_no_text_of_the_sources(tmp_path: Path) -> None:
    rows = ids_only_rows()
    hub = run_stage(tmp_path, {**rows, "dpo": rows["dpo"].drop("origin")}, [], package={"ids_only": True})
    assert not (hub / "prompts").exists()
    for path in hub.rglob("*.parquet"):
        assert not {"query", "answer", "solution", "prompt", "messages"} & set(pl.read_parquet_schema(path)), path
    held = b"".join(path.read_bytes() for path in hub.rglob("*") if path.is_file())
    assert b"What is 1 + 1?" not in held
    assert "Ids only." in card_of(hub)


def test_ids_only_answers_are_digests_that_whoever_knows_them_can_check() -> None:
    kept, _ = without_texts(ids_only_rows())
    assert kept["queries"]["answer_digest"].to_list() == [answer_digest("q1", "2"), answer_digest("q2", "3")]
    assert answer_digest("q1", "2") != answer_digest("q2", "2")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({**rollout(1, 1), "n_hint_tokens": 3}, "hinted"),
        ({**rollout(1, 1), "response": "You ask: What  is\n1 + 1? It is 2."}, "says_query"),
    ],
)
def test_ids_only_response_with_a_text_of_the_source_is_left_out_everywhere(more: dict[str, Any], reason: str) -> None:
    rows = ids_only_rows(dpo=[pair_row(1)])
    rows["rollouts"] = frames.frame(tables.GRADED, [rollout(1, 0), more])
    kept, left_out = without_texts(rows)
    assert left_out == {name: {reason: 1} for name in ("sft", "dpo", "rollouts")}
    assert kept["sft"]["rollout_id"].to_list() == kept["rollouts"]["rollout_id"].to_list() == ["sample-0"]
    assert kept["dpo"].is_empty()


def test_ids_only_reference_solutions_and_unknown_rollouts_are_left_out() -> None:
    row = rows_of_configs(1)["sft"].to_dicts()[0]
    sft = [row, {**row, "rollout_id": "reference"}, {**row, "rollout_id": "of-an-earlier-round"}]
    kept, left_out = without_texts(ids_only_rows(sft=sft, dpo=[pair_row(1, "reference")]))
    assert left_out == {"sft": {"reference": 1, "other_round": 1}, "dpo": {"reference": 1}, "rollouts": {}}
    assert kept["sft"].height == 1


SECRETS = {
    "hf_" + "aB3" * 12: "a token of the Hugging Face Hub",
    "sk-proj-" + "A1b2" * 10: "a key of OpenAI's form",
    "sk-" + "A1b2" * 12: "a key of OpenAI's form",
    "AKIA" + "ABCD" * 4: "an AWS access key",
    "aws_secret_access_key = " + "a/B+" * 10: "an AWS secret key",
    "ghp_" + "x1" * 18: "a GitHub token",
    "-----BEGIN OPENSSH PRIVATE KEY-----": "a private key",
    "https://me:secret@host.org": "a password in an address",
    "/home/anna/models": "a user's home folder",
    "/Users/anna/models": "a user's home folder",
    "C:\\Users\\anna\\models": "a user's home folder",
    "see /mnt/disk/models": "an absolute path",
    "see /lustre/ada/q.jsonl": "an absolute path",
    "see /dev/shm/q.jsonl": "an absolute path",
    "pool|/tmp/q.jsonl|": "an absolute path",
    ">/opt/q.jsonl": "an absolute path",
    "{/tmp/q.jsonl}": "an absolute path",
    "a;/fsx/q.jsonl": "an absolute path",
    '{"user": "first\\n/data/q.jsonl"}': "an absolute path",
    "D:\\work\\q.jsonl": "an absolute path",
    '"D:\\\\Projects\\\\q.jsonl"': "an absolute path",
    "file:///q.jsonl": "the address of a file",
}
HARMLESS = (
    *(
        "12/4 = 3 and 1/root(2)",
        "the work/data ratio is 3/4",
        "https://example.org/home/page",
        "ask-me sk-ip",
        "hf_hub",
    ),
    *("f:\\mathbb{R}\\to\\mathbb{R}", "x:\\alpha\\beta", "a/run/b and a/data/b", "profile://x", "</data>"),
    *("\\frac{1}{2}/\\sqrt{3}", "x = /2", "a://b", "Mark gave 3/5 of the data/content", "AKIA", "C:\\Users", "hf_hub"),
)


@pytest.mark.parametrize("place", ["card", "text", "messages"])
@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_found_wherever_they_stand(tmp_path: Path, secret: str, place: str) -> None:
    said = f"first line\nand {secret} in it"
    if place == "card":
        (tmp_path / "README.md").write_text(said, encoding="utf-8")
        where = "README.md, line 2"
    else:
        turns = [
            [{"role": "user", "content": "fine"}],
            [{"role": "user", "content": "fine"}, {"role": "a", "content": said}],
        ]
        column = {"text": ["fine", said]} if place == "text" else {"messages": turns}
        (tmp_path / "sft").mkdir()
        pl.DataFrame({"n": [1, 2], **column}).write_parquet(tmp_path / "sft" / "a.parquet")
        where = f"sft/a.parquet, column {place}, row 2"
    with pytest.raises(DataError) as refused:
        refuse_secrets(tmp_path)
    assert str(refused.value).startswith(f"{where}: {SECRETS[secret]} (")
    assert secret not in str(refused.value)


def test_secrets_harmless_text_passes(tmp_path: Path) -> None:
    pl.DataFrame({"text": [*HARMLESS, None], "none": [None] * (len(HARMLESS) + 1)}).write_parquet(
        tmp_path / "a.parquet"
    )
    (tmp_path / "README.md").write_text("\n".join(HARMLESS), encoding="utf-8")
    (tmp_path / "weights.bin").write_bytes(b"\0" + b"/home/anna " * 200_000)
    refuse_secrets(tmp_path)


def test_secrets_small_binary_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "training_args.bin").write_bytes(b"\0\1/home/anna/out\0")
    with pytest.raises(DataError, match=r"training_args\.bin, line 1: a user's home folder"):
        refuse_secrets(tmp_path)


def test_secrets_machine_names_its_own_user_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "mkraus")
    monkeypatch.setattr("socket.gethostname", lambda: "gpu-07")
    for text, what in (("~mkraus/out", "user name"), ("mkraus@login", "user name"), ("on gpu-07", "machine's name")):
        (tmp_path / "README.md").write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=f"this machine's {what}|this {what}"):
            refuse_secrets(tmp_path)
    (tmp_path / "README.md").write_text("mkraus published this as mkraus/data", encoding="utf-8")
    refuse_secrets(tmp_path)


@given(st.text(alphabet="0123456789+-*/=() xyz.,{}\\", max_size=200))
def test_secrets_mathematics_alone_is_never_one(text: str) -> None:
    from dast.packaging.secrets import FORMS, _first

    assert _first(text, FORMS) is None


def test_package_with_a_secret_is_refused_and_leaves_no_folder(tmp_path: Path) -> None:
    rows = rows_of_configs()
    rows["rollouts"] = rows["rollouts"].with_columns(response=pl.lit("see /home/anna/x"))
    with pytest.raises(DataError, match=r"rollouts/train-00000-of-00001.parquet, column response, row 1"):
        run_stage(tmp_path, rows, [])
    assert not (tmp_path / "r1" / "hub").exists()


def project(*presets: str, licence: str | None = None) -> Project:
    raw = compose(list(presets), ROOT / "presets")
    if licence:
        raw["defaults"]["prepare"]["train"][0]["licence"] = licence
    return parse_project(raw, "params.yaml")


@pytest.mark.parametrize("preset", sorted(path.stem for path in (ROOT / "presets").glob("*.yaml")))
def test_licence_gate_no_shipped_preset_is_refused(preset: str) -> None:
    defaults = project(*([] if preset == "default" else [preset])).defaults
    assert licence_faults(defaults.prepare, defaults.package) == []


def test_licence_gate_preflight_warns_of_it_before_anything_is_sampled() -> None:
    nothing: Any = None
    (told,) = Preflight(project(licence="unknown"), nothing, nothing, nothing).licences()
    assert (told.kind, told.subject) == ("warning", "package")
    assert "its licence is unknown" in told.text
    assert list(Preflight(project(), nothing, nothing, nothing).licences()) == []


def test_secrets_short_folder_of_this_machine_is_no_part_of_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "cwd", lambda: Path("/pie"))
    (tmp_path / "README.md").write_text("banana/piece, banana/pie, /piece", encoding="utf-8")
    refuse_secrets(tmp_path)
    (tmp_path / "README.md").write_text("see /pie/data", encoding="utf-8")
    with pytest.raises(DataError, match="a folder of this machine"):
        refuse_secrets(tmp_path)
