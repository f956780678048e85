"""Presets: partial params files that are laid over `default.yaml`, one over the other.

Guarantees: what is written is a valid params file that parses to exactly the merged mapping; its first line names the
presets, so that a file that somebody edited, be it a comment, is told from one that was only written here, and is not
overwritten.
Mappings merge; `rounds` and every list are replaced whole. Grain: one params file.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.tokens import CommentToken

from dast.errors import CommandError, ParamsError
from dast.params.project import load_yaml, merge, parse_project
from dast.params.writing import Representer, yaml_text
from dast.smallfiles import write_text

DEFAULT = "default"

_HEADER = "# dast preset: "
_WIDTH = 400
"""Characters a line of a written file: a wrapped flow mapping is hard to read."""

_STRAY_BLANK = re.compile(r"\n\n+(?= {4})")
"""Blank lines inside a section, which a preset's own section ends leave behind."""


def names_in(folder: Path) -> list[str]:
    """The presets of a folder, `default` first."""
    found = sorted(path.stem for path in folder.glob("*.yaml"))
    return sorted(found, key=lambda name: name != DEFAULT)


def compose(names: Sequence[str], folder: Path) -> dict[str, Any]:
    """The default with the named presets over it, in their order; validated.

    Raises:
        CommandError: an unknown name.
        ParamsError: a preset that is no YAML mapping, or a combination that is not a valid params file.
    """
    content = load_yaml(folder / f"{DEFAULT}.yaml")
    for name in _known(names, folder):
        content = _overlay(content, load_yaml(folder / f"{name}.yaml"))
    parse_project(content, " + ".join([DEFAULT, *names]))
    return content


def apply(names: Sequence[str], folder: Path, target: Path, force: bool) -> Path:
    """Writes the composed params to `target`, with the presets' comments.

    Raises:
        CommandError: an unknown name, or a target that was edited while `force` is not given.
        ParamsError: as `compose`.
    """
    content = compose(names, folder)
    if not force and target.exists() and not _unedited(target, folder):
        raise CommandError(
            f"{target} was edited since it was written; save what you want to keep, then repeat with --force"
        )
    write_text(target, _text(_known(names, folder), folder, content))
    return target


def _known(names: Sequence[str], folder: Path) -> list[str]:
    available = names_in(folder)
    unknown = [name for name in names if name not in available]
    if unknown:
        raise CommandError(f"no preset {', '.join(unknown)}; there are {', '.join(available)}")
    return [name for name in names if name != DEFAULT]


def _overlay(content: Mapping[str, Any], partial: Mapping[str, Any]) -> dict[str, Any]:
    merged = merge(content, partial)
    return {**merged, "rounds": partial["rounds"]} if "rounds" in partial else merged


def _unedited(target: Path, folder: Path) -> bool:
    """Whether the file is, to the letter, what its own header says: the default, when it has none."""
    try:
        text = target.read_text(encoding="utf-8")
        line = text.partition("\n")[0]
        names = line.removeprefix(_HEADER).split() if line.startswith(_HEADER) else []
        return text == _text(_known(names, folder), folder, compose(names, folder))
    except (CommandError, ParamsError, UnicodeDecodeError):
        return False


def _text(names: Sequence[str], folder: Path, content: Mapping[str, Any]) -> str:
    default = (folder / f"{DEFAULT}.yaml").read_text(encoding="utf-8")
    if not names:
        return default
    header = f"{_HEADER}{' '.join(names)}\n"
    commented = header + _commented(names, folder, default)
    # Comments are moved by hand below; a file that reads back as something else would be worse than one without them.
    if YAML(typ="safe", pure=True).load(commented) == content:
        return commented
    return header + yaml_text(content)


def _commented(names: Sequence[str], folder: Path, default: str) -> str:
    yaml = YAML(typ="rt", pure=True)
    yaml.Representer = Representer
    yaml.width, yaml.preserve_quotes = _WIDTH, True
    yaml.indent(mapping=2, sequence=4, offset=2)
    whole = yaml.load(default)
    for name in names:
        partial = yaml.load((folder / f"{name}.yaml").read_text(encoding="utf-8"))
        if "rounds" in partial:
            whole.pop("rounds")
        _merge_into(whole, partial)
    whole.yaml_set_start_comment("Edit freely. The presets stand, with their reasons, in presets/.")
    buffer = io.StringIO()
    yaml.dump(whole, buffer)
    return _STRAY_BLANK.sub("\n", buffer.getvalue())


def _merge_into(whole: CommentedMap, partial: CommentedMap) -> None:
    for key, value in partial.items():
        below = whole.get(key)
        if isinstance(below, CommentedMap) and isinstance(value, CommentedMap):
            _merge_into(below, value)
            continue
        whole[key] = value
        tokens = [token for token in partial.ca.items.get(key, ()) if token is not None]
        if any("#" in token.value for token in tokens if isinstance(token, CommentToken)):
            whole.ca.items[key] = partial.ca.items[key]
