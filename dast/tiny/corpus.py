"""The noisy corpus that the base is trained on: solved problems whose solutions sometimes slip.

A solution slips when it forgets what it carried or borrowed: the result is off by ten, and the solution goes on
consistently from the wrong value. Slips are frequent enough that for doublings and triplings the wrong way is the
common one; self-training then amplifies the right minority by checking answers. The worked style, with tens and units
apart, slips less and is longer. Some conversations have solved problems in front, all of one style.

Guarantees: only chains of the part ``corpus`` occur, whatever is drawn for training and testing; every step is right or
a slip. Grain: one conversation, a tuple of turns (query, response).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dast.tiny.world import (
    STARTS,
    TOP,
    Problem,
    Step,
    Style,
    apply,
    chain_part,
    moves,
    step_class,
    step_text,
    tell,
)

Turn = tuple[str, str]
Conversation = tuple[Turn, ...]

MULTIPLY_RATE = 0.34
"""Chance that a step multiplies where it can."""

MOST_SHOTS = 3
_LARGEST_TOKEN = 99


@dataclass(frozen=True)
class Noise:
    """How the corpus is written. Rates are probabilities in 0..1; slips are by step class (c, d, t)."""

    worked_rate: float
    """Share of conversations in the worked style."""
    shots_rate: float
    """Share of conversations with one to three solved problems in front."""
    slip_plain: Mapping[str, float]
    slip_worked: Mapping[str, float]


def conversations(
    rng: random.Random, n: int, length_weights: Sequence[float], noise: Noise, top: int = TOP
) -> Iterator[Conversation]:
    """``n`` conversations over free chains; ``length_weights[k]`` is the weight of chains with k + 1 steps, ``top`` the
    largest value."""
    for _ in range(n):
        style: Style = "worked" if rng.random() < noise.worked_rate else "plain"
        turns = 1 + (rng.randint(1, MOST_SHOTS) if rng.random() < noise.shots_rate else 0)
        lengths = rng.choices(range(1, len(length_weights) + 1), length_weights, k=turns)
        yield tuple(_turn(rng, length, style, noise, top) for length in lengths)


def _turn(rng: random.Random, length: int, style: Style, noise: Noise, top: int) -> Turn:
    problem = free_problem(rng, length, top)
    slips = noise.slip_worked if style == "worked" else noise.slip_plain
    return problem.query, noisy_solution(rng, problem, style, slips)


def free_problem(rng: random.Random, length: int, top: int = TOP) -> Problem:
    """A chain of ``length`` steps of any class, of the part ``corpus``."""
    while True:
        start = value = rng.choice(STARTS)
        ops: list[Step] = []
        for _ in range(length):
            products = moves(value, "*", top)
            options = products if products and rng.random() < MULTIPLY_RATE else moves(value, "±", top)
            ops.append(rng.choice(options))
            value = apply(value, ops[-1])
        if chain_part(start, tuple(ops)) == "corpus":
            return tell(rng, 0, "corpus", start, tuple(ops))


def noisy_solution(rng: random.Random, problem: Problem, style: Style, slips: Mapping[str, float]) -> str:
    """A solution that slips; drawn again while it leaves the numbers that have a token."""
    while True:
        steps = []
        value = problem.start
        for index, step in enumerate(problem.ops):
            result = _noisy_result(rng, value, step, slips)
            if not 1 <= result <= _LARGEST_TOKEN:
                break
            steps.append(step_text(problem.month + index, value, step, result, style))
            value = result
        else:
            return " ".join([*steps, f"#### {value}"])


def _noisy_result(rng: random.Random, value: int, step: Step, slips: Mapping[str, float]) -> int:
    result = apply(value, step)
    if rng.random() < slips.get(step_class(value, step), 0.0):
        slipped = result + 10 if step[0] == "-" else result - 10
        return slipped if slipped >= 1 else result
    return result
