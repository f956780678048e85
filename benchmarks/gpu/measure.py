"""One case in one process: seconds a step or tokens a second, and the peak of memory.

Guarantees: only measured facts, no estimates. Memory is None without a GPU. Grain: one case.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
import torch
import transformers
from datasets import Dataset
from transformers import AutoTokenizer, TrainerCallback
from trl import SFTTrainer

from benchmarks.gpu.cases import Case, Scale, settings_of
from benchmarks.gpu.material import make_policy, make_prompts, make_rows, mean_tokens
from benchmarks.gpu.steps import WARMUP_STEPS
from dast.engines.protocol import Engine, Item
from dast.params.engines import Generation
from dast.params.train import Train
from dast.preflight.configs import shape_of
from dast.preflight.device import speed
from dast.training import loop
from dast.training.checkpoints import Resumable
from dast.training.config import trl_config
from dast.training.sets import trained_rows

Facts = dict[str, Any]


def machine() -> Facts:
    """The device, and what preflight times of it."""
    facts: Facts = {"torch": torch.__version__, **asdict(speed(bf16=True))}
    if not torch.cuda.is_available():
        return {**facts, "gpu": None, "memory": None, "driver": None}
    about = torch.cuda.get_device_properties(0)
    return {**facts, **peaks(), "gpu": about.name, "memory": about.total_memory, "driver": _driver()}


def _driver() -> str:
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "not known"


def material(scale: Scale, folder: Path) -> Facts:
    """Makes the policies; gives their shapes as preflight reads them."""
    shapes = {}
    for size in scale.sizes:
        make_policy(size, folder / size.name)
        shapes[size.name] = asdict(shape_of(folder / size.name))
    return {"shapes": shapes}


def measured(case: Case, scale: Scale, folder: Path) -> Facts:
    """The facts of a case whose policy lies in `folder`."""
    quiet()
    settings, model = settings_of(case, scale), folder / scale.sizes[case.size].name
    if case.kind == "generate":
        return generated(case, scale, settings.generation, model)
    wish = settings.train.sft if case.method == "sft" else settings.train.dpo
    per_step = wish.batch_size * wish.accumulate_batches
    rows = make_rows(case.method, per_step * (wish.steps or 0), scale.sizes[case.size], scale)
    watch = Watch()
    start = time.monotonic()
    if case.kind == "bare":
        bare(rows, model, settings.train, folder / "bare", watch)
    else:
        ours(case, rows, model, settings.train, folder / "out", watch)
    steps = [after - before for before, after in zip(watch.ends, watch.ends[1:], strict=False)][WARMUP_STEPS - 1 :]
    whole, answer = mean_tokens(rows)
    facts = {"steps_s": steps, "lengths": watch.lengths, "row_tokens": whole, "answer_tokens": answer}
    return {**facts, **watch.memory, "wall_s": time.monotonic() - start}


def quiet() -> None:
    """One line an error is enough."""
    transformers.utils.logging.set_verbosity_error()


class Watch:
    """When steps ended, the lengths of their batches, and the peaks of memory up to the last of them."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.lengths: list[list[int]] = []
        self.memory: Facts = peaks()

    def step_begins(self, model: torch.nn.Module) -> None:
        if not self.lengths:
            model.register_forward_pre_hook(self._look, with_kwargs=True)
        self.lengths.append([])

    def _look(self, _: torch.nn.Module, __: tuple[Any, ...], inputs: Facts) -> None:
        self.lengths[-1].append(inputs["input_ids"].shape[1])

    def step_ended(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.monotonic())
        self.memory = peaks()


def peaks() -> Facts:
    """Bytes: of tensors, of what torch took for them, and of the device in all, other processes included."""
    if not torch.cuda.is_available():
        return {"allocated": None, "reserved": None, "used": None}
    free, total = torch.cuda.mem_get_info()
    most = torch.cuda.max_memory_reserved()
    used = total - free - torch.cuda.memory_reserved() + most
    return {"allocated": torch.cuda.max_memory_allocated(), "reserved": most, "used": used}


def watching(kind: type, watch: Watch) -> Any:
    """The callback of this kind, which tells `watch` of what happens."""

    class Watching(kind):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, model: torch.nn.Module, **__: Any) -> None:
            watch.step_begins(model)

        def on_step_end(self, *_: Any, **__: Any) -> None:
            watch.step_ended()

    return Watching


def ours(case: Case, rows: pl.DataFrame, model: Path, settings: Train, out: Path, watch: Watch) -> None:
    """The project's own training, watched from the callback that it has in any case."""
    loop.Resumable = watching(Resumable, watch)  # type: ignore[misc]
    loop.train_model(rows, case.method, model, settings, out)


def bare(rows: pl.DataFrame, model: Path, settings: Train, out: Path, watch: Watch) -> None:
    """TRL alone with the same settings."""
    data = trained_rows(rows, "sft", settings).to_dicts()
    trainer = SFTTrainer(
        model=str(model),
        args=trl_config("sft", settings, len(data), out, resumable=False),
        train_dataset=Dataset.from_list(data),
        processing_class=AutoTokenizer.from_pretrained(model),
        callbacks=[watching(TrainerCallback, watch)()],
    )
    trainer.train()


def generated(case: Case, scale: Scale, generation: Generation, model: Path) -> Facts:
    """A batch of rollouts after a short one that warms up."""
    start = time.monotonic()
    engine = _engine(case, generation, model)
    if engine is None:
        return {"missing": f"{case.engine} is not there"}
    loaded_s = time.monotonic() - start
    prompts = make_prompts(scale.sizes[case.size], scale)
    items = [
        Item(f"q{index}", "sample", sample, str(index), prompt)
        for index, prompt in enumerate(prompts)
        for sample in range(scale.samples)
    ]
    decoding = settings_of(case, scale).evaluate.decoding
    list(engine.generate(items, decoding.model_copy(update={"max_new_tokens": 4}), seed=1))
    before = time.monotonic()
    tokens = sum(response.n_tokens or 0 for _, response in engine.generate(items, decoding, seed=2))
    seconds = time.monotonic() - before
    return {"loaded_s": loaded_s, "tokens": tokens, "seconds": seconds, "tokens_per_s": tokens / seconds, **peaks()}


def _engine(case: Case, generation: Generation, model: Path) -> Engine | None:
    if case.engine == "vllm":
        if importlib.util.find_spec("vllm") is None:
            return None
        from dast.engines.vllm import VllmEngine

        return VllmEngine(generation, model)
    from dast.engines.transformers import TransformersEngine

    if case.fixed_blocks:
        os.environ["PYTORCH_ALLOC_CONF"] = "expandable_segments:False"
    return TransformersEngine(generation, model)
