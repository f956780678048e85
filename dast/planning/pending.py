"""The stages that would run, and why.

Guarantees: stages come in pipeline order; a parameter is named with its old and new value. Grain: one `Pending` a stage
that would run, or may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dast.params.project import load_yaml
from dast.planning.graph import Graph

_SHOWN = 3
_CODE = ".py"
_MISSING = object()

Read = Callable[[str], Mapping[str, Any]]
"""Gives a params file's content by its path; empty where there is none."""


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
    read = cache(lambda path: load_yaml(folder / path) if (folder / path).exists() else {})
    for stage in (*graph.order, *(name for name in status if name not in graph.before)):
        after = tuple(name for name in graph.order if name in graph.before.get(stage, ()) and name in found)
        changes = status.get(stage, ())
        if changes or after:
            found[stage] = Pending(stage, _own_reasons(changes, bool(after), recorded.get(stage), read), after)
    return list(found.values())


def _own_reasons(
    changes: Sequence[Any], waits: bool, recorded: Mapping[str, Any] | None, read: Read
) -> tuple[str, ...]:
    if changes and recorded is None:
        return ("it has not run yet",)  # DVC calls every input of such a stage modified
    old = (recorded or {}).get("params", {})
    return tuple(dict.fromkeys(_reasons(changes, waits, old, read)))


def _reasons(changes: Sequence[Any], waits: bool, old: Mapping[str, Any], read: Read) -> Iterator[str]:
    """Params first, then data, code, and outputs, those of a kind together."""
    deps: dict[str, Any] = {}
    outs: dict[str, str] = {}
    for change in changes:
        if isinstance(change, str):
            yield change.replace("changed command", "its command changed")
        else:
            deps |= change.get("changed deps", {})
            outs |= change.get("changed outs", {})
    for path, what in deps.items():
        if isinstance(what, Mapping):
            yield from _changed_params(path, what, old.get(path, {}), read(path))
    files = {path: what for path, what in deps.items() if not isinstance(what, Mapping)}
    for path, what in files.items():
        if not path.endswith(_CODE) and (what != "deleted" or not waits):
            yield f"{path} {'is missing' if what == 'deleted' else f'is {what}'}"
    if code := [path for path in files if path.endswith(_CODE)]:
        yield f"its code changed: {code[0]}{f' and {len(code) - 1} more' if code[1:] else ''}"
    yield from _changed_outs(outs)


def _changed_outs(outs: Mapping[str, str]) -> Iterator[str]:
    for what in dict.fromkeys(outs.values()):
        paths = [path for path, other in outs.items() if other == what]
        told = "not there" if what == "deleted" else what
        yield f"its output {paths[0]} is {told}" if len(paths) == 1 else f"{len(paths)} of its outputs are {told}"


def _changed_params(
    path: str, sections: Mapping[str, str], old: Mapping[str, Any], current: Mapping[str, Any]
) -> Iterator[str]:
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
