"""Word problems about one quantity that changes month by month, in levels of difficulty, with exact answers.

``Tom has 9 coins. Sep triples. Oct loses 4. How many?`` is solved by ``Sep 9*3=27; Oct 27-4=23; #### 23``.
Every value on the way lies in 1..59, or in 1..99 in the families of large values. A step belongs to a class by what
makes it hard: ``e`` nothing to carry or to borrow, ``c`` an addition or subtraction that carries or borrows, ``d`` a
doubling that carries, ``t`` a tripling that carries. A level is a multiset of classes in random order; so levels differ
in kind and in number of steps.

Guarantees: the space is split by a digest of the arithmetic chain (start and operations), so two parts share no masked
query whatever is drawn from them and in whatever order; a drawn set repeats no masked query and caps the share of
every answer; the same arguments give the same problems on every machine. Grain: one ``Problem`` a query.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from dast.errors import DataError
from dast.tiny.families import LEVELS as LEVELS
from dast.tiny.families import TOP as TOP
from dast.tiny.families import UNNAMED, top_of

Part = Literal["corpus", "train", "test"]
Style = Literal["plain", "worked"]
Step = tuple[str, int]

NAMES = ("Tom", "Ann", "Ben", "Sue", "Max", "Eva", "Leo", "Mia")
ITEMS = ("apples", "coins", "books", "cards", "shells", "stamps")
GAINS = ("buys", "finds", "gets", "wins")
LOSSES = ("loses", "sells", "drops", "eats")
TIMES = {2: "doubles", 3: "triples"}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

STARTS = range(2, 21)
PART_SHARES: Mapping[Part, int] = {"corpus": 60, "train": 20, "test": 20}
"""Percent of all arithmetic chains in each part."""

_PATIENCE = 2_000
_HEAD = re.compile(r"^(?:" + "|".join(NAMES) + r") has (\d+)(?: (?:" + "|".join(ITEMS) + r"))?\.")
_EVENT = re.compile(r" (" + "|".join(MONTHS) + r") ([a-z]+)(?: (\d+))?\.")
_NAME = re.compile(r"\b(?:" + "|".join(NAMES) + r")\b")
_ITEM = re.compile(r"\b(?:" + "|".join(ITEMS) + r")\b")


@dataclass(frozen=True)
class Problem:
    """One query with what the generator knows of it. Level 0 is a free chain of the base's corpus."""

    level: int
    family: str
    query: str
    answer: str
    start: int
    ops: tuple[Step, ...]
    month: int
    """Index in ``MONTHS`` of the first step."""


def apply(value: int, step: Step) -> int:
    op, operand = step
    return value + operand if op == "+" else value - operand if op == "-" else value * operand


def step_class(value: int, step: Step) -> str:
    op, operand = step
    units = value % 10
    if op == "+":
        return "c" if units + operand >= 10 else "e"
    if op == "-":
        return "c" if units < operand else "e"
    return "e" if units * operand < 10 else "d" if operand == 2 else "t"


@cache
def moves(value: int, wanted: str, top: int = TOP) -> tuple[Step, ...]:
    """Steps that stay within 1..top: of a class, or any multiplication (``*``), or any other operation (``±``)."""
    steps = [(op, b) for op in "+-" for b in range(1, 10)] if wanted != "*" else []
    steps += [("*", b) for b in TIMES] if wanted != "±" else []
    inside = [s for s in steps if 1 <= apply(value, s) <= top]
    return tuple(s for s in inside if wanted in "*±" or step_class(value, s) == wanted)


def part(problem: Problem) -> Part:
    """The part of the space that the problem's arithmetic chain belongs to."""
    return chain_part(problem.start, problem.ops)


def chain_part(start: int, ops: tuple[Step, ...]) -> Part:
    chain = str(start) + "".join(f"{op}{operand}" for op, operand in ops)
    place = int.from_bytes(hashlib.blake2b(chain.encode(), digest_size=8).digest(), "big") % 100
    for name, share in PART_SHARES.items():
        if place < share:
            return name
        place -= share
    raise AssertionError("PART_SHARES must add up to 100")


def tell(rng: random.Random, level: int, family: str, start: int, ops: tuple[Step, ...]) -> Problem:
    """Puts an arithmetic chain into words: name, thing, verbs and first month are drawn."""
    thing = "" if family in UNNAMED else " " + rng.choice(ITEMS)
    month = rng.randrange(12)
    text = [f"{rng.choice(NAMES)} has {start}{thing}."]
    value = start
    for index, (op, operand) in enumerate(ops):
        event = TIMES[operand] if op == "*" else f"{rng.choice(GAINS if op == '+' else LOSSES)} {operand}"
        text.append(f"{MONTHS[(month + index) % 12]} {event}.")
        value = apply(value, (op, operand))
    text.append("How many?")
    return Problem(level, family, " ".join(text), str(value), start, ops, month)


def draw(family: str, level: int, part: Part, n: int, seed: int, answer_cap: float) -> list[Problem]:
    """Draws ``n`` problems of a level, no two alike once masked.

    Args:
        answer_cap: largest share of the set that may have one same answer, in 0..1; at least one problem may always
            have a given answer. Always giving the commonest answer scores no more than this.

    Raises:
        DataError: the level does not exist, or the space holds no such set.
    """
    if level not in LEVELS.get(family, {}):
        names = ", ".join(f"{name} {min(levels)}..{max(levels)}" for name, levels in LEVELS.items())
        raise DataError(f"no level {level} in family {family!r}: choose from {names}")
    rng = random.Random(f"{seed}/{family}/{level}/{part}")
    most = max(1, int(answer_cap * n))
    drawn: dict[str, Problem] = {}
    answers: Counter[str] = Counter()
    misses = 0
    while len(drawn) < n:
        problem = _draw_one(rng, family, level, part)
        key = masked(problem.query)
        if key in drawn or answers[problem.answer] >= most:
            misses += 1
            if misses > _PATIENCE:
                raise DataError(
                    f"level {level} of {family!r}: found {len(drawn)} of {n} distinct queries with at most {most} of "
                    f"one answer (answer cap {answer_cap}); ask for fewer queries or raise the cap"
                )
            continue
        misses = 0
        drawn[key] = problem
        answers[problem.answer] += 1
    return list(drawn.values())


def _draw_one(rng: random.Random, family: str, level: int, part: Part) -> Problem:
    while True:
        start = rng.choice(STARTS)
        classes = list(LEVELS[family][level])
        rng.shuffle(classes)
        ops = _chain(rng, start, classes, top_of(family))
        if ops and chain_part(start, ops) == part:
            return tell(rng, level, family, start, ops)


def _chain(rng: random.Random, start: int, classes: list[str], top: int) -> tuple[Step, ...]:
    """A chain with steps of these classes in this order; empty where the walk has no next step."""
    ops: list[Step] = []
    value = start
    for wanted in classes:
        options = moves(value, wanted, top)
        if not options:
            return ()
        ops.append(rng.choice(options))
        value = apply(value, ops[-1])
    return tuple(ops)


def masked(query: str) -> str:
    """The query with its name and the thing counted replaced by placeholders."""
    return _ITEM.sub("ITEM", _NAME.sub("NAME", query))


def step_text(month: int, value: int, step: Step, result: int, style: Style) -> str:
    """One step as an equation; the worked style writes tens and units apart where something is carried or borrowed."""
    op, operand = step
    between = ""
    if style == "worked" and step_class(value, step) != "e":
        tens, units = value - value % 10, value % 10
        if op == "*":
            tens, units = tens * operand, units * operand
        else:
            tens, units = (tens, units + operand) if op == "+" else (tens - 10, units + 10 - operand)
        between = f"{tens}+{units}="
    return f"{MONTHS[month % 12]} {value}{op}{operand}={between}{result};"


def solution(problem: Problem, style: Style) -> str:
    """The right worked solution, ending in ``#### answer``."""
    steps = []
    value = problem.start
    for index, step in enumerate(problem.ops):
        result = apply(value, step)
        steps.append(step_text(problem.month + index, value, step, result, style))
        value = result
    return " ".join([*steps, f"#### {value}"])


def parse(query: str) -> Problem:
    """Reads a query of this world back; level 0, family empty.

    Raises:
        DataError: the text is not a query of this world.
    """
    head = _HEAD.match(query)
    events = list(_EVENT.finditer(query))
    if not head or not events:
        raise DataError(f"not a query of the tiny world: {query!r}")
    start = value = int(head[1])
    ops: list[Step] = []
    for event in events:
        ops.append(_read_event(event[2], event[3]))
        value = apply(value, ops[-1])
    return Problem(0, "", query, str(value), start, tuple(ops), MONTHS.index(events[0][1]))


def _read_event(verb: str, operand: str | None) -> Step:
    for times, word in TIMES.items():
        if verb == word:
            return "*", times
    if operand is None or verb not in GAINS + LOSSES:
        raise DataError(f"not an event of the tiny world: {verb!r}")
    return ("+" if verb in GAINS else "-"), int(operand)


def steps_right(query: str, response: str) -> bool:
    """Whether every step and the answer are right, in either style and whatever the spaces.

    A response with the right answer of which this is false was right by luck.
    """
    problem = parse(query)
    texts = {style: solution(problem, style).replace(" ", "").split(";") for style in ("plain", "worked")}
    written = re.sub(r"\s", "", response).split(";")
    right = zip(texts["plain"], texts["worked"], strict=True)
    return len(written) == len(texts["plain"]) and all(mine in both for mine, both in zip(written, right, strict=True))
