"""The vllm engine in process, by its CPU build: against the transformers engine, and against itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from transformers import AutoTokenizer

from dast.engines.protocol import Engine, Item, Response
from dast.engines.starts import joined
from dast.engines.transformers import TransformersEngine
from dast.frames import write
from dast.params.decoding import Decoding
from dast.policies.folder import write_policy
from dast.prompts import prompt_digest, started
from dast.recording import recording
from dast.store.blocks import Asker
from dast.tables import ROLLOUTS
from tests.full import need
from tests.makers import default_settings
from tests.tiny_models import save_tiny_model

if TYPE_CHECKING:
    from dast.engines.vllm import VllmEngine

pytestmark = pytest.mark.full

GENERATION = default_settings().generation


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model"), spread=0.3)


@pytest.fixture(scope="module")
def engine(folder: Path) -> VllmEngine:
    need("vllm")
    from dast.engines.vllm import VllmEngine

    return VllmEngine(GENERATION, folder)


def items(n: int, k: int = 1, words: int = 0) -> list[Item]:
    texts = [f"Tom has {i} coins. " + "Sep triples. " * (words + i % 4) + "How many?" for i in range(n)]
    messages = [[{"role": "user", "content": text}] for text in texts]
    return [Item(f"q{i}", "sample", j, prompt_digest(m), m) for i, m in enumerate(messages) for j in range(k)]


def decoding(**changes: Any) -> Decoding:
    return default_settings().sample.decoding.model_copy(update={"temperature": 0.0, "max_new_tokens": 12, **changes})


def responses(engine: Any, asked: Sequence[Item], wish: Decoding, seed: int = 1) -> dict[tuple[str, int], Response]:
    done = [((item.query_id, item.sample_index), response) for item, response in engine.generate(asked, wish, seed)]
    assert len(dict(done)) == len(done) == len(asked)
    return dict(done)


@pytest.mark.parametrize("stop", [[], ["1"]], ids=["free", "stopped"])
def test_vllm_greedy_text_equals_transformers(engine: VllmEngine, folder: Path, stop: list[str]) -> None:
    wish = decoding(stop=stop, max_new_tokens=30)
    ours, theirs = (responses(e, items(12), wish) for e in (engine, TransformersEngine(GENERATION, folder)))
    assert {key: response.text for key, response in ours.items()} == {key: r.text for key, r in theirs.items()}
    if not stop:
        assert ours == theirs


def test_vllm_stop_text_ends_the_response_and_is_not_kept(engine: VllmEngine) -> None:
    free = responses(engine, items(12), decoding(max_new_tokens=30))
    stopped = responses(engine, items(12), decoding(max_new_tokens=30, stop=["1"]))
    cut = [key for key, response in free.items() if "1" in response.text]
    assert cut
    for key in cut:
        assert stopped[key].text == free[key].text.partition("1")[0]
        assert stopped[key].finish_reason == "stop"
        assert stopped[key].n_tokens < free[key].n_tokens


def test_vllm_hinted_items_go_on_from_their_starts(engine: VllmEngine, folder: Path) -> None:
    start = "Sep 9*3=27; Oct"
    hinted = [
        Item(item.query_id, "hinted", 0, prompt_digest(prompt), prompt)
        for item in items(9)
        for prompt in [started(item.messages, start)]
    ]
    free = responses(engine, items(9), decoding())
    ours, theirs = (responses(e, hinted, decoding()) for e in (engine, TransformersEngine(GENERATION, folder)))
    texts = {key: joined(start, response.text) for key, response in ours.items()}
    assert texts == {key: joined(start, response.text) for key, response in theirs.items()}
    assert all(text.startswith(start) for text in texts.values())
    n_start = len(AutoTokenizer.from_pretrained(folder)(start, add_special_tokens=False).input_ids)
    assert {key: (one.n_prompt_tokens, one.n_tokens) for key, one in ours.items()} == {
        key: ((free[key].n_prompt_tokens or 0) + n_start, one.n_tokens) for key, one in theirs.items()
    }


def test_vllm_response_cut_by_max_new_tokens_and_prompt_without_room(engine: VllmEngine) -> None:
    given = responses(engine, [*items(3), *items(9, words=600)[8:]], decoding(max_new_tokens=2))
    assert given.pop(("q8", 0)).finish_reason == "error"
    assert {(response.finish_reason, response.n_tokens) for response in given.values()} >= {("length", 2)}


def test_vllm_eight_samples_differ_and_follow_from_batch_and_seed_alone(engine: VllmEngine) -> None:
    asked, wish = items(6, k=8), decoding(temperature=1.0)
    first = responses(engine, asked, wish, 3)
    responses(engine, items(3, k=8), wish, 9)
    assert responses(engine, asked, wish, 3) == first
    assert responses(engine, asked, wish, 4) != first
    for query_id in {item.query_id for item in asked}:
        assert len({first[query_id, index].text for index in range(8)}) > 4


def test_vllm_samples_of_a_prompt_share_its_prefix(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs: list[Any] = []
    generate = engine._llm.generate

    def listening(*arguments: Any, **named: Any) -> list[Any]:
        outputs.extend(generate(*arguments, **named))
        return outputs

    monkeypatch.setattr(engine._llm, "generate", listening)
    responses(engine, items(4, k=8, words=30), decoding(temperature=1.0))
    assert [len(output.outputs) for output in outputs] == [8] * 4
    for output in outputs:
        assert output.num_cached_tokens >= len(output.prompt_token_ids) // 2


def test_vllm_sampling_broken_off_ends_in_the_same_bytes_and_generates_the_rest_alone(
    engine: VllmEngine, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_policy(folder, name="base", kind="tiny")

    def sampled(store: str, stop_after: int) -> tuple[bytes, Stopping]:
        stopping = Stopping(engine, stop_after)
        monkeypatch.setenv("DAST_STORE", str(tmp_path / store))
        monkeypatch.setattr("dast.recording.open_engine", lambda *_: stopping)
        chosen = GENERATION.model_copy(update={"engine": "vllm", "batch_rollouts": 16})
        with recording(chosen, folder, Asker("base", "r1", "sample"), 7, None) as recorder:
            rows = recorder.collect(items(10, k=8), decoding(temperature=1.0), "rollouts")
        write(ROLLOUTS, rows, tmp_path / "rollouts.parquet")
        return (tmp_path / "rollouts.parquet").read_bytes(), stopping

    whole, _ = sampled("whole", 99)
    with pytest.raises(KeyboardInterrupt):
        sampled("parts", 3)
    again, rest = sampled("parts", 99)
    assert again == whole
    assert rest.n_batches == 2


class Stopping(Engine):
    """Another engine, and an interrupt after some batches."""

    name = "vllm"

    def __init__(self, engine: Engine, stop_after: int) -> None:
        self.engine, self.stop_after, self.n_batches = engine, stop_after, 0

    def generate(self, batch: Sequence[Item], decoding: Decoding, seed: int) -> Iterator[tuple[Item, Response]]:
        if self.n_batches == self.stop_after:
            raise KeyboardInterrupt
        self.n_batches += 1
        return self.engine.generate(batch, decoding, seed)


# The tests below open engines of their own: when one of them ends, vLLM takes down what the others share.


def test_vllm_adapter_gives_what_the_merged_model_gives(folder: Path, tmp_path: Path) -> None:
    need("vllm")
    need("peft")
    from dast.engines.vllm import VllmEngine

    adapter = save_adapter(folder, tmp_path / "r1")
    ours = responses(VllmEngine(GENERATION, adapter), items(9), decoding())
    assert ours == responses(TransformersEngine(GENERATION, adapter), items(9), decoding())
    assert ours != responses(TransformersEngine(GENERATION, folder), items(9), decoding())


def test_vllm_model_spread_over_two_devices_gives_the_same_text(folder: Path) -> None:
    need("vllm")
    from dast.engines.vllm import VllmEngine

    engine = VllmEngine(GENERATION.model_copy(update={"tensor_parallel": 2}), folder)
    assert responses(engine, items(9), decoding()) == responses(
        TransformersEngine(GENERATION, folder), items(9), decoding()
    )
    drawn = decoding(temperature=1.0)
    assert responses(engine, items(4, k=8), drawn, 3) == responses(engine, items(4, k=8), drawn, 3)


def save_adapter(base: Path, folder: Path) -> Path:
    """An adapter of rank 12 (which vLLM has no kernels for as such) with random weights."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(5)
    config = LoraConfig(r=12, lora_alpha=12, target_modules=["q_proj", "v_proj", "down_proj"])
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.3)
    model.save_pretrained(folder)
    return folder
