"""Measures every case, or writes the page of what was measured elsewhere.

    python -m benchmarks.gpu [--small] [--out FOLDER] [--seconds S]     # measures; FOLDER/gpu.json grows case by case
    python -m benchmarks.gpu --report FOLDER/gpu.json                   # writes benchmarks/results/gpu.md and gpu.json

`notes` of the JSON, paragraphs below `run`, `memory` and `time`, are written by hand and stand in the page.

Guarantees: a case that fails, hangs or would not end in time costs that case alone, and what it said is kept. Cases run
one after the other, forked from this process, which has loaded the libraries and never touches the GPU; where forks
fail, in fresh processes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.gpu.cases import FULL, SMALL, Case, Scale, as_dict
from benchmarks.gpu.foretold import foretold
from dast.preflight.shapes import Shape

RESULTS = Path(__file__).parent.parent / "results"
LEAST_S = 4.0
"""Time left under which no further case is begun."""


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.gpu")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--seconds", type=float, default=165.0)
    parser.add_argument("--report", type=Path)
    asked = parser.parse_args(arguments)
    if asked.report:
        report(asked.report)
    else:
        measure(SMALL if asked.small else FULL, asked.out, asked.seconds)


def report(path: Path) -> None:
    """Writes a copy of the numbers, and the page of that copy beside it."""
    from benchmarks.gpu.page import page
    from dast.smallfiles import write_json, write_text

    kept = RESULTS / "gpu.json"
    write_json(kept, json.loads(path.read_text(encoding="utf-8")))
    write_text(RESULTS / "gpu.md", page(json.loads(kept.read_text(encoding="utf-8"))))


@dataclass
class Line:
    """Runs one piece of work after the other, and keeps what each gave."""

    out: Path
    end: float
    limit_s: float
    found: dict[str, Any] = field(default_factory=dict)
    way: str = "fork"

    def left(self) -> float:
        """Seconds."""
        return self.end - time.monotonic()

    def run(self, name: str, work: Any) -> dict[str, Any]:
        """What the work gave, or `error`."""
        if self.left() < LEAST_S:
            return {"error": "not begun: no time left"}
        with tempfile.TemporaryDirectory() as folder:
            start = time.monotonic()
            child = multiprocessing.get_context(self.way).Process(target=_child, args=(work, Path(folder)))
            child.start()
            child.join(max(LEAST_S, min(self.limit_s, self.left())))
            late = child.is_alive()
            if late:
                child.kill()
                child.join()
            gave = _gave(Path(folder), late, child.exitcode)
        gave["process_s"] = round(time.monotonic() - start, 2)
        short = {key: value for key, value in gave.items() if key not in ("steps_s", "lengths", "shapes")}
        sys.stdout.write(f"{name} {json.dumps(short)}\n")
        sys.stdout.flush()
        return gave

    def keep(self) -> None:
        """Writes what there is."""
        (self.out / "gpu.json").write_text(json.dumps(self.found, indent=1), encoding="utf-8")


def measure(scale: Scale, out: Path, seconds: float) -> None:
    """All cases, into `out`/gpu.json."""
    os.environ |= {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    # Asking by CUDA whether there is a GPU would spoil the forks.
    os.environ |= {"PYTORCH_NVML_BASED_CUDA_CHECK": "1", "TRL_EXPERIMENTAL_SILENCE": "1"}
    out.mkdir(parents=True, exist_ok=True)
    line = Line(out, time.monotonic() + seconds, scale.limit_s)
    command = f"python -m benchmarks.gpu{' --small' if scale is SMALL else ''}"
    line.found = {"command": command, "small": scale is SMALL, "date": time.strftime("%Y-%m-%d"), "notes": {}}
    from benchmarks.gpu import measure as work
    from benchmarks.gpu.about import about

    line.found |= {"about": about(), "loaded_s": seconds - line.left()}
    line.found["machine"] = line.run("machine", work.machine)
    if "error" in line.found["machine"]:
        line.way = "spawn"
        line.found["fork_error"] = line.found["machine"]
        line.found["machine"] = line.run("machine", work.machine)
    line.keep()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        line.found["material"] = line.run("material", partial(work.material, scale, folder))
        line.found["cases"] = {}
        for name, case in as_dict(scale).items():
            line.found["cases"][name] = line.run(name, partial(work.measured, case, scale, folder))
            add_foretold(line.found, name, case, scale)
            line.keep()


def add_foretold(found: dict[str, Any], name: str, case: Case, scale: Scale) -> None:
    """Puts beside a case what preflight says of it on the day, where it was measured."""
    facts, shapes = found["cases"][name], found["material"].get("shapes", {})
    if shapes and not {"error", "missing"} & facts.keys():
        shape = Shape(**shapes[scale.sizes[case.size].name])
        facts["foretold"] = foretold(case, scale, shape, facts, found["machine"])


def _child(work: Any, folder: Path) -> None:
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        gave = work()
    except Exception:
        gave = {"error": traceback.format_exc()[-3000:]}
    partial_file = folder / "partial"
    partial_file.write_text(json.dumps(gave), encoding="utf-8")
    partial_file.replace(folder / "gave.json")
    os._exit(0)  # what the libraries do at an ordinary exit takes time, and may hang


def _gave(folder: Path, late: bool, code: int | None) -> dict[str, Any]:
    path = folder / "gave.json"
    if path.exists():
        gave: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return gave
    log = folder / "log"
    said = log.read_text(encoding="utf-8", errors="replace")[-2000:] if log.exists() else ""
    return {"error": f"{'ended for its time limit' if late else f'ended with {code}'}: {said}"}


if __name__ == "__main__":
    main(sys.argv[1:])
