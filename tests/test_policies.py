"""Model folders, their cards and digests, and what `bootstrap` makes of each kind of base."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dast.errors import ModelError, ParamsError
from dast.params.sources import Bootstrap
from dast.params.writing import yaml_text
from dast.policies.bases import make_base
from dast.policies.counting import token_counter
from dast.policies.folder import (
    check_model,
    fingerprint,
    folder_bytes,
    folder_digest,
    has_chat_template,
    read_policy,
    write_policy,
)
from dast.presets import compose
from dast.smallfiles import read_json
from dast.tiny.tokenizer import make_tokenizer
from stages import bootstrap as stage

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def settings(**changes: object) -> Bootstrap:
    section = compose([], ROOT / "presets")["defaults"]["bootstrap"]
    return Bootstrap.model_validate({**section, **changes})


def model_folder(folder: Path, template: str | None = TEMPLATE, tokenizer: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    if tokenizer:
        (folder / "tokenizer.json").write_text("{}")
        (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template} if template else {}))
    return folder


def local(source: Path) -> Bootstrap:
    return settings(kind="local", source=str(source), digest=folder_digest(source))


def test_folder_digest_names_and_contents_count_but_not_the_card(tmp_path: Path) -> None:
    one, other = model_folder(tmp_path / "one"), model_folder(tmp_path / "other")
    assert folder_digest(one) == folder_digest(other)
    write_policy(one, name="r1", kind="trained", parent="base", method="sft")
    assert folder_digest(one) == folder_digest(other)
    (one / "README.md").write_text("about")
    assert folder_digest(one) == folder_digest(other)
    fingerprint(one)
    (other / "config.json").write_text("{ }")
    assert folder_digest(one) != folder_digest(other)
    (one / "config.json").rename(one / "config2.json")
    assert folder_digest(one) != folder_digest(model_folder(tmp_path / "third"))


def test_folder_digest_link_counts_as_its_file(tmp_path: Path) -> None:
    plain = model_folder(tmp_path / "plain")
    linked = model_folder(tmp_path / "linked")
    (linked / "model.safetensors").unlink()
    (linked / "model.safetensors").symlink_to(plain / "model.safetensors")
    assert folder_digest(linked) == folder_digest(plain)
    assert folder_bytes(linked) == folder_bytes(plain)


def test_policy_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = write_policy(model_folder(tmp_path), name="r1", kind="trained", parent="base", method="dpo")
    assert read_policy(tmp_path) == written
    assert (written.parent, written.method, written.source) == ("base", "dpo", None)


def test_fingerprint_is_the_cards_digest_and_reads_no_weights(tmp_path: Path) -> None:
    policy = write_policy(model_folder(tmp_path), name="r1", kind="trained")
    assert fingerprint(tmp_path) == policy.digest == folder_digest(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"WEIGHTS")  # of the same size, which only reading would tell
    assert fingerprint(tmp_path) == policy.digest


@pytest.mark.parametrize("change", ["config.json", "model.safetensors", "new.json"])
def test_fingerprint_of_a_changed_folder_is_refused(tmp_path: Path, change: str) -> None:
    write_policy(model_folder(tmp_path), name="r1", kind="trained")
    (tmp_path / change).write_text("{ }" if change == "config.json" else "more weights")
    with pytest.raises(ModelError, match=f"{change} changed after policy.json was written") as raised:
        fingerprint(tmp_path)
    assert "\n" not in str(raised.value)


def test_fingerprint_of_an_adapter_follows_its_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the project's own models/base, where there is one, is another base

    def adapter(base: str) -> str:
        write_policy(model_folder(tmp_path / base, template=base), name="base", kind="hub")
        folder = tmp_path / "r1"
        folder.mkdir(exist_ok=True)
        (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": f"models/{base}"}))
        write_policy(folder, name="r1", kind="trained")
        return fingerprint(folder)

    first = adapter("base")
    assert first != read_policy(tmp_path / "r1").digest
    model_folder(tmp_path / "base", template="other")
    write_policy(tmp_path / "base", name="base", kind="hub")
    assert fingerprint(tmp_path / "r1") != first


def test_read_policy_without_or_with_another_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no readable policy\.json"):
        read_policy(tmp_path)
    (tmp_path / "policy.json").write_text('{"name": "base"}')
    with pytest.raises(ModelError, match=r"has the fields \['name'\]"):
        read_policy(tmp_path)


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", "no .*safetensors"),
        ("tokenizer.json", "no tokenizer"),
        ("tokenizer_config.json", "no tokenizer"),
    ],
)
def test_check_model_incomplete_folder_is_refused(tmp_path: Path, missing: str, told: str) -> None:
    (model_folder(tmp_path) / missing).unlink()
    with pytest.raises(ModelError, match=told) as raised:
        check_model(tmp_path)
    assert "\n" not in str(raised.value)


def test_make_base_none_is_a_card_alone(tmp_path: Path) -> None:
    policy = make_base(settings(kind="none"), None, tmp_path / "base")
    assert [path.name for path in (tmp_path / "base").iterdir()] == ["policy.json"]
    assert (policy.name, policy.kind) == ("base", "none")


def test_make_base_local_copies_and_signs(tmp_path: Path) -> None:
    source = model_folder(tmp_path / "source")
    policy = make_base(local(source), None, tmp_path / "base")
    assert policy.digest == folder_digest(source) == folder_digest(tmp_path / "base")
    assert policy.source == str(source)


@pytest.mark.parametrize("digest", [None, "0" * 64])
def test_make_base_local_without_its_digest_tells_the_one_found(tmp_path: Path, digest: str | None) -> None:
    source = model_folder(tmp_path / "source")
    with pytest.raises(ParamsError, match=rf"^bootstrap\.digest: .*{folder_digest(source)}") as raised:
        make_base(settings(kind="local", source=str(source), digest=digest), None, tmp_path / "base")
    assert "\n" not in str(raised.value)
    assert not list((tmp_path / "base").iterdir())


def test_make_base_local_sets_the_template_where_there_is_none(tmp_path: Path) -> None:
    source = model_folder(tmp_path / "source", template=None)
    make_base(local(source), TEMPLATE, tmp_path / "base")
    assert (tmp_path / "base" / "chat_template.jinja").read_text() == TEMPLATE
    assert not has_chat_template(source)


def test_make_base_of_raw_prompts_needs_no_template(tmp_path: Path) -> None:
    source = model_folder(tmp_path / "source", template=None)
    make_base(local(source), None, tmp_path / "base", raw=True)
    assert not has_chat_template(tmp_path / "base")


def test_make_base_local_keeps_the_tokenizer_s_own_template(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = model_folder(tmp_path / "source")
    make_base(local(source), "other", tmp_path / "base")
    assert not (tmp_path / "base" / "chat_template.jinja").exists()
    assert "prompt.chat_template is not used" in caplog.text


@pytest.mark.parametrize(
    ("tokenizer", "told"),
    [(False, "no tokenizer beside the model"), (True, "no chat template and prompt.chat_template is null")],
)
def test_make_base_local_unusable_tokenizer_is_refused(tmp_path: Path, tokenizer: bool, told: str) -> None:
    source = model_folder(tmp_path / "source", template=None, tokenizer=tokenizer)
    with pytest.raises(ModelError, match=told) as raised:
        make_base(local(source), None, tmp_path / "base")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kind": "hub", "source": "a/b"}, r"^bootstrap\.revision: null; fill in the commit of a/b"),
        ({"kind": "hub"}, r"^bootstrap\.source: null"),
        ({"kind": "local"}, r"^bootstrap\.source: null"),
        ({"kind": "local", "source": "no/such/folder"}, r"^bootstrap\.source: no/such/folder is no folder"),
    ],
)
def test_make_base_unfilled_field_is_named(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises((ParamsError, ModelError), match=told):
        make_base(settings(**changes), None, tmp_path / "base")


def test_bootstrap_stage_none_writes_card_gate_and_metrics(tmp_path: Path) -> None:
    content = compose(["gsm8k-recorded"], ROOT / "presets")
    (tmp_path / "params.yaml").write_text(yaml_text(content))
    out = {
        "model": tmp_path / "models" / "base",
        "gate": tmp_path / "m" / "gate.json",
        "metrics": tmp_path / "m" / "b.json",
    }
    stage.main(params=tmp_path / "params.yaml", **out)
    assert read_json(out["gate"]) == {"passed": True}
    assert read_json(out["metrics"])["kind"] == read_policy(out["model"]).kind == "none"


def test_bootstrap_stage_kind_none_imports_no_torch() -> None:
    code = "import sys, stages.bootstrap, stages.prepare; sys.exit('torch' in sys.modules or 'datasets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_set_chat_template_is_what_transformers_loads(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from dast.tiny.tokenizer import make_tokenizer

    tokenizer = make_tokenizer()
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path / "source")
    (tmp_path / "source" / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "source" / "model.safetensors").write_bytes(b"weights")
    make_base(local(tmp_path / "source"), TEMPLATE, tmp_path / "base")
    loaded = AutoTokenizer.from_pretrained(tmp_path / "base")
    assert (
        loaded.apply_chat_template([{"role": "user", "content": "Tom has 9 coins."}], tokenize=False)
        == "Tom has 9 coins."
    )


def test_token_counter_counts_as_the_folders_tokenizer_does(tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    texts = ["Sep 9*3=27; Oct 27-4=23; #### 23", "", "Tom has 9 coins."]
    counted = token_counter(tmp_path)
    assert counted.many(texts) == [len(tokenizer(text)["input_ids"]) for text in texts]
    assert counted(texts[0]) == counted.many(texts)[0] > 0


def test_token_counter_folder_without_tokenizer_counts_characters_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    counted = token_counter(tmp_path)
    assert not caplog.records
    assert counted.many(["", "a", "abcd", "abcde"]) == [0, 1, 1, 2]
    assert counted("a" * 9) == 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
