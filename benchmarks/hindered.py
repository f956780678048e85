"""A project of its own in a folder, and its stage `sample` as a process that can be hindered in chosen ways.

An untrained model of the tiny world's shape, sampled at temperature 1 by the `transformers` engine on the CPU.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dast.frames import frame, write
from dast.params.writing import yaml_text
from dast.policies.folder import write_policy
from dast.presets import compose
from dast.smallfiles import write_text
from dast.store.keeping import Store
from dast.tables import POOL, QUERIES
from tests.tiny_models import save_tiny_model

ROOT = Path(__file__).parent.parent
N_QUERIES, K, BATCH, NEW_TOKENS = 240, 8, 32, 32
N_ROLLOUTS = N_QUERIES * K

STAGE = """
import os, signal, sys
from dast import generating
from dast.store import database

log_file, n_commits, n_pages = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
del sys.argv[1:4]
generate = generating.Work._run

def counted(work, batch):
    with open(log_file, "a") as log:
        log.write(f"{len(batch)}\\n")
    return generate(work, batch)

generating.Work._run = counted
insert = database.insert

def killed(connection, row):
    global n_commits
    n_commits -= 1
    if n_commits == 0:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(database._INSERT, row)
        os.kill(os.getpid(), signal.SIGKILL)
    insert(connection, row)

database.insert = killed
if n_pages:
    connect = database.connect

    def limited(path, *, create):
        connection = connect(path, create=create)
        connection.execute(f"PRAGMA max_page_count = {n_pages}")
        return connection

    database.connect = limited
import runpy

runpy.run_module("stages.sample", run_name="__main__", alter_sys=True)
"""
"""The stage, with a count of the batches it starts, a kill before its n-th commit, and a limit on the store's pages."""


@dataclass
class Project:
    """A folder with everything that the stage reads."""

    folder: Path
    flags: list[str] = field(default_factory=list)

    @property
    def started(self) -> int:
        """Rollouts of batches that were started."""
        log = self.folder / "started"
        return sum(map(int, log.read_text().split())) if log.exists() else 0

    def start(
        self, *, kill_at: int = 0, pages: str = "0", limit: int | None = None, **more: str
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", STAGE, str(self.folder / "started"), str(kill_at), pages, *self.flags],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "DAST_STORE": str(self.folder / "store"), **more},
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))) if limit else None,
        )

    def run(self, **more: Any) -> tuple[int, str]:
        """Exit status, and what was said last."""
        process = self.start(**more)
        said = process.communicate()[1].strip()
        return process.returncode, said.splitlines()[-1] if said else ""

    def kept(self) -> set[bytes]:
        """Digests of the rollouts that the store holds."""
        with Store(self.folder / "store") as store:
            return {digest for batch in store.batches() for digest in batch.rows.get_column("digest")}

    def table(self) -> bytes:
        return (self.folder / "rollouts.parquet").read_bytes()


def made(folder: Path) -> Project:
    """A project of its own; the same one each time."""
    model = save_tiny_model(folder / "model")
    write_policy(model, name="base", kind="tiny")
    settings = compose([], ROOT / "presets")["defaults"]
    decoding = {**settings["sample"]["decoding"], "temperature": 1.0, "max_new_tokens": NEW_TOKENS}
    settings["sample"] = {**settings["sample"], "n_rollouts": K, "decoding": decoding}
    settings["generation"] = {**settings["generation"], "engine": "transformers", "batch_rollouts": BATCH}
    write_text(folder / "params.yaml", yaml_text({"round": {"name": "r1"}, **settings}))
    about = {"source": "s", "answer": "4", "solution": None, "source_level": None, "licence": "MIT"}
    texts = [
        f"Tom has {i % 60} coins. " + "Sep triples. " * (i % 7) + f"May adds {i // 7}. How many?"
        for i in range(N_QUERIES)
    ]
    rows = [{"query_id": f"q{i:04}", "query": text, **about} for i, text in enumerate(texts)]
    write(QUERIES, frame(QUERIES, rows), folder / "queries.parquet")
    write(POOL, frame(POOL, []), folder / "pool.parquet")
    flags = {"params": "params.yaml", "round-name": "r1", "policy": "base", "model": "model", "metrics": "metrics.json"}
    flags |= {name: f"{name}.parquet" for name in ("queries", "pool", "rollouts", "prompts", "settings")}
    return Project(folder, [text for key, value in flags.items() for text in (f"--{key}", value)])


def size(path: Path) -> int:
    """Bytes of a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0
