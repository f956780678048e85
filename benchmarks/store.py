"""The store at a size that real rounds reach: how fast it takes rollouts in, and how fast it says what is missing.

    python -m benchmarks.store              1,000,000 rollouts of 1 KB, twice (about 3 minutes)
    python -m benchmarks.store 100000       fewer

writes benchmarks/results/store.md. Each part runs in a process of its own, so that its memory is its own. Every batch
is committed and synchronised to the disk before the next one, as while sampling; the time to make up texts is left out.
"""

from __future__ import annotations

import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.machine import measured_on, table
from dast.generating import GENERATED
from dast.samplers import Sampler
from dast.smallfiles import write_text
from dast.store.blocks import Asker, batch_of_rows, with_seconds
from dast.store.keeping import Store
from dast.store.upkeep import verify

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "store.md"
SAMPLER = Sampler('{"engine": "none", "policy": "0"}')
TEXT_BYTES = 1024
K = 8
DIFFERENT_TEXTS = 20_000
KINDS = {
    "words": "words of a vocabulary of 5,000, the commonest ones most often (Zipf), as prose has them",
    "random": "random letters and digits: hardly any order to compress",
}


def main(arguments: Sequence[str]) -> None:
    n = int(arguments[0]) if arguments else 1_000_000
    parts = []
    for kind in KINDS:
        for batch in (512, 4096):
            parts.append({"kind": kind, "batch": batch, **measured(kind, n, batch)})
    write_text(RESULT, report(parts, n, " ".join(["python -m benchmarks.store", *arguments])))


def measured(kind: str, n: int, batch: int) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="store-", dir=ROOT / ".dvc"))
    try:
        found: dict[str, Any] = {}
        for part in ("insert", "scan", "read", "verify"):
            command = [sys.executable, "-m", "benchmarks.store", part, kind, str(n), str(batch), str(folder)]
            done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
            found[part] = json.loads(done.stdout)
        found["bytes"] = sum(path.stat().st_size for path in folder.glob("rollouts.sqlite*"))
        return found
    finally:
        shutil.rmtree(folder)


def part(name: str, kind: str, n: int, batch: int, folder: Path) -> dict[str, Any]:
    """Seconds and peak memory of one part, and the memory before it."""
    work = {"insert": insert, "scan": scan, "read": read, "verify": check}[name]
    with Store(folder) as store:
        seconds = work(store, kind, n, batch)
        start = time.monotonic()
    seconds += time.monotonic() - start if name == "insert" else 0.0  # the last checkpoint
    return {"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def insert(store: Store, kind: str, n: int, batch: int) -> float:
    store.start_writing()
    texts = made_up(kind)
    asker, seconds = Asker("base", "r1", "sample"), 0.0
    for rows, prompts in batches(texts, n, batch):
        start = time.monotonic()
        store.keep(batch_of_rows(with_seconds(rows, 1.0), SAMPLER, asker, prompts))
        seconds += time.monotonic() - start
    return seconds


def scan(store: Store, kind: str, n: int, batch: int) -> float:
    """A resumed run asks which of its rollouts are missing: here it wants a tenth more than there are."""
    wanted = keys(0, n + n // 10)
    start = time.monotonic()
    found = store.find(SAMPLER, wanted)
    missing = wanted.join(found, on=["prompt_digest", "draw"], how="anti")
    seconds = time.monotonic() - start
    assert (found.height, missing.height) == (n, n // 10)
    return seconds


def read(store: Store, kind: str, n: int, batch: int) -> float:
    """A tenth of the rollouts, spread over all batches, with their text."""
    wanted = keys(0, n).filter(pl.col("draw") == 0).head(n // 10)
    start = time.monotonic()
    rows = store.kept(SAMPLER, wanted)
    seconds = time.monotonic() - start
    assert rows.height == wanted.height
    return seconds


def check(store: Store, kind: str, n: int, batch: int) -> float:
    start = time.monotonic()
    found = verify(store)
    seconds = time.monotonic() - start
    assert found.sound
    assert found.n_rollouts == n
    return seconds


def made_up(kind: str) -> list[str]:
    rng = random.Random(1)
    if kind == "random":
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ="
        return ["".join(rng.choices(letters, k=TEXT_BYTES)) for _ in range(DIFFERENT_TEXTS)]
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(1, 9))) for _ in range(5000)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    return [" ".join(rng.choices(words, weights, k=300)).ljust(TEXT_BYTES)[:TEXT_BYTES] for _ in range(DIFFERENT_TEXTS)]


def batches(texts: Sequence[str], n: int, size: int) -> Iterator[tuple[pl.DataFrame, dict[str, str]]]:
    for start in range(0, n, size):
        numbers = range(start, min(start + size, n))
        named = keys(numbers.start, numbers.stop)
        rows = named.with_columns(
            query_id=pl.lit("q"),
            sample_index=pl.col("draw"),
            response=pl.Series([texts[number * 7919 % len(texts)] for number in numbers]),
            n_prompt_tokens=pl.lit(100),
            n_tokens=pl.lit(TEXT_BYTES // 4),
            finish_reason=pl.lit("stop"),
        )
        asked = {key: texts[int(key, 16) % len(texts)][:300] for key in named["prompt_digest"].unique()}
        prompts = {key: json.dumps([{"role": "user", "content": text}]) for key, text in asked.items()}
        yield rows.select(GENERATED.keys()).cast(pl.Schema(GENERATED)), prompts


def keys(start: int, stop: int) -> pl.DataFrame:
    """Names of rollouts: K draws of each prompt, the prompts spread as digests are."""
    numbers = range(start, stop)
    spread = [f"{(number // K) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF:016x}" for number in numbers]
    return pl.DataFrame(
        {"prompt_digest": spread, "draw": [number % K for number in numbers]}, schema_overrides={"draw": pl.Int32}
    )


def report(parts: Sequence[dict[str, Any]], n: int, command: str) -> str:
    lines = [
        [
            f"{one['kind']}, {one['batch']:,}",
            f"{n / one['insert']['seconds']:,.0f}",
            f"{one['scan']['seconds']:.1f} s",
            f"{n / 10 / one['read']['seconds']:,.0f}",
            f"{n / one['verify']['seconds']:,.0f}",
            f"{one['bytes'] / (n * TEXT_BYTES):.2f}",
            *(f"{one[name]['peak_mb']:,.0f}" for name in ("insert", "scan", "read", "verify")),
        ]
        for one in parts
    ]
    heads = [
        "text, rollouts a batch",
        "insert, rows/s",
        "resume scan",
        "read, rows/s",
        "verify, rows/s",
        "on disk / text",
    ]
    return (
        "\n\n".join(
            [
                "# The store",
                measured_on(command, ["polars"]),
                f"{n:,} rollouts of {TEXT_BYTES:,} bytes, {K} a prompt. Asked for: 50,000 rows/s in, a resume scan of "
                "10 s, 1 GiB of memory. Every batch is synchronised to the disk by itself. The scan asks for a tenth "
                "more than there is and says what is missing; read is a tenth of all, spread over every batch; verify "
                "holds every row against its digest. Memory is the peak of a process of its own.",
                table([*heads, *(f"{name}, MB" for name in ("insert", "scan", "read", "verify"))], lines),
                "Texts: "
                + "; ".join(f"{name}: {about}" for name, about in KINDS.items())
                + ". Beside the file the store "
                "sets 8 MB aside for the day the disk is full.",
            ]
        )
        + "\n"
    )


if __name__ == "__main__":
    if len(sys.argv) == 6:
        told = part(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
        sys.stdout.write(json.dumps(told))
    else:
        main(sys.argv[1:])
