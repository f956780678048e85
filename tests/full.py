"""What the tests marked `full` need besides the core pins."""

from __future__ import annotations

import importlib.util

import pytest


def need(module: str) -> None:
    """Fails a test whose tool is absent: `make test-full` must not pass without having run it."""
    if importlib.util.find_spec(module) is None:
        pytest.fail(f"{module} is not installed in this environment; `make test-full` installs it into .venv-full")
