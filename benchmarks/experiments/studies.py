"""The experiments that there are: a design, where its rows lie, and how its runs are played.

Guarantees: what one study says changes nothing of another. Grain: one study.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.experiments.design import PATH, Kind

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
SCRATCH = ROOT / "models"

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "TOKENIZERS_PARALLELISM": "false"}


@dataclass(frozen=True)
class Study:
    """One design and how it is played."""

    name: str
    design: Path
    afterwards: Path
    """What was thought of when its rows had been seen."""
    results: Path
    """Folder of its rows; its pages lie beside it."""
    scratch: Path
    """Folder of its bases, stores and models: all of it can be made again."""
    environment: Mapping[str, str]
    """Of a worker. One thread each: on two cores two processes of one thread are faster than one of two, and give the
    same numbers again."""
    n_workers: int
    shares_gpu: bool
    """Any worker plays any run, each with a store of its own, all on one GPU: small models leave most of it idle.
    Otherwise a worker plays whole bases, whose runs share a store."""
    base_s: float
    """CPU seconds that a base takes, about."""
    minutes: float | None = None
    """It was played with this bound, where its workers share a GPU."""
    borrows: Path | None = None
    """The rows of another study: a run that has the same settings there is the same run, and is not played again."""
    played_on: str | None = None
    """What took how long, where rows do not tell."""

    def rows(self, kind: Kind) -> Path:
        """The file of rows of the test, or of the validation."""
        return self.results / ("rows.jsonl" if kind == "test" else "validation.jsonl")

    @property
    def played(self) -> str:
        """What plays all of it, and has played the rows that there are."""
        chosen = "" if self.name == "cpu" else f" --study {self.name}"
        bound = "" if self.minutes is None else f" --minutes {self.minutes:g}"
        command = f"Command: `python -m benchmarks.experiments{chosen} run --workers {self.n_workers}{bound}`"
        return command if self.played_on is None else f"{command}, {self.played_on}"

    def at(self, results: Path | None, scratch: Path | None) -> Study:
        """The study with other folders, where any are named."""
        return replace(self, results=results or self.results, scratch=scratch or self.scratch)


STUDIES = {
    study.name: study
    for study in (
        Study(
            name="cpu",
            design=PATH,
            afterwards=PATH.with_name("afterwards.yaml"),
            results=RESULTS / "experiments",
            scratch=SCRATCH / "experiments",
            environment={**ONE_THREAD, "CUDA_VISIBLE_DEVICES": ""},
            n_workers=2,
            shares_gpu=False,
            base_s=180.0,  # 174 measured
        ),
        Study(
            name="gpu",
            design=PATH.with_name("design_gpu.yaml"),
            afterwards=PATH.with_name("afterwards_gpu.yaml"),
            results=RESULTS / "experiments_gpu",
            scratch=SCRATCH / "experiments_gpu",
            # Memory that a run has given back can be used again whatever the size of its pieces.
            environment={**ONE_THREAD, "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"},
            n_workers=20,
            shares_gpu=True,
            base_s=60.0,
            minutes=7.3,
            played_on="264 s on one H200 that the workers shared by MPS",
        ),
        Study(
            name="why",
            design=PATH.with_name("design_why.yaml"),
            afterwards=PATH.with_name("afterwards_why.yaml"),
            results=RESULTS / "experiments_why",
            scratch=SCRATCH / "experiments",  # the same bases and stores
            environment={**ONE_THREAD, "CUDA_VISIBLE_DEVICES": ""},
            n_workers=2,
            shares_gpu=False,
            base_s=180.0,
            borrows=RESULTS / "experiments" / "rows.jsonl",
            played_on="with the rows of the first study where settings are the same",
        ),
    )
}
