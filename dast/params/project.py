"""params.yaml as a whole: `defaults`, `rounds`, and what a round's settings are.

Guarantees: `load_project` validates the whole file, every round's merged settings included, and lists every fault at
once as `section.key: reason`. YAML 1.2 as DVC reads it (`1e-5` is a number).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from dast.errors import ParamsError
from dast.params.section import Name, Section
from dast.params.sections import Settings

FIXED_SECTIONS = ("prepare", "bootstrap", "prompt", "grading", "contamination", "evaluate", "intervals")
"""Sections that a round may not override: comparisons between rounds would be false."""


_ADVICE = "presets/default.yaml has all sections"

RESERVED = ("base", "raw", "queries", "metrics", "report", "param", "changed")
"""Names that no round may have: folders beside the rounds' own, and columns of the table of their params."""


class Round(Section):
    """One round of the line."""

    policy: Name
    """Model that samples: `base` or an earlier round."""
    init: Name
    """Model that training starts from: `base` or an earlier round."""
    levels: Name
    """Round whose difficulty levels steer the augmentation: this one or an earlier one."""
    method: Literal["sft", "dpo"]
    override: dict[str, Any]
    """Parameters of this round that differ from `defaults`, section by section."""


@dataclass(frozen=True)
class Project:
    """A validated params file. `raw` is the text's own mapping, kept for writing what `resolve` writes."""

    defaults: Settings
    rounds: Mapping[str, Round]
    raw: Mapping[str, Any]

    def settings_of(self, name: str) -> dict[str, Any]:
        """Plain mapping of a round's merged settings, with the round's own facts under `round`.

        Raises:
            ParamsError: no round of that name.
        """
        if name not in self.rounds:
            raise ParamsError(f"rounds.{name}: no such round; there are {', '.join(self.rounds)}")
        about = self.rounds[name].model_dump(exclude={"override"})
        return {"round": {"name": name, **about}, **merge(self.raw["defaults"], self.rounds[name].override)}


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Deep merge: mappings merge, everything else (lists too) is replaced whole."""
    merged = dict(base)
    for key, value in override.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def load_yaml(path: Path, advice: str = _ADVICE) -> dict[str, Any]:
    """A YAML mapping, as plain Python values; `advice` says what to do where the file holds none.

    Raises:
        ParamsError: no such file, not YAML, or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read ({error.strerror}); `dast preset default` writes one") from error
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path}: not valid YAML: not UTF-8 text ({error.reason}); convert the file") from error
    return parse_yaml(text, str(path), advice)


def parse_yaml(text: str, where: str, advice: str = _ADVICE) -> dict[str, Any]:
    """A YAML mapping in a text, as plain Python values.

    Args:
        text: The YAML.
        where: Names it in messages.
        advice: What to do where it holds no mapping.

    Raises:
        ParamsError: not YAML, a value that is not what its form or tag says (a 30th of February), or not a mapping.
    """
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except RecursionError as error:
        raise ParamsError(f"{where}: not valid YAML: nested too deeply to be read") from error
    except YAMLError as error:
        raise ParamsError(f"{where}: not valid YAML: {' '.join(str(error).split())[:300]}") from error
    except (ValueError, LookupError, ArithmeticError) as error:  # ruamel lets them through, and says no line
        raise ParamsError(f"{where}: not valid YAML: a value that is not what its form says: {error}") from error
    if not isinstance(content, dict):
        raise ParamsError(f"{where}: not a mapping of names to values; {advice}")
    return content


def load_project(path: Path) -> Project:
    """The validated params file.

    Raises:
        ParamsError: every fault of the file, one a line.
    """
    return parse_project(load_yaml(path), str(path))


def parse_project(raw: Mapping[str, Any], where: str) -> Project:
    """A params mapping, validated; `where` names it in messages.

    Raises:
        ParamsError: every fault, one a line.
    """
    faults = [
        f"{key}: unknown; a params file has defaults and rounds" for key in raw if key not in ("defaults", "rounds")
    ]
    faults += [
        f"{key}: missing, or not a mapping" for key in ("defaults", "rounds") if not isinstance(raw.get(key), dict)
    ]
    if faults:
        raise _refusal(where, faults)
    defaults = raw["defaults"]
    faults += list(_section_faults(defaults, "defaults"))
    rounds: dict[str, Round] = {}
    for name, value in raw["rounds"].items():
        found = list(_round_faults(name, value, raw["rounds"]))
        if not found:
            rounds[name] = Round.model_validate(value)
            found = (
                []
                if faults
                else list(_section_faults(merge(defaults, rounds[name].override), f"rounds.{name}.override"))
            )
        faults += found
    if not raw["rounds"]:
        faults.append("rounds: empty; name at least one round, e.g. r1")
    if faults:
        raise _refusal(where, faults)
    settings = Settings.model_validate(defaults)
    unknown = [name for name in settings.gate.accept if name not in rounds]
    if unknown:
        raise _refusal(where, [f"defaults.gate.accept: {name}: no such round" for name in unknown])
    return Project(settings, rounds, raw)


def load_settings(path: Path) -> Settings:
    """A round's resolved settings, as `resolve` wrote them.

    Raises:
        ParamsError: every fault of the file, one a line.
    """
    raw = {key: value for key, value in load_yaml(path).items() if key != "round"}
    faults = list(_section_faults(raw, ""))
    if faults:
        raise _refusal(str(path), faults)
    return Settings.model_validate(raw)


def _section_faults(raw: Mapping[str, Any], prefix: str) -> Iterator[str]:
    try:
        Settings.model_validate(raw)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            key = ".".join(str(part) for part in (prefix, *fault["loc"]) if part != "")
            yield f"{key}: {_reason(fault['type'], fault['msg'], fault['input'])}"


def _round_faults(name: object, value: object, rounds: Mapping[object, object]) -> Iterator[str]:
    if not isinstance(name, str):
        yield f"rounds.{name}: a round's name must be text such as r{name} (DVC drops {name!r} silently)"
        return
    try:
        stage = Round.model_validate(value)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            key = ".".join(str(part) for part in ("rounds", name, *fault["loc"]))
            yield f"{key}: {_reason(fault['type'], fault['msg'], fault['input'])}"
        return
    # Some file systems hold Raw and raw to be one folder.
    if name.lower() in RESERVED or not name.replace("_", "").replace("-", "").isalnum():
        yield (
            f"rounds.{name}: not a usable name; use letters, digits, - and _, and none of {', '.join(RESERVED)}, which "
            "are folders and columns beside the rounds' own"
        )
    order = [str(other) for other in rounds]
    earlier = ["base", *order[: order.index(name)]]
    for key, allowed in (("policy", earlier), ("init", earlier), ("levels", [*earlier[1:], name])):
        if (value := getattr(stage, key)) not in allowed:
            yield f"rounds.{name}.{key}: {value} comes later or is unknown; use one of {', '.join(allowed)}"
    for section in stage.override:
        if section in FIXED_SECTIONS:
            yield f"rounds.{name}.override.{section}: cannot differ between rounds; change defaults.{section}"


def _reason(kind: str, message: str, value: object) -> str:
    match kind:
        case "missing":
            return "missing"
        case "extra_forbidden":
            return "unknown key"
        case _:
            told, shown = message.removeprefix("Value error, "), repr(value)
            if isinstance(value, Mapping):  # a rule between several values, which the message names
                return told
            return f"{told} (got {shown if len(shown) <= 60 else shown[:57] + '...'})"


def _refusal(where: str, faults: list[str]) -> ParamsError:
    return ParamsError(f"{where}: {len(faults)} fault{'s' if len(faults) > 1 else ''}\n  " + "\n  ".join(faults))
