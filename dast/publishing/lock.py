"""What dvc.lock records: each output's digest, the stage that made it, and from what.

Guarantees: reads that one file, so nothing here is later than the last `dvc repro`. Grain: one output of a stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dast.errors import PublishError
from dast.params.project import load_yaml

Digests = Mapping[str, str]
"""DVC's MD5 by path; that of a folder ends in `.dir`."""


_ADVICE = "bring back one that DVC wrote, e.g. the one that was committed"


@dataclass(frozen=True)
class Stage:
    """A stage as it last ran."""

    name: str
    inputs: Digests
    outputs: Digests


@dataclass(frozen=True)
class Lock:
    """All stages that ever ran."""

    stages: tuple[Stage, ...]

    @cached_property
    def digests(self) -> dict[str, str]:
        """DVC's MD5 of every output."""
        return {path: digest for stage in self.stages for path, digest in stage.outputs.items()}

    def maker_of(self, path: str) -> Stage | None:
        """The stage that made an output."""
        return next((stage for stage in self.stages if path in stage.outputs), None)

    def made_inputs(self, stage: Stage) -> dict[str, str]:
        """Inputs that other stages made, with the digests that this one saw: its data, without its code."""
        return {path: digest for path, digest in stage.inputs.items() if path in self.digests}

    def stale_inputs(self, stage: Stage) -> list[str]:
        """Inputs that their own stage has made anew since, with other content."""
        return [path for path, digest in self.made_inputs(stage).items() if self.digests[path] != digest]


def read_lock(path: Path) -> Lock:
    """The file at `path`.

    Raises:
        PublishError: no such file, or one that DVC did not write so.
        ParamsError: not YAML.
    """
    if not path.exists():
        raise PublishError(f"{path}: no such file, so nothing was made by `dvc repro` yet; run it, and commit")
    stages = load_yaml(path, _ADVICE).get("stages", {})
    try:
        parts = ((name, about.get("deps", []), about.get("outs", [])) for name, about in stages.items())
        return Lock(tuple(Stage(name, _digests(deps), _digests(outs)) for name, deps, outs in parts))
    except (AttributeError, KeyError, TypeError) as error:
        raise PublishError(f"{path}: not as DVC writes it; {_ADVICE}") from error


def _digests(entries: list[dict[str, str]]) -> dict[str, str]:
    return {entry["path"]: entry["md5"] for entry in entries if "md5" in entry}
