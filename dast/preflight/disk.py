"""Room on the disks for what the line will write: kept rollouts, tables and models.

Guarantees: an estimate of everything that the params want, less what is there. Grain: one finding a disk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dast.params.sections import Settings
from dast.preflight.findings import Finding
from dast.preflight.shapes import Shape
from dast.preflight.training_memory import STATE_BYTES, Run, adapter_parameters, run_of, trained_parameters
from dast.progress import size
from dast.store.database import Holding
from dast.supply import COPIES


@dataclass(frozen=True)
class Counts:
    """Rollouts that the whole line wants at most, and how long one may be."""

    n_rollouts: int
    max_new_tokens: int


@dataclass(frozen=True)
class Disk:
    """A disk, and what of the estimate falls on it."""

    name: str
    needed: int
    free: int


def counts_of(rounds: Mapping[str, Settings], n_train: int, n_tests: int) -> Counts:
    """What the rounds' settings want of so many queries; the base is evaluated, too."""
    test = next(iter(rounds.values())).evaluate
    per_test = test.n_samples + int(test.greedy)
    n_rollouts = n_tests * (per_test * (len(rounds) + 1) + test.n_level_rollouts)
    n_rollouts += sum(int(n_train * per_query(settings)) for settings in rounds.values())
    longest = max(settings.sample.decoding.max_new_tokens for settings in rounds.values())
    return Counts(n_rollouts, longest)


def per_query(settings: Settings) -> float:
    """Most rollouts of a train query in a round, on average; of a token budget, as many as have full length."""
    budget, plain = settings.augment.budget, settings.sample.n_rollouts
    if budget.unit == "rollouts":
        return max(budget.per_query, plain)
    return max(budget.per_query / settings.augment.decoding.max_new_tokens, plain)


def kept_bytes(kept: Sequence[Holding]) -> float | None:
    """Mean size of a kept rollout; None where there is none. A pilot's few are larger: they share no compression."""
    n_rollouts = sum(one.n_rollouts for one in kept)
    return sum(one.n_bytes for one in kept) / n_rollouts if n_rollouts else None


def rollout_bytes(counts: Counts, mean_bytes: float | None) -> tuple[int, int]:
    """Bytes of the store, and of the tables that hold its rollouts again; `mean_bytes` is that of those kept."""
    each = mean_bytes or counts.max_new_tokens / 2  # as sampling itself foresees: a token takes a byte, few are full
    store = int(each * counts.n_rollouts)
    return store, store * (COPIES - 1)


def model_bytes(shape: Shape, rounds: Sequence[tuple[Settings, str]]) -> int:
    """The base, each round's model and the finished run that it is taken from, and two checkpoints of the largest run.

    Args:
        shape: of the base.
        rounds: settings and method of each; an adapter that is not merged is written alone.
    """
    base = shape.n_parameters * (2 if rounds[0][0].train.bf16 else 4)
    models = sum(2 * _saved_bytes(shape, settings) for settings, _ in rounds)
    return int(base + models + 2 * max(_checkpoint_bytes(shape, run_of(*one)) for one in rounds))


def _saved_bytes(shape: Shape, settings: Settings) -> int:
    train = settings.train
    if train.lora is not None and not train.lora.merge:
        return 4 * adapter_parameters(shape, train.lora.rank)
    return shape.n_parameters * (2 if train.bf16 else 4)


def _checkpoint_bytes(shape: Shape, run: Run) -> float:
    return trained_parameters(shape, run) * (4 + STATE_BYTES[run.optimizer])


def disks(store: tuple[Path, int], project: tuple[Path, int], free: Mapping[Path, tuple[int, int]]) -> list[Disk]:
    """The estimate by disk: what falls on one disk is added up.

    Args:
        store: folder, and bytes that it will grow by.
        project: likewise, tables and models.
        free: device and free bytes of each folder.
    """
    if free[store[0]][0] == free[project[0]][0]:
        return [Disk(str(project[0]), store[1] + project[1], free[project[0]][1])]
    return [Disk(str(folder), needed, free[folder][1]) for folder, needed in (store, project)]


def disk_findings(found: Sequence[Disk], what: str) -> list[Finding]:
    """Whether each disk has room; `what` says what the estimate is made of."""
    return [_finding(disk, what) for disk in found]


def _finding(disk: Disk, what: str) -> Finding:
    told = f"about {size(disk.needed)} to write ({what}), {size(disk.free)} free"
    subject = f"disk of {disk.name}"
    if disk.needed > disk.free:
        return Finding("error", subject, f"{told}; free space, or name another place for the store in DAST_STORE")
    if disk.needed > disk.free / 2 and disk.needed > 0:
        return Finding("warning", subject, f"{told}; the estimate is rough, so free some space")
    return Finding("ok", subject, told)
