"""The vllm engine against the transformers one, where vllm is installed (its CPU build serves)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dast.engines.protocol import Item
from dast.engines.transformers import TransformersEngine
from dast.prompts import prompt_digest
from tests.makers import default_settings
from tests.tiny_models import save_tiny_model

pytestmark = pytest.mark.full


def test_vllm_greedy_text_equals_transformers(tmp_path: Path) -> None:
    pytest.importorskip("vllm", reason="vllm is not installed; pip install vllm")
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    from dast.engines.vllm import VllmEngine

    settings, folder = default_settings(), save_tiny_model(tmp_path / "m")
    engine = VllmEngine(settings.generation, folder)
    messages = [
        [{"role": "user", "content": f"Tom has {i} coins. {'Sep triples. ' * (i % 4)}How many?"}] for i in range(9)
    ]
    items = [Item(f"q{i}", "sample", 0, prompt_digest(turns), turns) for i, turns in enumerate(messages)]
    decoding = settings.sample.decoding.model_copy(update={"temperature": 0.0, "max_new_tokens": 12})
    ours = {item.query_id: response for item, response in engine.generate(items, decoding, 1)}
    theirs = TransformersEngine(settings.generation, folder).generate(items, decoding, 1)
    assert ours == {item.query_id: response for item, response in theirs}
