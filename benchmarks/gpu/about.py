"""What a measurement ran on, as far as it is known without touching the GPU."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from benchmarks.machine import processor

PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "polars", "vllm", "triton")


def about() -> dict[str, str]:
    """Processor, system and versions; a package that is not there is left out."""
    facts = {"processor": f"{processor()}, {os.cpu_count()} cores"}
    facts["system"] = f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}"
    for name in PACKAGES:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            continue
    return facts
