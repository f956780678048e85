"""What this machine is: memory of its GPU, how fast it multiplies matrices and moves bytes, and what a call costs.

Guarantees: takes about a second. Grain: one machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from dast.preflight.training_time import Speed

_SIZES = {"cpu": 1024, "cuda": 8192}
"""Rows and columns: a product of this size keeps the device busy."""
_COPIED = {"cpu": 2**26, "cuda": 2**30}
"""Bytes: more than any cache holds."""
_SECONDS = 0.2
"""Long enough for clocks to settle, short enough not to be noticed."""
_CALLS = 1000
"""Calls between two looks at the clock."""


def gpu_bytes() -> int | None:
    """Memory of the first GPU; None where there is none."""
    return int(torch.cuda.get_device_properties(0).total_memory) if torch.cuda.is_available() else None


def speed(*, bf16: bool) -> Speed:
    """The three speeds, in the type that training computes in."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if bf16 else torch.float32
    size, n_bytes = _SIZES[device], _COPIED[device]
    # Random numbers: a product of equal ones is faster than any that training makes.
    left = torch.randn(size, size, device=device).to(dtype)
    old = torch.zeros(n_bytes, dtype=torch.uint8, device=device)
    new, few = torch.empty_like(old), torch.zeros(16, device=device)

    def call() -> None:
        for _ in range(_CALLS):
            few.add_(1)

    return Speed(
        operations_per_s=2.0 * size**3 / _seconds_of(lambda: left @ left),
        bytes_per_s=2.0 * n_bytes / _seconds_of(lambda: new.copy_(old)),
        call_s=_seconds_of(call) / _CALLS,
    )


def _seconds_of(work: Callable[[], object]) -> float:
    work()
    _wait()
    start, count = time.monotonic(), 0
    while (passed := time.monotonic() - start) < _SECONDS:
        work()
        _wait()
        count += 1
    return passed / count


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
