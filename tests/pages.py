"""The project's pages as tests read them: fenced blocks, the commands in them, headings, links.

What a fence says is done with its block (docs/README.md has the table):
`console` and `python` are run, `console not-run` and `sh` are parsed, `yaml` and `json` are read, `text` is only shown.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"^```(.*)$")
_ASSIGNMENT = re.compile(r"[A-Z][A-Z0-9_]*=")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: the page, the line of its first text line (from 1), what its fence says, and its text."""

    page: Path
    line: int
    kind: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def commands(self) -> list[str]:
        """Its command lines: behind `$ ` in a console, all but comments in `sh`; continued lines are one."""
        text = self.text.replace("\\\n", " ")
        if self.kind.startswith("console"):
            return [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
        return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    start, kind, lines = 0, "", list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if fence and not start:
            start, kind, lines = number + 1, fence[1].strip(), []
        elif fence:
            found.append(Block(page, start, kind, "\n".join(lines) + "\n"))
            start = 0
        else:
            lines.append(line)
    assert not start, f"{page}: the block of line {start} has no end"
    return found


def printed(page: Path) -> list[tuple[Block, str | None]]:
    """The Python blocks of a page that are run, and what the page says each prints: the `text` block right behind."""
    found = blocks(page)
    starts = {block.line: block for block in found if block.kind == "text"}
    scripts = [block for block in found if block.kind == "python"]
    behind = [starts.get(block.line + block.text.count("\n") + 3) for block in scripts]
    return [(script, text.text if text else None) for script, text in zip(scripts, behind, strict=True)]


def all_blocks(*kinds: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if not kinds or block.kind in kinds]


def words(command: str) -> list[list[str]]:
    """The programs that a line calls, each with its arguments; variables in front and comments left out."""
    calls: list[list[str]] = [[]]
    for word in shlex.split(command, comments=True):
        if word in ("&&", "|", ";"):
            calls.append([])
        elif calls[-1] or not _ASSIGNMENT.match(word):
            calls[-1].append(word)
    return [call for call in calls if call]


def section(page: Path, heading: str) -> str:
    """The text below a heading, up to the next of its rank or above."""
    text = page.read_text(encoding="utf-8")
    rank = heading.split(" ")[0]
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{len(rank)}}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page.relative_to(ROOT)} has no heading {heading!r}"
    return found[1]


def links(page: Path) -> Iterator[str]:
    """Links of a page to files of the project, without what follows `#`; code is no link."""
    text = re.sub(r"```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in _LINK.findall(re.sub(r"`[^`\n]*`", "", text)):
        if not re.match(r"[a-z]+:|#", target):
            yield target.partition("#")[0]
