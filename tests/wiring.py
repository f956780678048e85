"""What the static tests need to know of the code: imports, and which stage reads which section of params."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent

PLUMBING = (
    "dast/dvc.py",
    "dast/entry.py",
    "dast/errors.py",
    "dast/params/",
    "dast/progress.py",
    "dast/smallfiles.py",
    "dast/store/",
    "dast/tables.py",
)
"""Modules that carry data without deciding any of it; a change of theirs re-runs nothing."""


_FILE_NAME = re.compile(r"\w[\w.-]*\.(?!py$)\w+")


def module_path(module: str) -> Path | None:
    """File of a project module, or None for anything else."""
    base = ROOT / Path(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Project modules that a file imports, inside functions too, or starts by name: an engine chosen by name counts."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {name for name in below if module_path(name)}
            found |= modules if len(modules) == len(below) else modules | {node.module}
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value.startswith(("dast.", "stages."))
        ):
            found |= {node.value} if module_path(node.value) else set()
    return frozenset(name for name in found if name.split(".")[0] in ("dast", "stages") and module_path(name))


def closure(path: Path) -> set[Path]:
    """Every project file that a file reaches by imports, itself included; package docstrings left out."""
    seen: set[Path] = set()
    todo = [path]
    while todo:
        here = todo.pop()
        if here in seen:
            continue
        seen.add(here)
        todo += [target for name in imports_of(here) if (target := module_path(name))]
    return {file for file in seen if file.name != "__init__.py"}


def assets_of(path: Path) -> set[Path]:
    """Files beside a module that it names whole in a string, such as a template: they decide as much as code."""
    if path.name == "__init__.py":
        return set()
    constants = (
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Constant)
    )
    named = {node.value for node in constants if isinstance(node.value, str)}
    return {file for name in named if _FILE_NAME.fullmatch(name) and (file := path.parent / name).is_file()}


def code_deps(stage: str) -> list[str]:
    """What a stage must declare: its import closure and assets less the plumbing, relative to the root, sorted."""
    reached = closure(ROOT / "stages" / f"{stage}.py")
    reached |= {asset for file in reached for asset in assets_of(file)}
    files = {file.relative_to(ROOT).as_posix() for file in reached}
    return sorted(file for file in files if not file.startswith(PLUMBING))


def sections_read(stage: str) -> set[str]:
    """Sections that a stage script takes from what `load_settings` or `load_project(...).defaults` gave it."""
    tree = ast.parse((ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8"))
    names, sections = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and _loads(node.value):
            names.add(node.targets[0].id)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            if (isinstance(owner, ast.Name) and owner.id in names) or _loads(owner):
                sections.add(node.attr)
    return sections - {"defaults"}


def _loads(node: ast.expr) -> bool:
    if isinstance(node, ast.Attribute) and node.attr == "defaults":
        node = node.value
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("load_settings", "load_project")
    )
