"""The worker process: one JSON line in (reference, predicted), one JSON line out (verdict, reason).

Guarantees: a comparison that takes more than its CPU seconds ends the process by SIGPROF, which no code can catch here;
memory is bounded; each comparison starts from empty caches, so that its cost does not depend on what came before. The
process ends when its input does. Started as `python -m dast.equivalence.worker SECONDS`.
"""

from __future__ import annotations

import json
import logging
import resource
import signal
import sys
from typing import Any

import sympy
from math_verify import LatexExtractionConfig, parse, verify

from dast.equivalence.algebra import UndefinedReference, expressions_equal
from dast.equivalence.expressions import Node
from dast.equivalence.rational import TooLarge, Undefined
from dast.equivalence.reading import read
from dast.equivalence.structure import same

MEMORY_BYTES = 2 * 2**30
_WARM_UP = ((r"\sin^2 x + \cos^2 x", "1"), (r"\sqrt{3+2\sqrt{2}}", r"1+\sqrt{2}"))


def compare(reference: str, predicted: str) -> tuple[str, str | None]:
    """Verdict and reason. Math-Verify is a second reader: where it does not agree, the stricter verdict stands."""
    try:
        if not same(read(reference), read(predicted), expressions_equal):
            return "incorrect", None
        return ("correct", None) if _second_opinion(reference, predicted) else ("incorrect", "checkers_disagree")
    except (TooLarge, OverflowError):
        return "ungraded", "too_large"
    except Undefined:
        return "incorrect", "undefined"
    except UndefinedReference:
        return "ungraded", "reference_unparseable"
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
    logging.disable()
    for pair in _WARM_UP:
        compare(*pair)
    _reply({"ready": True})
    for line in sys.stdin.buffer:
        reference, predicted = json.loads(line)
        sympy.core.cache.clear_cache()
        signal.setitimer(signal.ITIMER_PROF, seconds)
        verdict, reason = compare(reference, predicted)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _reply({"verdict": verdict, "reason": reason})


def _reply(content: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(content).encode() + b"\n")
    sys.stdout.buffer.flush()


def _second_opinion(reference: str, predicted: str) -> bool:
    """Whether Math-Verify accepts too. Its own time limits are off: ours holds.

    True where it cannot read one side, and for degrees inside an expression and complex numbers, where 0.9.0 refuses
    what is equal: `2\\sin 20^\\circ \\cos 20^\\circ` and `\\sin 40^\\circ`, `1/(1+i)` and `(1-i)/2`.
    """
    if any(_holds_unsupported(read(text)) for text in (reference, predicted)):
        return True
    sides = [_parsed(text) for text in (reference, predicted)]
    return not all(sides) or bool(verify(*sides, timeout_seconds=None))


def _holds_unsupported(node: Node) -> bool:
    return node.kind == "degree" or node.value == "i" or any(_holds_unsupported(part) for part in node.args)


def _parsed(text: str) -> list[Any]:
    config = [LatexExtractionConfig()]
    return list(parse(f"${text.replace('$', '')}$", config, fallback_mode="no_fallback", parsing_timeout=None))


if __name__ == "__main__":
    main()
