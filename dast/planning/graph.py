"""The pipeline's stages and what stands before each, as DVC draws it.

Guarantees: an order in which every stage comes after those it needs, DVC's own where the graph allows it. Grain: one
stage.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_EDGE = re.compile(r'^"(?P<above>[^"]+)" -> "(?P<below>[^"]+)";$')
_NODE = re.compile(r'^"(?P<name>[^"]+)";$')


@dataclass(frozen=True)
class Graph:
    """Stages in pipeline order, and what stands directly before each."""

    order: tuple[str, ...]
    before: Mapping[str, frozenset[str]]


def parse_graph(dot: str) -> Graph:
    """The graph that `dvc dag --dot` prints."""
    lines = dot.splitlines()
    names = [match["name"] for line in lines if (match := _NODE.match(line.strip()))]
    edges = [(match["above"], match["below"]) for line in lines if (match := _EDGE.match(line.strip()))]
    before = {name: frozenset(above for above, below in edges if below == name) for name in names}
    return Graph(tuple(_sorted(names, before)), before)


def _sorted(names: Sequence[str], before: Mapping[str, frozenset[str]]) -> Iterator[str]:
    place = {name: index for index, name in enumerate(names)}
    left = {name: len(above) for name, above in before.items()}
    ready = [place[name] for name in names if not left[name]]
    while ready:
        name = names[heapq.heappop(ready)]
        yield name
        for below in (other for other in names if name in before[other]):
            left[below] -= 1
            if not left[below]:
                heapq.heappush(ready, place[below])
