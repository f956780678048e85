"""The worker process: one JSON line in (reference, predicted), one JSON line out (verdict, reason).

Guarantees: a comparison that takes more than its CPU seconds ends the process by SIGPROF, which no code can catch here;
memory is bounded; the process starts no program, writes no file and reaches no network; each comparison starts from
empty caches, so that its cost does not depend on what came before. The process ends when its input does. Started as
`python -m dast.equivalence.worker SECONDS`.
"""

from __future__ import annotations

import json
import logging
import resource
import signal
import sys
from typing import Any

import sympy
from latex2sympy2_extended import NormalizationConfig
from math_verify import LatexExtractionConfig, parse, verify

from dast.equivalence.algebra import UndefinedReference, expressions_equal
from dast.equivalence.nodes import Node
from dast.equivalence.rational import TooLarge, Undefined
from dast.equivalence.reading import read
from dast.equivalence.structure import same
from dast.equivalence.zero import Undecided

MEMORY_BYTES = 2 * 2**30
_FORBIDDEN = frozenset(
    (
        *("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.kill", "subprocess.Popen"),
        *("socket.connect", "socket.bind", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate"),
    )
)
_WARM_UP = ((r"\sin^2 x + \cos^2 x", "1"), (r"\sqrt{3+2\sqrt{2}}", r"1+\sqrt{2}"))


class _Slow(BaseException):
    """The second opinion took its share of the CPU time. Not an Exception, so that no library swallows it."""


def compare(reference: str, predicted: str) -> tuple[str, str | None]:
    """Verdict and reason. Math-Verify is a second reader: where it does not agree, the stricter verdict stands.

    What our algebra leaves open is `undecided` where all else is equal; a difference elsewhere is one all the same.
    Where it takes too long, equality that was proven stands, and the reason says that nobody else looked.
    """
    try:
        left_open = list[Undecided]()
        if not same(read(reference), read(predicted), lambda a, b: _equal_or_open(a, b, left_open)):
            return "incorrect", None
        return ("ungraded", "undecided") if left_open else _second_opinion(reference, predicted)
    except (TooLarge, OverflowError):
        return "ungraded", "too_large"
    except Undefined:
        return "incorrect", "undefined"
    except UndefinedReference:
        return "ungraded", "reference_undefined"
    except MemoryError:
        return "ungraded", "memory_limit"
    # sympy raises errors of every type on unusual input: that is the grader's failure, not the response's.
    except Exception as error:
        return "ungraded", f"crash_{type(error).__name__}"


def main() -> None:
    """Serves comparisons until the input ends."""
    seconds = float(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGVTALRM, _give_up)
    logging.disable()
    for pair in _WARM_UP:
        compare(*pair)
    sys.addaudithook(_refuse_acts)
    _reply({"ready": True})
    for line in sys.stdin.buffer:
        reference, predicted = json.loads(line)
        sympy.core.cache.clear_cache()
        signal.setitimer(signal.ITIMER_PROF, seconds)
        verdict, reason = compare(reference, predicted)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _reply({"verdict": verdict, "reason": reason})


def _refuse_acts(event: str, arguments: tuple[Any, ...]) -> None:
    """A second wall behind the allow-list of tokens: a worker computes, and touches nothing.

    Raises:
        PermissionError: starting a program, reaching the network, or writing to a file.
    """
    writes = event == "open" and any(letter in str(arguments[1] or "") for letter in "wax+")
    if writes or event in _FORBIDDEN:
        raise PermissionError(f"a grading worker may not do this: {event}")


def _reply(content: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(content).encode() + b"\n")
    sys.stdout.buffer.flush()


def _equal_or_open(reference: Node, predicted: Node, left_open: list[Undecided]) -> bool:
    """Equality; an open one is noted in `left_open` and taken for one, so that what else differs can be found."""
    try:
        return expressions_equal(reference, predicted)
    except Undecided as fault:
        left_open.append(fault)
        return True


def _second_opinion(reference: str, predicted: str) -> tuple[str, str | None]:
    """What Math-Verify makes of a pair whose equality is proven. Its own time limits are off: ours holds."""
    left, right = read(reference), read(predicted)
    # 0.9.0 refuses what is equal for degrees inside an expression, complex numbers (`1/(1+i)` and `(1-i)/2`), odd roots
    # of negative numbers, and inequalities; it takes `|x|+2|y|` for `|x\cdot|2|\cdot y|`.
    if _holds_unsupported(left) or _holds_unsupported(right):
        return "correct", None
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, _second_share_s())
        sides = [_parsed(text, _holds(node, "unit")) for text, node in ((reference, left), (predicted, right))]
        # A lone letter it reads as text, which no expression equals.
        agrees = not all(_expression(side) for side in sides) or bool(verify(*sides, timeout_seconds=None))
    except _Slow:
        return "correct", "second_opinion_slow"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return ("correct", None) if agrees else ("incorrect", "checkers_disagree")


def _second_share_s() -> float:
    """A third of the comparison's CPU seconds; what is left of the whole covers what came before."""
    return float(sys.argv[1]) / 3 if len(sys.argv) > 1 else 1.0


def _give_up(number: int, stack: Any) -> None:
    raise _Slow


def _holds_unsupported(node: Node) -> bool:
    odd_root = node.kind == "root" and node.args[1].kind in ("neg", "add")
    inequality = node.kind == "relation" and not set(node.value) <= {"=", " "}
    imaginary = node.kind == "symbol" and node.value == "i"
    before_bars = node.kind == "mul" and node.args[1].kind == "absolute"
    unsupported = node.kind == "degree" or imaginary or odd_root or inequality or before_bars
    return unsupported or any(_holds_unsupported(part) for part in node.args)


def _holds(node: Node, kind: str) -> bool:
    return node.kind == kind or any(_holds(part, kind) for part in node.args)


def _expression(side: list[Any]) -> bool:
    # A matrix, unlike an expression, does not say whether it is a symbol.
    kinds = (sympy.Basic, sympy.MatrixBase)
    return any(isinstance(part, kinds) and not getattr(part, "is_Symbol", False) for part in side)


def _parsed(text: str, with_units: bool) -> list[Any]:
    # It takes trailing letters for units (`2x+4a y` becomes `2x+4`), so units are taken off only where there are any.
    config = [
        LatexExtractionConfig(
            normalization_config=NormalizationConfig(
                basic_latex=True, units=with_units, malformed_operators=True, nits=True, boxed="all"
            )
        )
    ]
    return list(parse(f"${text.replace('$', '')}$", config, fallback_mode="no_fallback", parsing_timeout=None))


if __name__ == "__main__":
    main()
