"""Settles what a round's parameters are.

params (defaults and rounds) -> resolved (one round's settings, every section).
"""

from __future__ import annotations

import logging
from pathlib import Path

from dast.entry import run
from dast.params.project import load_project
from dast.params.writing import yaml_text
from dast.smallfiles import write_text

log = logging.getLogger("resolve")


def main(*, params: Path, round_name: str, resolved: Path) -> None:
    """Writes the settings of one round; other stages track the sections that they read."""
    project = load_project(params)
    write_text(resolved, yaml_text(project.settings_of(round_name)))
    changed = project.rounds[round_name].override
    log.info("%s: %d sections overridden (%s)", round_name, len(changed), ", ".join(changed) or "none")


if __name__ == "__main__":
    run(main)
