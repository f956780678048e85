"""DVC as a program: run in a process of its own, so that a command of ours starts without importing it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from dast.errors import CommandError


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
