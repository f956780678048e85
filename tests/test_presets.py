"""Presets: every one and every sensible combination is a valid params file; an edited file is not overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment

from dast.errors import CommandError, ParamsError
from dast.params.project import Project, load_project, load_yaml, parse_project
from dast.presets import apply, compose, names_in
from dast.prompts import sampling_prompt

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "presets"
BASES = ("default", "gsm8k-recorded", "llama-3.1-8b", "qwen-1.5b-24gb")
LEVERS = ("dast-p", "dast-l")
COMBINATIONS = [[base] for base in BASES] + [[base, lever] for base in BASES for lever in LEVERS]


def project(*names: str) -> Project:
    return parse_project(compose(names, FOLDER), " ".join(names))


def partial(folder: Path, **texts: str) -> Path:
    (folder / "presets").mkdir()
    (folder / "presets" / "default.yaml").write_text((FOLDER / "default.yaml").read_text())
    for name, text in texts.items():
        (folder / "presets" / f"{name}.yaml").write_text(text)
    return folder / "presets"


def test_presets_combinations_cover_the_folder() -> None:
    assert set(names_in(FOLDER)) >= {*BASES, *LEVERS}
    assert names_in(FOLDER)[0] == "default"


@pytest.mark.parametrize("name", names_in(FOLDER))
def test_preset_each_is_valid_over_the_default(name: str) -> None:
    assert project(name).rounds


@pytest.mark.parametrize("names", COMBINATIONS, ids="+".join)
def test_presets_written_file_parses_to_the_merged_mapping(tmp_path: Path, names: list[str]) -> None:
    target = apply(names, FOLDER, tmp_path / "params.yaml", force=False)
    assert load_yaml(target) == compose(names, FOLDER)
    assert load_project(target).rounds
    apply(names, FOLDER, target, force=False)
    apply([], FOLDER, target, force=False)
    assert target.read_bytes() == (FOLDER / "default.yaml").read_bytes()


@pytest.mark.parametrize("base", BASES)
def test_levers_pull_one_control_and_nothing_else(base: str) -> None:
    plain, p, length = (project(base, *more).defaults for more in ((), ("dast-p",), ("dast-l",)))
    assert (p.augment.strategy, p.augment.ladder.matched.enabled) == ("dast", False)
    assert (length.augment.strategy, length.augment.ladder.matched.enabled) == ("vanilla", True)
    assert {name for name in type(p).model_fields if getattr(p, name) != getattr(plain, name)} <= {"augment"}


def test_presets_comments_stay_and_header_names_them(tmp_path: Path) -> None:
    text = apply(["qwen-1.5b-24gb", "dast-l"], FOLDER, tmp_path / "params.yaml", force=False).read_text()
    assert text.startswith("# dast preset: qwen-1.5b-24gb dast-l\n")
    assert "# K: plain rollouts a query" in text
    assert "# calculator marks" in text


def test_apply_edited_file_is_refused_unless_forced(tmp_path: Path) -> None:
    target = apply(["gsm8k-recorded"], FOLDER, tmp_path / "params.yaml", force=False)
    target.write_text(target.read_text().replace("n_rollouts: 4", "n_rollouts: 3"))
    with pytest.raises(CommandError, match=r"was edited .* --force"):
        apply(["default"], FOLDER, target, force=False)
    assert "n_rollouts: 3" in target.read_text()
    apply(["default"], FOLDER, target, force=True)
    assert target.read_bytes() == (FOLDER / "default.yaml").read_bytes()


@pytest.mark.parametrize("content", ["# dast preset: nothing-of-that-name\ndefaults: {}\n", "a: [", "", "- 1\n"])
def test_apply_unreadable_target_counts_as_edited(tmp_path: Path, content: str) -> None:
    (tmp_path / "params.yaml").write_text(content)
    with pytest.raises(CommandError, match="was edited"):
        apply([], FOLDER, tmp_path / "params.yaml", force=False)


@pytest.mark.parametrize("names", [[], ["dast-p"]])
def test_apply_note_in_a_comment_is_an_edit(tmp_path: Path, names: list[str]) -> None:
    target = apply(names, FOLDER, tmp_path / "params.yaml", force=False)
    written = target.read_text()
    target.write_text(f"{written}# MY NOTE\n")
    with pytest.raises(CommandError, match="was edited"):
        apply(["dast-l"], FOLDER, target, force=False)
    assert target.read_text().endswith("# MY NOTE\n")
    target.write_text(written)
    apply(["dast-l"], FOLDER, target, force=False)


def test_apply_target_that_is_not_utf8_counts_as_edited(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(b"# caf\xe9\n" + (FOLDER / "default.yaml").read_bytes())
    with pytest.raises(CommandError, match="was edited"):
        apply([], FOLDER, tmp_path / "params.yaml", force=False)


def test_apply_shipped_params_count_as_unedited(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes((ROOT / "presets" / "default.yaml").read_bytes())
    assert apply(["dast-p"], FOLDER, tmp_path / "params.yaml", force=False).read_text().startswith("# dast preset")


def test_compose_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(
        CommandError, match=r"no preset gsm9k; there are default, dast-budget, dast-l, dast-p, gsm8k"
    ) as raised:
        compose(["gsm9k"], FOLDER)
    assert "\n" not in str(raised.value)


def test_compose_rounds_and_lists_are_replaced_whole(tmp_path: Path) -> None:
    one = "rounds:\n  only: {policy: base, init: base, levels: only, method: sft, override: {}}\n"
    lists = "defaults: {evaluate: {k: [2]}}\n"
    composed = compose(["one", "lists"], partial(tmp_path, one=one, lists=lists))
    assert list(composed["rounds"]) == ["only"]
    assert composed["defaults"]["evaluate"]["k"] == [2]
    assert composed["defaults"]["evaluate"]["n_samples"] == 4


def test_compose_later_preset_wins(tmp_path: Path) -> None:
    texts = {name: f"defaults: {{sample: {{n_rollouts: {n}}}}}\n" for name, n in (("one", 5), ("two", 6))}
    folder = partial(tmp_path, **texts)
    assert compose(["one", "two"], folder)["defaults"]["sample"]["n_rollouts"] == 6
    assert compose(["two", "one"], folder)["defaults"]["sample"]["n_rollouts"] == 5


def test_compose_invalid_preset_names_the_fault(tmp_path: Path) -> None:
    folder = partial(tmp_path, wrong="defaults: {sample: {n_rollout: 5}}\n")
    with pytest.raises(ParamsError, match=r"default \+ wrong: 1 fault\n  defaults.sample.n_rollout: unknown key"):
        compose(["wrong"], folder)


def test_presets_hub_sources_are_pinned_to_whole_commits() -> None:
    for name in names_in(FOLDER):
        prepare = project(name).defaults.prepare
        for source in [*prepare.train, *(test.source for test in prepare.tests)]:
            if source.kind == "hub":
                assert source.revision is None or len(source.revision) == 40


def render(messages: list[dict[str, str]]) -> str:
    template = project("llama-3.1-8b").defaults.prompt.chat_template
    assert template is not None
    values: dict[str, Any] = {
        "messages": messages,
        "bos_token": "<bos>",
        "eos_token": "<eos>",
        "add_generation_prompt": True,
    }
    return Environment().from_string(template).render(values)


def test_llama_template_prompt_is_a_prefix_of_the_training_row() -> None:
    prompt = [{"role": "system", "content": "S"}, {"role": "user", "content": "a?"}]
    assert render(prompt) == "<bos>S\n\nQuestion: a?\nResponse:"
    assert render([*prompt, {"role": "assistant", "content": "b"}]) == render(prompt) + " b<eos>"


def test_llama_base_prompt_has_eight_solved_queries_and_ends_open() -> None:
    prompt = project("llama-3.1-8b").defaults.prompt
    text = render(sampling_prompt(prompt.base, "a?"))
    assert text.count("Question: ") == 9
    assert text.count("\\boxed{") == 8
    assert "<eos>" not in text
    assert text.endswith("\n\nQuestion: a?\nResponse:")
    assert not prompt.tuned.exemplars


def test_llama_exemplars_answers_are_graded_as_stated() -> None:
    stated = [
        shot.response.rpartition("\\boxed{")[2] for shot in project("llama-3.1-8b").defaults.prompt.base.exemplars
    ]
    assert stated == ["25}.", "86}.", "7}.", "68}.", "56}.", "15}.", "\\frac{1}{9}}.", "12}."]
