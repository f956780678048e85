"""Git as a program, run at a folder of the repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

from dast.errors import CommandError


def run_git(root: Path, *arguments: str, given: bytes = b"") -> str:
    """Standard output of `git <arguments>` run at `root`, without white space at its end.

    Raises:
        CommandError: git ended in an error; holds its own message.
    """
    done = subprocess.run(["git", *arguments], cwd=root, input=given, capture_output=True, check=False)
    if done.returncode:
        raise CommandError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode().rstrip()


def commit_of(root: Path, revision: str) -> str | None:
    """The commit that a revision, or the name of a DVC experiment, names; None where it names none."""
    try:
        # Without the end of options a revision such as `--all` would be one.
        found = run_git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except CommandError:
        found = _experiment(root, revision)
    return found or None


def _experiment(root: Path, name: str) -> str:
    """DVC keeps an experiment as `refs/exps/<2 digits>/<38 digits>/<name>`; the latest of that name counts."""
    try:
        refs = run_git(root, "for-each-ref", "--sort=-creatordate", "--format=%(objectname) %(refname)", "refs/exps")
    except CommandError:  # no repository
        return ""
    named = (line.partition(" ")[::2] for line in refs.splitlines())
    return next((commit for commit, ref in named if ref.count("/") == 4 and ref.rpartition("/")[2] == name), "")
