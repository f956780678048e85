"""Git as a program, run at a folder of the repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

from dast.errors import CommandError


def run_git(root: Path, *arguments: str, given: bytes = b"") -> str:
    """Standard output of `git <arguments>` run at `root`, without white space around it.

    Raises:
        CommandError: git ended in an error; holds its own message.
    """
    done = subprocess.run(["git", *arguments], cwd=root, input=given, capture_output=True, check=False)
    if done.returncode:
        raise CommandError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode().strip()


def commit_of(root: Path, revision: str) -> str | None:
    """The commit that a revision names; None where it names none."""
    try:
        # Without the end of options a revision such as `--all` would be one.
        return run_git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}") or None
    except CommandError:
        return None
