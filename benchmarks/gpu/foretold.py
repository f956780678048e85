"""What preflight foretells of a case, from its settings and the model's shape.

Guarantees: asks the code as it is now; what it gave when a case was measured is kept beside the measurement. Grain: one
case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.gpu.cases import Case, Scale, settings_of
from dast.preflight.memory import sampling_bytes
from dast.preflight.shapes import Shape
from dast.preflight.training_memory import run_of, training_bytes
from dast.preflight.training_time import Row, Speed, step_s

Facts = Mapping[str, Any]


def foretold(case: Case, scale: Scale, shape: Shape, facts: Facts, machine: Facts) -> dict[str, float]:
    """`bytes`, and `step_s` of training on rows as long as those of `facts`, by the speeds of `machine`."""
    settings = settings_of(case, scale)
    if case.kind == "generate":
        return {"bytes": sampling_bytes(shape, settings.generation)}
    run = run_of(settings, case.method)
    told: dict[str, float] = {"bytes": training_bytes(shape, run)}
    if "call_s" in machine:
        speed = Speed(*(machine[name] for name in ("operations_per_s", "bytes_per_s", "call_s")))
        row = Row(facts["row_tokens"], facts["answer_tokens"])
        told["step_s"] = step_s(shape, run, row, case.accumulate, speed)
    return told
