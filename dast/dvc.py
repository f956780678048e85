"""DVC as a program: run in a process of its own, so that a command of ours starts without importing it.

Also where the store of rollouts and the kept training runs lie: beside DVC's cache, which outlives stages' outputs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import platformdirs

from dast.errors import CommandError

STORE_VARIABLE = "DAST_STORE"
"""Folder of the store, where it is not to lie beside DVC's cache."""

_STORE = "rollouts"
_TRAINING = "training"


def store_folder(folder: Path) -> Path:
    """The store of the project at `folder`: one for all its git worktrees and its `dvc exp run --temp` workspaces.

    Raises:
        CommandError: no project, and `DAST_STORE` is not set.
    """
    if chosen := os.environ.get(STORE_VARIABLE):
        return Path(chosen).expanduser().absolute()
    try:
        # A temporary workspace is told the cache of the project it was made from; a worktree is told nothing.
        cache = cache_folder(main_worktree(folder))
    except CommandError as error:
        raise CommandError(f"{folder.absolute()}: no DVC project here; set {STORE_VARIABLE} to a folder") from error
    return cache.absolute().parent / _STORE


def cache_folder(folder: Path) -> Path:
    """DVC's cache of the project at `folder`. DVC takes a second to say it, and is asked only where a config names one.

    Raises:
        CommandError: no project.
    """
    own = folder / ".dvc"
    levels = [
        Path(os.environ.get("DVC_SYSTEM_CONFIG_DIR") or platformdirs.site_config_dir("dvc", "iterative")),
        Path(os.environ.get("DVC_GLOBAL_CONFIG_DIR") or platformdirs.user_config_dir("dvc", "iterative")),
        own,
    ]
    configs = [level / name for level in levels for name in ("config", "config.local")]
    if (own / "config").exists() and not any(_names_a_folder(config) for config in configs if config.exists()):
        return own.absolute() / "cache"
    return Path(run_dvc(["cache", "dir"], folder).strip())


def _names_a_folder(config: Path) -> bool:
    return any(line.partition("=")[0].strip() == "dir" for line in config.read_text(encoding="utf-8").splitlines())


def training_folder(folder: Path) -> Path:
    """The kept training runs of the project at `folder`: beside its store.

    Raises:
        CommandError: as `store_folder`.
    """
    return training_beside(store_folder(folder))


def training_beside(store: Path) -> Path:
    """The kept training runs of the project whose store this is."""
    return store.parent / _TRAINING


def main_worktree(folder: Path) -> Path:
    """The same folder of the repository's main worktree; `folder` itself where there is none with a DVC project."""
    asked = ["git", "rev-parse", "--path-format=absolute", "--git-common-dir", "--show-toplevel"]
    done = subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        return folder
    common, top = (Path(line) for line in done.stdout.splitlines())
    there = common.parent / folder.resolve().relative_to(top.resolve())
    return there if (there / ".dvc").is_dir() else folder


def run_dvc(arguments: list[str], folder: Path) -> str:
    """Standard output of `dvc <arguments>` run in `folder`.

    Raises:
        CommandError: DVC is not installed or ended in an error; holds its own message.
    """
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CommandError(f"dvc {' '.join(arguments)}: {_message(done.stderr or done.stdout)}")
    return done.stdout


def read_dvc(arguments: list[str], folder: Path) -> dict[str, Any]:
    """What `dvc <arguments> --json` says; an empty answer is an empty object.

    Raises:
        CommandError: as `run_dvc`.
    """
    content = json.loads(run_dvc([*arguments, "--json"], folder) or "{}")
    return content if isinstance(content, dict) else {}


def _message(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("WARNING", "Running stage", ">"))]
    # What a stage says of itself stands before DVC's line about the stage, and is what to mend.
    own = [line for line in told if not line.startswith("ERROR: failed to reproduce")] or told
    return "\n  ".join(line.removeprefix("ERROR: ") for line in own) or "ended in an error without a message"
