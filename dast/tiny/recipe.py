"""The recipe of the built-in base: what params leave open, with the numbers that were found to work (docs/world.md).

Grain: one model.
"""

from __future__ import annotations

from pathlib import Path

from dast.params.sources import TinyBase
from dast.tiny.base import BaseSettings, train_base
from dast.tiny.corpus import Noise

SLIP_PLAIN = {"c": 0.30, "d": 0.65, "t": 0.85}
"""Chance of a slip by step class. For doublings and triplings the wrong way is the common one: without that there is
no right minority for self-training to amplify."""

SLIP_WORKED = {"c": 0.10, "d": 0.30, "t": 0.45}
"""The same in the worked style, which slips less."""


def train_tiny(tiny: TinyBase, folder: Path) -> None:
    """Trains the base and saves model and tokenizer in `folder`."""
    noise = Noise(
        worked_rate=tiny.worked_rate, shots_rate=tiny.shots_rate, slip_plain=SLIP_PLAIN, slip_worked=SLIP_WORKED
    )
    settings = BaseSettings(
        seed=tiny.seed,
        steps_short=tiny.steps_short,
        steps_long=tiny.steps_long,
        long_weights=tuple(tiny.long_weights),
        top=tiny.top,
        batch_size=tiny.batch_size,
        learning_rate=tiny.learning_rate,
        hidden_size=tiny.hidden_size,
        layers=tiny.layers,
        heads=tiny.heads,
        noise=noise,
    )
    train_base(settings, folder)
