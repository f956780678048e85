"""What this machine is: memory of its GPU, and how fast it multiplies matrices.

Guarantees: takes less than a second. Grain: one machine.
"""

from __future__ import annotations

import time

import torch

_SIZES = {"cpu": 1024, "cuda": 8192}
"""Rows and columns: a product of this size keeps the device busy."""
_SECONDS = 0.2
"""Long enough for clocks to settle, short enough not to be noticed."""


def gpu_bytes() -> int | None:
    """Memory of the first GPU; None where there is none."""
    return int(torch.cuda.get_device_properties(0).total_memory) if torch.cuda.is_available() else None


def operations_per_s(*, bf16: bool) -> float:
    """Floating-point operations a second of a matrix product, in the type that training computes in."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    size = _SIZES[device]
    left = torch.ones(size, size, device=device, dtype=torch.bfloat16 if bf16 else torch.float32)
    (left @ left)[0, 0].item()
    start, count = time.monotonic(), 0
    while (passed := time.monotonic() - start) < _SECONDS:
        (left @ left)[0, 0].item()
        count += 1
    return 2.0 * size**3 * count / passed
