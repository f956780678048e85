"""What a result was measured on: device, versions, command and date, as one line of Markdown."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path


def measured_on(command: str, packages: Sequence[str]) -> str:
    """The line; the processor as the system names it."""
    versions = [f"{name} {version(name)}" for name in packages]
    return " · ".join(
        [
            f"Command: `{command}`",
            f"{processor()}, {os.cpu_count()} cores, no GPU",
            f"{platform.system()} {platform.release().split('-')[0]}",
            ", ".join([f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}", *versions]),
            time.strftime("%Y-%m-%d"),
        ]
    )


def processor() -> str:
    """The processor's name, or its kind where the system does not tell."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, ["---"] * len(heads), *lines])
