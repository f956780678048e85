"""Sampling that is killed again and again: what is generated twice, what is lost, and whether the table is the same.

    python -m benchmarks.kills        30 kills of the stage, 3 of dvc, 3 full disks (about 8 minutes)
    python -m benchmarks.kills 6      fewer kills

writes benchmarks/results/kills.md. One run of `stages.sample` with the `transformers` engine at temperature 1 on an
untrained model of the tiny world's shape is killed by SIGKILL: at random moments, while a batch is committed (between
the insert and the commit, and while the commit writes), and while the final table is written. A small mount needs root.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.hindered import BATCH, N_ROLLOUTS, ROOT, Project, made, size
from benchmarks.machine import measured_on, table
from dast.params.writing import yaml_text
from dast.smallfiles import write_text
from dast.store.blocks import decode
from dast.store.lock import WAIT_VARIABLE, WriterLock
from dast.store.spill import spilled

RESULT = ROOT / "benchmarks" / "results" / "kills.md"
MOUNT_BYTES = 24 << 20


def main(arguments: Sequence[str]) -> None:
    n_kills = int(arguments[0]) if arguments else 30
    with tempfile.TemporaryDirectory(prefix="kills-", dir=ROOT / ".dvc") as name:
        whole = made(Path(name) / "whole")
        seconds = timed(whole)
        killed = killings(made(Path(name) / "killed"), whole.table(), n_kills, seconds)
        orphans = [
            orphaned(made(Path(name) / f"dvc{number}"), whole.table(), number) for number in range(min(3, n_kills))
        ]
        full = [
            filled("`max_page_count` of SQLite", made(Path(name) / "pages"), whole.table(), pages="24"),
            filled("limit on a file's size", made(Path(name) / "limit"), whole.table(), limit=600_000),
            *small_mount(made(Path(name) / "mount"), whole.table()),
        ]
    command = " ".join(["python -m benchmarks.kills", *arguments])
    write_text(RESULT, report(killed, orphans, full, seconds, command))


def timed(project: Project) -> tuple[float, float]:
    """Seconds until the first commit, and from there to the end, of a run that nobody kills."""
    start = time.monotonic()
    process = project.start()
    wal = project.folder / "store" / "rollouts.sqlite-wal"
    while not (wal.exists() and wal.stat().st_size > 70_000):
        time.sleep(0.01)
    first = time.monotonic() - start
    process.communicate()
    assert process.returncode == 0
    assert project.started == N_ROLLOUTS
    return first, time.monotonic() - start - first


def killings(project: Project, whole: bytes, n_kills: int, seconds: tuple[float, float]) -> list[dict[str, Any]]:
    """One row a kill; the last row is the run that was left alone."""
    rng = random.Random(1)
    n_writes = max(1, n_kills // 6)
    kinds = ["before a commit", "in a commit"] * max(1, n_kills // 6)
    kinds += ["at random"] * (n_kills - len(kinds) - n_writes)
    rng.shuffle(kinds)
    rows, before = [], set[bytes]()
    for kind in [*kinds, *["in the final write"] * n_writes, "not at all"]:
        started = project.started
        status = attempt(project, kind, rng, seconds, len(kinds))
        kept = project.kept()
        rows.append(
            {
                "kind": kind,
                "status": status,
                "started": project.started - started,
                "kept": len(kept),
                "lost": len(before - kept),
            }
        )
        before = kept
    rows[-1]["same"] = project.table() == whole
    return rows


def attempt(project: Project, kind: str, rng: random.Random, seconds: tuple[float, float], n_attempts: int) -> int:
    """Exit status of one run that is killed in this way; -9 is the kill's."""
    first, rest = seconds
    if kind == "before a commit":
        return project.run(kill_at=rng.randint(1, 3))[0]
    process = project.start()
    if kind == "at random":  # from its start to where the run would be done when every other attempt gets as far
        wait(process, lambda: False, first * 0.7 + rng.uniform(0, first * 0.3 + 2 * rest / n_attempts))
    elif kind == "in a commit":
        begun = project.started
        wait(process, lambda: project.started > begun, 600)
        before = written(project)
        wait(process, lambda: written(project) != before, 600)
    elif kind == "in the final write":
        partial = project.folder / ".rollouts.parquet.partial"
        partial.unlink(missing_ok=True)
        wait(process, partial.exists, 600)
    else:
        return process.wait()
    process.kill()
    process.communicate()
    return process.returncode


def wait(process: subprocess.Popen[str], until: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None and not until():
        pass  # the moment is short: sleeping would miss it


def written(project: Project) -> int:
    """When the write-ahead log was last written to."""
    wal = project.folder / "store" / "rollouts.sqlite-wal"
    return wal.stat().st_mtime_ns if wal.exists() else 0


def orphaned(project: Project, whole: bytes, number: int) -> dict[str, Any]:
    """dvc is killed and not its stage; what the next `dvc repro` says, and what the one after the orphan's end does."""
    command = f"{sys.executable} -m stages.sample " + " ".join(project.flags)
    outs = ["rollouts.parquet", "prompts.parquet", "settings.parquet"]
    stage = {"cmd": command, "deps": ["model", "queries.parquet"], "outs": outs}
    write_text(project.folder / "dvc.yaml", yaml_text({"stages": {"sample": stage}}))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DAST_STORE": str(project.folder / "store")}

    def dvc(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "dvc", *arguments],
            cwd=project.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    for arguments in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(arguments, cwd=project.folder, check=True)
    first = dvc("repro", "-q")
    store = project.folder / "store" / "rollouts.sqlite-wal"
    while not size(store):
        time.sleep(0.01)
    time.sleep(0.5 * number)
    first.kill()
    first.wait()
    said = dvc("repro", "-q").communicate()[0]
    told = next((line.strip() for line in said.splitlines() if "is writing to this store" in line), said.strip()[-300:])
    lock = WriterLock(project.folder / "store")
    os.environ[WAIT_VARIABLE] = "600"
    lock.acquire()
    lock.release()
    del os.environ[WAIT_VARIABLE]
    n_kept = len(project.kept())
    last = dvc("repro")
    said = last.communicate()[0]
    return {
        "told": told.replace(str(project.folder), "…"),
        "kept": n_kept,
        "replayed": "all kept in the store" in said,
        "same": project.table() == whole,
    }


def filled(how: str, project: Project, whole: bytes, **limits: Any) -> dict[str, Any]:
    """A run that meets the limit, and the one after it is lifted."""
    status, said = project.run(**limits)
    return after_full(how, project, whole, status, said)


def after_full(how: str, project: Project, whole: bytes, status: int, said: str) -> dict[str, Any]:
    started, kept = project.started, len(project.kept())
    beside = sum(decode(payload).rows.height for _, payload in spilled(project.folder / "store"))
    again, _ = project.run()
    return {
        "how": how,
        "status": status,
        "told": said.replace(str(project.folder), "…"),
        "started": started,
        "kept": kept,
        "beside": beside,
        "twice": project.started - N_ROLLOUTS,
        "same": again == 0 and project.table() == whole,
    }


def small_mount(project: Project, whole: bytes) -> Iterator[dict[str, Any]]:
    """The store on a mount that is filled up while the stage runs; nothing where the machine allows no mount."""
    store = project.folder / "store"
    store.mkdir()
    with mounted(store) as mount:
        if not mount:
            return
        process = project.start()
        while size(store / "rollouts.sqlite-wal") < 200_000:
            time.sleep(0.01)
        fill(store / "filler")
        said = process.communicate()[1].strip().splitlines()[-1]
        (store / "filler").unlink()
        yield after_full(f"mount of {MOUNT_BYTES >> 20} MiB, filled up", project, whole, process.returncode, said)


@contextmanager
def mounted(folder: Path) -> Iterator[bool]:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={MOUNT_BYTES}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", str(folder)], check=True)


def fill(path: Path) -> None:
    """Writes until there is no room."""
    try:
        with path.open("wb", buffering=0) as handle:
            while True:
                handle.write(b"x" * 4096)
    except OSError:
        return


def report(
    killed: Sequence[dict[str, Any]],
    orphans: Sequence[dict[str, Any]],
    full: Sequence[dict[str, Any]],
    seconds: tuple[float, float],
    command: str,
) -> str:
    kinds = list(dict.fromkeys(row["kind"] for row in killed if row["kind"] != "not at all"))
    n_started = sum(row["started"] for row in killed)
    n_kills = sum(row["status"] == -9 for row in killed)
    lines = [
        [
            kind,
            str(sum(row["kind"] == kind and row["status"] == -9 for row in killed)),
            str(sum(row["started"] for row in killed if row["kind"] == kind)),
            str(sum(row["lost"] for row in killed if row["kind"] == kind)),
        ]
        for kind in kinds
    ]
    parts = [
        "# Sampling that is killed",
        measured_on(command, ["torch", "transformers", "polars", "dvc"]),
        f"One run of `stages.sample`: {N_ROLLOUTS:,} rollouts in batches of {BATCH}, `transformers` on the CPU, "
        f"temperature 1. Undisturbed, it commits its first batch after {seconds[0]:.1f} s and ends {seconds[1]:.1f} s "
        "later.",
        "## The stage killed (SIGKILL)",
        table(["killed", "kills", "rollouts started", "kept rollouts lost"], lines),
        f"{n_kills} kills; {n_started:,} rollouts were started for {N_ROLLOUTS:,}: {n_started - N_ROLLOUTS:,} a second "
        f"time, {(n_started - N_ROLLOUTS) / max(n_kills, 1):.1f} a kill (a batch is {BATCH}). Kept rollouts lost: "
        f"{sum(row['lost'] for row in killed)}. Final table byte-identical to the undisturbed run's: "
        f"{_yes(killed[-1]['same'])}.",
        "## dvc killed, its stage left as an orphan",
    ]
    if orphans:
        told = [[row["told"], str(row["kept"]), _yes(row["replayed"]), _yes(row["same"])] for row in orphans]
        heads = [
            "what the next `dvc repro` says",
            "kept when the orphan had ended",
            "the one after starts no engine",
            "same bytes",
        ]
        parts.append(table(heads, told))
    heads = [
        "full by",
        "exit",
        "what the stage says",
        "rollouts started",
        "kept, those beside the file too",
        "started twice after",
        "same bytes",
    ]
    told = [
        [
            row["how"],
            str(row["status"]),
            row["told"],
            str(row["started"]),
            str(row["kept"] + row["beside"]),
            str(row["twice"]),
            _yes(row["same"]),
        ]
        for row in full
    ]
    return "\n\n".join([*parts, "## The disk full", table(heads, told)]) + "\n"


def _yes(value: object) -> str:
    return "yes" if value else "NO"


if __name__ == "__main__":
    main(sys.argv[1:])
