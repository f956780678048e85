"""One run from base to last round, and its row.

Guarantees: a base is trained once for all of its runs; what was sampled of a policy before, by another arm or by a run
that was killed, is found in the block's store; a model is deleted with its run, so that bases and stores alone stay.
Grain: one run.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.experiments import line, rows
from benchmarks.experiments.counting import round_counts, test_counts, test_facts
from benchmarks.experiments.design import Design, Run
from benchmarks.experiments.rows import Row
from benchmarks.experiments.settings import base_digest, is_dpo, settings_digest, settings_of
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

    def play(self, run: Run) -> Row:
        """The row of a run, or of a base."""
        started, used = time.monotonic(), time.process_time()
        os.environ["DAST_STORE"] = str(self.scratch / "stores" / f"{run.base}-{run.data}")
        found = self._base_row(run) if run.arm == rows.BASE else self._run_row(run)
        seconds = {"wall": round(time.monotonic() - started, 1), "cpu": round(time.process_time() - used, 1)}
        return {**run._asdict(), "design": self.design.digest, **self.about, "seconds": seconds, **found}

    def settings(self, run: Run) -> str | None:
        """Digest of the settings that a run would have now; None for one whose arm or budget is no more."""
        if run.arm == rows.BASE:
            return self._base_digest(run)
        known = run.arm in self.design.arms and run.budget in self.design.budgets
        return settings_digest(self.design, run) if known else None

    def _base_row(self, run: Run) -> Row:
        settings = settings_of(self.design, self._any(run), 1)
        world = line.make_world(settings)
        folder = self._base(run)
        tested, levels = line.test_base(world, folder, settings)
        facts, counts = test_facts(world, levels), test_counts(tested)
        tests = {name: {**facts[name], **counts[name]} for name in facts}
        return {"settings": self._base_digest(run), "model": fingerprint(folder)[:16], "tests": tests}

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
            counts.append(round_counts(world, played, settings.train))
            models.append(fingerprint(policy.folder)[:16])
        shutil.rmtree(folder)
        return {"settings": settings_digest(self.design, run), "models": models, "rounds": counts}

    def _base(self, run: Run) -> Path:
        settings = settings_of(self.design, self._any(run), 1)
        folder = self.scratch / "bases" / f"{run.base}-{digest(settings.bootstrap.tiny.model_dump(mode='json'))}"
        if not (folder / CARD).exists():
            log.info("base %d: training (two to three minutes)", run.base)
            partial = folder.with_name(f".{folder.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            line.train_base(settings, partial)
            partial.rename(folder)
        return folder

    def _base_digest(self, run: Run) -> str:
        return base_digest(self.design, self._any(run))

    def _any(self, run: Run) -> Run:
        """A run of the block: what a base depends on is the same in all of them."""
        first = self.design.schedule[0]
        return Run(first.arms[0], first.budgets[0], run.base, run.data)
