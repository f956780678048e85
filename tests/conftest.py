"""Settings of every test: no time limits (machines differ), the same examples each time, no network, own store."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(autouse=True, scope="session")
def _store(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["DAST_STORE"] = str(tmp_path_factory.mktemp("store"))
    for name in ("DAST_REPLAY", "DAST_STORE_WAIT"):
        os.environ.pop(name, None)
