"""One call of `dast diff`: both sides, the sections asked for, the answer.

Guarantees: what is not asked for is not looked at; what was asked for and could not be compared is named, and counts
neither as the same nor as different. Grain: one comparison.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from dast.diff.by_dvc import Changes, changed_tables, changes, plots_page, revisions
from dast.diff.changes_page import changes_block, changes_summary
from dast.diff.data import DataDiff, compare_data
from dast.diff.data_page import data_blocks, data_json, data_summary
from dast.diff.files import Tree
from dast.diff.material import material
from dast.diff.page import Block, Style, rendered
from dast.diff.sides import Pair, Side, pairs, two_sides
from dast.report.metrics import RoundMetrics
from dast.rounds import Project

Section = Literal["params", "metrics", "data", "plots"]
SECTIONS: tuple[Section, ...] = ("params", "metrics", "data", "plots")


@dataclass(frozen=True)
class Wish:
    """What is asked for."""

    first: str
    second: str
    sections: Collection[Section]
    n_examples: int
    page: Path | None
    """Folder of DVC's page of plots; None draws none."""


@dataclass(frozen=True)
class Places:
    """Where tables lie, below the project's folder."""

    data: PurePosixPath
    queries: PurePosixPath


@dataclass(frozen=True)
class Answer:
    """What was found; a section that was not asked for is None."""

    wish: Wish
    dvc: Mapping[str, Changes]
    data: tuple[DataDiff, ...] | None
    bare: tuple[str, ...]
    """Sides without settings of their own, such as the base: params are not compared then (`not_compared`)."""
    alone: tuple[str, ...]
    """Rounds that one of two revisions alone has."""
    tables: tuple[str, ...] | None
    """Tables of plots that differ."""
    names: tuple[str, str] | None
    """What DVC was asked for; None where it was not."""
    page: Path | None

    @property
    def not_compared(self) -> dict[str, str]:
        """Sections that were asked for and could not be compared, each with the reason."""
        own = "have no settings of their own" if len(self.bare) > 1 else "has no settings of its own"
        said = f"{' and '.join(self.bare)} {own}"
        return {"params": said} if self.bare and "params" in self.wish.sections else {}

    @property
    def same(self) -> bool | None:
        """Whether no section that was asked for shows a difference; None where none of them could be compared."""
        if set(self.wish.sections) == set(self.not_compared):
            return None
        return not (any(self.dvc.values()) or self.alone or self.tables) and all(one.same for one in self.data or ())


def compare(project: Project, places: Places, wish: Wish) -> Answer:
    """Compares both sides.

    Raises:
        CommandError: a side that is not there, a table that is not in DVC's cache, or DVC's own error.
    """
    with two_sides(project.root, project.metrics, wish.first, wish.second) as (first, second):
        bare = () if first.whole else tuple(one.text for one in (first, second) if not one.rounds[0].params)
        asks = [kind for kind in ("params", "metrics") if kind in wish.sections and not (kind == "params" and bare)]
        asked = revisions(project, first, second) if asks or "plots" in wish.sections else None
        data = None
        if "data" in wish.sections:
            compared = pairs(first, second)
            data = tuple(_data(project.root, places, pair, wish.n_examples) for pair in compared)
        alone = tuple(_alone(first, second)) if first.whole and data is not None else ()
        tables = tuple(changed_tables(asked, project.tables)) if asked and "plots" in wish.sections else None
        page = plots_page(asked, wish.page) if asked and wish.page and "plots" in wish.sections else None
        found = changes(asked, asks) if asked else {}
        return Answer(wish, found, data, bare, alone, tables, asked.names if asked else None, page)


def answer_text(answer: Answer, style: Style, *, brief: bool) -> str:
    """The page; `brief` gives the summary of every section."""
    title = f"{answer.wish.first} → {answer.wish.second}"
    return rendered(title, _blocks(answer, brief=brief), style)


def answer_json(answer: Answer) -> str:
    """All of it for scripts."""
    sides = {"a": answer.wish.first, "b": answer.wish.second}
    found: dict[str, Any] = {**sides, "same": answer.same, "not_compared": answer.not_compared, **answer.dvc}
    if answer.data is not None:
        found |= {"data": [data_json(one) for one in answer.data], "rounds_of_one_side": answer.alone}
    if answer.tables is not None:
        found["plots"] = {"tables": answer.tables, "page": str(answer.page) if answer.page else None}
    return json.dumps({**found, "revisions": answer.names}, indent=2, ensure_ascii=False)


def _blocks(answer: Answer, *, brief: bool) -> Iterator[Block]:
    for section, reason in answer.not_compared.items():
        yield Block(f"{section.capitalize()}: {reason}")
    for kind, found in answer.dvc.items():
        yield changes_summary(kind, found) if brief else changes_block(kind, found)
    if answer.alone:
        yield Block(f"Rounds of one side alone: {', '.join(answer.alone)}")
    for one in answer.data or ():
        yield from [data_summary(one)] if brief else data_blocks(one)
    if answer.tables is not None:
        yield _plots(answer)


def _plots(answer: Answer) -> Block:
    names = [PurePosixPath(path).stem for path in answer.tables or ()]
    heading = f"Plots that differ: {', '.join(names)}" if names else "Plots: the same"
    by_hand = f"`dvc plots diff {' '.join(answer.names or ())}`"
    return Block(heading, [f"drawn in {answer.page}" if answer.page else f"`--plots` draws them, as {by_hand} does"])


def _data(root: Path, places: Places, pair: Pair, n_examples: int) -> DataDiff:
    sides = [
        material(Tree(root, commit), places.data, places.queries, entry.name)
        for entry, commit in zip((pair.first, pair.second), pair.commits, strict=True)
    ]
    left_out = (_left_out(pair.first), _left_out(pair.second))
    return compare_data(pair.labels, sides[0], sides[1], left_out, n_examples)


def _left_out(entry: RoundMetrics) -> dict[str, int]:
    found: dict[str, int] = entry.numbers().get("build", {}).get("left_out", {})
    return found


def _alone(first: Side, second: Side) -> Iterator[str]:
    names = [{entry.name for entry in side.rounds} for side in (first, second)]
    for side, own, other in zip((first, second), names, names[::-1], strict=True):
        yield from (f"{side.text}:{name}" for name in sorted(own - other))
