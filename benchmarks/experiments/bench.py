"""One run from base to last round, and its row.

Guarantees: a base is trained once for all of its runs; what was sampled of a policy before, by another arm or by a run
that was killed, is found in the block's store; a model is deleted with its run, so that bases and stores alone stay.
Grain: one run.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch

from benchmarks.experiments import line, rows
from benchmarks.experiments.counting import round_counts, test_counts, test_facts
from benchmarks.experiments.design import Design, Run
from benchmarks.experiments.rows import Row
from benchmarks.experiments.settings import any_run, digest_now, is_dpo, laid_over, settings_digest, settings_of
from dast.policies.folder import CARD, fingerprint
from dast.prompts import digest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bench:
    """Where runs are played, and what stands in each of their rows."""

    design: Design
    scratch: Path
    about: dict[str, Any]
    """Commit, processor and versions."""
    own_stores: bool = False
    """A store for each run instead of one a block, so that runs of one block can be played at the same time."""

    def play(self, run: Run) -> Row:
        """The row of a run, or of a base."""
        if run.arm != rows.BASE:
            self._base(run)  # another process may be training it: waiting is no part of this run
        started, used = time.monotonic(), time.process_time()
        os.environ["DAST_STORE"] = str(self.scratch / "stores" / self._store(run))
        found = self._base_row(run) if run.arm == rows.BASE else self._run_row(run)
        seconds = {"wall": round(time.monotonic() - started, 1), "cpu": round(time.process_time() - used, 1)}
        return {**run._asdict(), "design": self.design.digest, **self.about, "seconds": seconds, **found}

    def settings(self, run: Run) -> str | None:
        """Digest of the settings that a run would have now; None for one whose arm or budget is no more."""
        return digest_now(self.design, run)

    def _base_row(self, run: Run) -> Row:
        settings = settings_of(self.design, any_run(self.design, run), 1)
        world = line.make_world(settings)
        folder = self._base(run)
        tested, levels = line.test_base(world, folder, settings)
        facts, counts = test_facts(world, levels), test_counts(tested)
        tests = {name: {**facts[name], **counts[name]} for name in facts}
        return {"settings": self.settings(run), "model": fingerprint(folder)[:16], "tests": tests}

    def _run_row(self, run: Run) -> Row:
        arm = self.design.arms[run.arm]
        world = line.make_world(settings_of(self.design, run, 1))
        base = line.base_policy(world, self._base(run))
        folder = self.scratch / f"models-{os.getpid()}"
        policy, counts, models = base, [], []
        first: pl.DataFrame | None = None
        shutil.rmtree(folder, ignore_errors=True)
        for number in range(1, self.design.measure.rounds + 1):
            settings = settings_of(self.design, run, number)
            method: line.Method = "dpo" if is_dpo(self.design, run, number) else "sft"
            init = base if arm.init == "base" else policy
            levels = first if arm.levels == "first" else None
            plan = line.Plan(f"r{number}", policy, init, method, levels, settings)
            played = line.play(world, plan, folder / plan.name)
            first, policy = first if first is not None else played.levels, played.model
            log.info("%s %s, base %d: %s took %s s", run.arm, run.budget, run.base, plan.name, played.phases)
            counts.append(round_counts(world, played, settings.train))
            models.append(fingerprint(policy.folder)[:16])
        shutil.rmtree(folder)
        return {"settings": settings_digest(self.design, run), "models": models, "rounds": counts}

    def _base(self, run: Run) -> Path:
        settings = settings_of(self.design, any_run(self.design, run), 1)
        said = laid_over(self.design, any_run(self.design, run), 1)["bootstrap"]["tiny"]
        folder = self.scratch / "bases" / f"{run.base}-{digest(said)}"
        with _alone(folder.with_name(f".{folder.name}.lock")):
            if not (folder / CARD).exists():
                log.info("base %d: training", run.base)
                started = time.monotonic()
                partial = folder.with_name(f".{folder.name}.partial")
                shutil.rmtree(partial, ignore_errors=True)
                line.train_base(settings, partial)
                torch.cuda.empty_cache()  # others share the GPU
                partial.rename(folder)
                log.info("base %d: trained in %.0f s", run.base, time.monotonic() - started)
        return folder

    def _store(self, run: Run) -> str:
        of_block = f"{run.base}-{run.data}"
        return f"{of_block}-{digest([run.arm, run.budget, self.design.digest])}" if self.own_stores else of_block


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Waits until no other process is in here."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
