"""What a check says: one line each, and prompts to look at.

Grain: one finding a fact that was checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["ok", "info", "warning", "error"]

KINDS: tuple[Kind, ...] = ("ok", "info", "warning", "error")


@dataclass(frozen=True)
class Finding:
    """`text` of a warning or an error says what to do; `info` is an estimate, or what could not be checked and why."""

    kind: Kind
    subject: str
    text: str

    def told(self) -> str:
        """The line."""
        return f"{self.kind:<8}{self.subject}: {' '.join(self.text.split())}"


@dataclass(frozen=True)
class Specimen:
    """A whole text to look at, such as the first prompt of a kind."""

    title: str
    text: str

    def told(self) -> str:
        """The text under its title, a bar before each line, so that white space at its ends is seen."""
        lines = self.text.split("\n")
        return "\n".join([f"{'prompt':<8}{self.title}", *(f"        | {line}" for line in lines)])


def counted(findings: Iterable[Finding]) -> dict[Kind, int]:
    """How many findings of each kind."""
    kinds = [finding.kind for finding in findings]
    return {kind: kinds.count(kind) for kind in KINDS}


def plural(count: int, word: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def first_line(error: BaseException) -> str:
    """An exception in one line of 200 characters at most."""
    return " ".join(str(error).split())[:200] or type(error).__name__
