"""The pages: their commands exist, their links lead somewhere, their lists are those of the code."""

from __future__ import annotations

import argparse
import importlib.util
import re
from functools import cache
from pathlib import Path

import pytest

from dast.cli import _parser
from dast.tables import TABLES
from tests.pages import PAGES, ROOT, Block, all_blocks, links, section, words
from tests.stagespage import EXTENDS, STAGES, columns, wiring

KINDS = r"console( not-run)?|sh|python( not-run)?|yaml|json|text|(python|diff|yaml|json) file=[\w/.-]+"
"""What a fence may say: docs/README.md has what is done with each."""
OTHERS = {"cd", "git", "hf", "pip", "ray", "source", "vllm"}
"""Programs of others that the pages name; their arguments are theirs."""
STAGES_PAGE = ROOT / "docs" / "stages.md"
INDEX = ROOT / "docs" / "README.md"


def shown(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def dvc_parser() -> argparse.ArgumentParser:
    from dvc.cli.parser import get_main_parser

    parser: argparse.ArgumentParser = get_main_parser()
    return parser


def check(call: list[str], targets: set[str]) -> None:
    """Fails where a call is not one that its program takes."""
    program, arguments = Path(call[0]).name, call[1:]
    match program:
        case "dast":
            _parser().parse_args(arguments)
        case "dvc":
            dvc_parser().parse_args(arguments)
            if arguments[0] == "repro":
                named = {word.partition("@")[0] for word in arguments[1:] if not word.startswith("-")}
                assert named <= set(STAGES), named
        case "make":
            assert set(arguments) <= targets
        case "python" if arguments[0] == "-m":
            assert importlib.util.find_spec(arguments[1])
        case _:
            assert program in OTHERS, f"{program} is no program that the pages may name"


def made() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_pages_fences_say_what_is_done_with_them() -> None:
    assert not [f"{block.place}: {block.kind!r}" for block in all_blocks() if not re.fullmatch(KINDS, block.kind)]


@pytest.mark.parametrize("block", all_blocks("console", "console not-run", "sh"), ids=lambda block: block.place)
def test_page_commands_are_accepted_by_their_programs(block: Block) -> None:
    commands = block.commands()
    assert commands, "no command: behind `$ ` in a console"
    for command in commands:
        for call in words(re.sub(r"<[^<>]+>", "PLACEHOLDER", command)):
            try:
                check(call, made())
            except SystemExit:
                pytest.fail(f"{' '.join(call)}: not accepted")


def test_pages_commands_in_the_text_name_commands_and_flags_that_exist() -> None:
    commands = _parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    faults = []
    for page in PAGES:
        for span in re.findall(r"`dast ([^`\n]+)`", page.read_text(encoding="utf-8")):
            name, flags = span.split()[0], re.findall(r"(?<=\s)--[a-z-]+", span)
            if name not in commands or [flag for flag in flags if flag not in known_flags(commands[name])]:
                faults.append(f"{shown(page)}: dast {span}")
    assert not faults


def known_flags(parser: argparse.ArgumentParser) -> set[str]:
    below = [each for action in parser._actions if isinstance(action.choices, dict) for each in action.choices.values()]
    return set(parser._option_string_actions).union(*(known_flags(each) for each in below))


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_page_links_lead_to_files(page: Path) -> None:
    assert not [target for target in links(page) if not (page.parent / target).exists()]


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_page_links_into_pages_lead_to_headings(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([\w./-]*\.md)?#([\w-]+)\)", page.read_text(encoding="utf-8")):
        there = page.parent / target if target else page
        headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}, target


def test_index_lists_every_page_once() -> None:
    listed = [target for target in links(INDEX) if "/" not in target]
    assert sorted(listed) == sorted(page.name for page in (ROOT / "docs").glob("*.md") if page != INDEX)


def test_stages_page_has_a_section_for_each_stage_in_the_pipelines_order() -> None:
    assert re.findall(r"^## (\w+)$", STAGES_PAGE.read_text(encoding="utf-8"), re.MULTILINE) == list(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_stages_page_lists_what_dvc_yaml_declares(stage: str) -> None:
    told = " ".join(section(STAGES_PAGE, f"## {stage}").partition("\n### ")[0].split())
    found = dict(re.findall(r"- (Params|Reads|Writes, kept by (?:DVC|git)): (.*?)(?= - |$)", told))
    assert {name: re.findall(r"`([^`]+)`", values) for name, values in found.items()} == wiring(stage)


@pytest.mark.parametrize("name", TABLES)
def test_stages_page_tables_have_the_columns_of_the_code(name: str) -> None:
    table, told = TABLES[name], section(STAGES_PAGE, f"### {name}")
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| \S.* \|$", told, re.MULTILINE)
    assert rows == columns(table), "write:\n" + "\n".join(f"| `{each}` | {kind} |" for each, kind in columns(table))
    key = re.search(r"Key: ([^.]*)\.", told)
    assert key
    assert tuple(re.findall(r"`(\w+)`", key[1])) == table.key
    taken = re.search(r"The columns of `(\w+)`, and", told)
    assert (taken and taken[1]) == EXTENDS.get(name)
