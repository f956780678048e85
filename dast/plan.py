"""What `dvc repro` would run, and why, without running more than the cheap stage that settles parameters.

Guarantees: only stages of the group `resolve` are run; stages come in pipeline order; a parameter is named with its old
and new value. Grain: one `Pending` a stage that would run.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dast.dvc import read_dvc, run_dvc
from dast.params.project import load_yaml

_EDGE = re.compile(r'^"(?P<above>[^"]+)" -> "(?P<below>[^"]+)";$')
_NODE = re.compile(r'^"(?P<name>[^"]+)";$')
_SHOWN = 3
_MISSING = object()


@dataclass(frozen=True)
class Pending:
    """A stage that would run, or may."""

    stage: str
    reasons: tuple[str, ...]
    """What changed of its own; empty when only a stage before it runs."""
    after: tuple[str, ...]
    """Stages directly before it that would run: it runs where they give something new."""

    def told(self) -> str:
        """One line."""
        shown = [
            *self.reasons[:_SHOWN],
            *([f"{len(self.reasons) - _SHOWN} more"] if len(self.reasons) > _SHOWN else []),
        ]
        return "; ".join(shown) if shown else f"if {' or '.join(self.after)} gives something new"


@dataclass(frozen=True)
class Graph:
    """Stages in pipeline order, and what stands directly before each."""

    order: tuple[str, ...]
    before: Mapping[str, frozenset[str]]


def plan(folder: Path) -> tuple[list[Pending], int]:
    """Stages that would run in the DVC repository at `folder`, and the number of all stages.

    Raises:
        CommandError: DVC ends in an error, such as params that are not valid.
    """
    # While `resolve` is pending DVC sees old parameters everywhere else; -s runs nothing but it.
    run_dvc(["repro", "--single-item", "resolve"], folder)
    status = read_dvc(["status"], folder)
    graph = parse_graph(run_dvc(["dag", "--dot"], folder))
    lock = folder / "dvc.lock"
    recorded = load_yaml(lock).get("stages", {}) if lock.exists() else {}
    return pending(status, graph, recorded, folder), len(graph.order)


def parse_graph(dot: str) -> Graph:
    """The graph that `dvc dag --dot` prints, in an order that keeps DVC's own where the graph allows it."""
    lines = dot.splitlines()
    names = [match["name"] for line in lines if (match := _NODE.match(line.strip()))]
    edges = [(match["above"], match["below"]) for line in lines if (match := _EDGE.match(line.strip()))]
    before = {name: frozenset(above for above, below in edges if below == name) for name in names}
    return Graph(tuple(_sorted(names, before)), before)


def pending(
    status: Mapping[str, Sequence[Any]], graph: Graph, recorded: Mapping[str, Any], folder: Path
) -> list[Pending]:
    """The stages that `dvc status` names, and every one behind them.

    Args:
        status: What `dvc status --json` says.
        graph: The pipeline.
        recorded: `stages` of dvc.lock: what each stage last ran with; a stage that never ran is not there.
        folder: Where the params files lie.
    """
    found: dict[str, Pending] = {}
    for stage in (*graph.order, *(name for name in status if name not in graph.before)):
        after = tuple(name for name in graph.order if name in graph.before.get(stage, ()) and name in found)
        changes = status.get(stage, ())
        if changes or after:
            found[stage] = Pending(stage, _own_reasons(changes, bool(after), recorded.get(stage), folder), after)
    return list(found.values())


def _sorted(names: Sequence[str], before: Mapping[str, frozenset[str]]) -> Iterator[str]:
    place = {name: index for index, name in enumerate(names)}
    left = {name: len(above) for name, above in before.items()}
    ready = [place[name] for name in names if not left[name]]
    while ready:
        name = names[heapq.heappop(ready)]
        yield name
        for below in (other for other in names if name in before[other]):
            left[below] -= 1
            if not left[below]:
                heapq.heappush(ready, place[below])


def _own_reasons(
    changes: Sequence[Any], waits: bool, recorded: Mapping[str, Any] | None, folder: Path
) -> tuple[str, ...]:
    if changes and recorded is None:
        return ("it has not run yet",)  # DVC calls every input of such a stage modified
    old = (recorded or {}).get("params", {})
    return tuple(dict.fromkeys(_reasons(changes, waits, old, folder)))


def _reasons(changes: Sequence[Any], waits: bool, old: Mapping[str, Any], folder: Path) -> Iterator[str]:
    for change in changes:
        if isinstance(change, str):
            yield change.replace("changed command", "its command changed")
            continue
        for path, what in change.get("changed deps", {}).items():
            if isinstance(what, Mapping):
                yield from _changed_params(path, what, old.get(path, {}), folder)
            elif what != "deleted" or not waits:
                yield f"{path} {'is missing' if what == 'deleted' else f'is {what}'}"
        outs = change.get("changed outs", {})
        if outs and set(outs.values()) == {"deleted"}:
            yield "its output is not there"
        else:
            yield from (f"its output {path} is {what}" for path, what in outs.items())


def _changed_params(path: str, sections: Mapping[str, str], old: Mapping[str, Any], folder: Path) -> Iterator[str]:
    current = load_yaml(folder / path) if (folder / path).exists() else {}
    for section, what in sections.items():
        leaves = list(_changed_leaves(section, old.get(section, _MISSING), _at(current, section)))
        yield from leaves or [f"{path}: {section} is {what}"]


def _changed_leaves(name: str, old: object, new: object) -> Iterator[str]:
    if old is _MISSING or old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            yield from _changed_leaves(f"{name}.{key}", old.get(key, "nothing"), new.get(key, "nothing"))
    else:
        yield f"{name} {_brief(old)} → {_brief(new)}"


def _at(content: object, dotted: str) -> object:
    for key in dotted.split("."):
        content = content.get(key, {}) if isinstance(content, Mapping) else {}
    return content


def _brief(value: object) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
