"""Hostile responses: what a stranger's pool may hold to hang, crash, exhaust or take over a grader; and what they do.

Guarantees: no two rows of one call are equal, so that nothing is answered from a cache; same call, same rows.
Grain: one (reference, response) pair.
"""

from __future__ import annotations

import os
import random
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.measured import Value, cells, timed
from benchmarks.recorded import SEED, attempts_of, distinct, drawn, recorded
from dast.grading import STANDARD, Attempt, Grade, Grader

HOSTILE, ORDINARY = 1_000, 10_000
REFERENCES = (r"\sqrt{2}", "5", r"x^2+\sqrt{3}x", "[0,1)")
_MEGABYTE = 10**6
_COSTLY = ("slow algebra", "exponential tower")
_COSTLY_ROWS = 10
"""Each may cost its whole limit of CPU time, so few of them."""
_CODE = (
    "__import__('os').system('touch {trap}')",
    r"\text{{__import__('os').system('touch {trap}')}}",
    "(lambda: open('{trap}', 'w'))()",
    "().__class__.__base__.__subclasses__()[{n}]",
    r"\operatorname{{exec}}(\text{{open('{trap}','w')}})",
    "[open('{trap}','w') for x in (1,)]",
)


class Bad(NamedTuple):
    """A hostile attempt and its kind."""

    kind: str
    attempt: Attempt


def _box(text: str) -> str:
    return rf"so it is \boxed{{{text}}}"


KINDS: Mapping[str, Callable[[int], str]] = {
    "tower of powers": lambda n: _box(rf"9^{{9^{{9^{{{n + 9}}}}}}}"),
    "factorial of a million": lambda n: _box(f"{1_000_000 + n}!"),
    "power of powers of ten": lambda n: _box(rf"10^{{10^{{{n + 10}}}}}"),
    "exponential tower": lambda n: _box(rf"e^{{e^{{e^{{{n + 10}}}}}}}"),
    "sine of a huge number": lambda n: _box(rf"\sin(10^{{{n + 999}}})"),
    "slow algebra": lambda n: _box(rf"(x^2+y^2+z^2+w^2+2xy+2xz+2xw+2yz+2yw+2zw)^{{{40 + n}}}"),
    "braces 10,000 deep": lambda n: _box("{" * 10_000 + str(n) + "}" * 10_000),
    "brackets 10,000 deep": lambda n: _box("(" * 10_000 + str(n) + ")" * 10_000),
    "roots 10,000 deep": lambda n: _box(r"\sqrt{" * 10_000 + str(n) + "}" * 10_000),
    "boxes 10,000 deep": lambda n: r"\boxed{" * 10_000 + str(n) + "}" * 10_000,
    "a megabyte of digits": lambda n: _box(f"{n}" + "7" * _MEGABYTE),
    "a megabyte of words": lambda n: f"the answer is {n + 10} " * (_MEGABYTE // 18),
    "a megabyte of spaces": lambda n: f"Answer{n}\nA" + " " * _MEGABYTE,
    "a megabyte of opened boxes": lambda n: f"{n} " + r"\boxed{" * (_MEGABYTE // 7),
    "a megabyte of backslashes": lambda n: f"{n} " + "\\" * _MEGABYTE,
    "NUL bytes": lambda n: _box(f"{n}\x00"),
    "right-to-left marks": lambda n: _box(f"\u202e{n}\u202c \u200f{n}"),
    "lone surrogates": lambda n: _box(f"{n}\ud800"),
    "unbalanced braces": lambda n: rf"\boxed{{\frac{{{n}}}{{ }}}}}} }}{{ \boxed{{{n}",
    "unbalanced commands": lambda n: _box(rf"\begin{{pmatrix}} {n} & \left( \frac \sqrt"),
    "500 signs": lambda n: _box("-" * 500 + str(n)),
    "factorials of factorials": lambda n: _box(f"{n}" + "!" * 200),
    "a sum of 120 terms": lambda n: _box("1+" * 119 + str(n)),
    "code": lambda n: _box(_CODE[n % len(_CODE)] + f"+{n}"),
}


def rows_of(count: int, trap: Path) -> list[Bad]:
    """Rows of every kind and reference in turn; `trap` is the file that the code would make if it ran."""
    found: list[Bad] = []
    left = Counter(dict.fromkeys(_COSTLY, _COSTLY_ROWS))
    for number in range(count):
        for kind in KINDS:
            if len(found) < count and (kind not in _COSTLY or left[kind] > 0):
                left[kind] -= 1
                found.append(Bad(kind, attempt(kind, number, trap)))
    return found


def attempt(kind: str, number: int, trap: Path) -> Attempt:
    response = KINDS[kind](number)
    if kind == "code":
        response = response.replace("{{", "{").replace("}}", "}").replace("{trap}", str(trap)).replace("{n}", "0")
    equal = rf"(x+y+z+w)^{{{80 + 2 * number}}}"
    return Attempt(equal if kind == "slow algebra" else REFERENCES[number % len(REFERENCES)], response)


def hostile() -> Iterator[Value]:
    """The mixture against the ordinary rows alone, verdicts by kind and reason, and each kind by itself."""
    with tempfile.TemporaryDirectory() as folder:
        trap = Path(folder, "trap")
        bad = rows_of(HOSTILE, trap)
        good = attempts_of(distinct(drawn(recorded(), ORDINARY)))
        mixed = [*good, *(one.attempt for one in bad)]
        order = random.Random(SEED).sample(range(len(mixed)), len(mixed))
        measured, alone = of_run("ordinary rows alone", good)
        yield from measured
        measured, both = of_run("with the hostile rows", [mixed[place] for place in order])
        yield from measured
        grades = dict(zip(order, both, strict=True))
        same = sum(grades[place] == grade for place, grade in enumerate(alone))
        facts = {"rows_in": len(mixed), "rows_out": len(both), "code_that_ran": int(trap.exists())}
        yield from cells("rows", "counts", **facts, ordinary=len(good), ordinary_with_the_same_grade=same)
        said = [(one.kind, told(grades[len(good) + place])) for place, one in enumerate(bad)]
        for verdict, count in Counter(verdict for _, verdict in said).most_common():
            yield from cells("verdicts of the hostile rows", verdict, rows=count)
        for kind, seconds in slowest(trap):
            counts = Counter(verdict for name, verdict in said if name == kind)
            verdicts = ", ".join(f"{verdict} {count}" for verdict, count in counts.most_common())
            yield from cells("kinds", kind, rows=counts.total(), slowest_alone_seconds=seconds, verdicts=verdicts)


def told(grade: Grade) -> str:
    return f"{grade.verdict}: {grade.reason}" if grade.reason else grade.verdict


def of_run(name: str, attempts: Sequence[Attempt]) -> tuple[list[Value], list[Grade]]:
    peaks: dict[int, int] = {}
    over = threading.Event()
    watch = threading.Thread(target=watched, args=(peaks, over))
    watch.start()
    with Grader(STANDARD) as grader:
        rate, grades = timed(lambda: grader.grade(attempts), len(attempts))
    over.set()
    watch.join()
    memory = {"peak_mib": peak(os.getpid()), "peak_mib_of_a_worker": max(peaks.values(), default=0)}
    line = {"rows": len(attempts), **rate, **memory, "processes_left": len(children())}
    return list(cells("runs", name, **line)), grades


def watched(peaks: dict[int, int], over: threading.Event) -> None:
    while not over.wait(0.05):
        # The last reading, not the largest: before `exec` a child shows its parent's memory.
        peaks |= {process: peak(process) or peaks.get(process, 0) for process in children()}


def children() -> list[int]:
    return [int(process) for process in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def peak(process: int) -> int:
    """Most resident memory in MiB; 0 for a process that has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)


def slowest(trap: Path) -> Iterator[tuple[str, float]]:
    with Grader(STANDARD) as grader:
        grader.compare([(r"\sqrt{8}", r"2\sqrt{2}")])
        for kind in KINDS:
            alone = [attempt(kind, HOSTILE + number, trap) for number in range(len(REFERENCES))]
            yield kind, max(timed(partial(grader.grade, [one]), 1)[0]["seconds"] for one in alone)
