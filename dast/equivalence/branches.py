"""Plus-minus signs as the two values that they stand for.

Guarantees: from trees to trees; two such signs in one value, which may or may not go together, raise `Unreadable`.
Grain: one answer.
"""

from __future__ import annotations

from dast.equivalence.nodes import Node
from dast.equivalence.spelling import Unreadable


def expanded(node: Node) -> Node:
    """The list of both values where there are two; else the node."""
    parts = [branch for part in (node.args if node.kind == "list" else (node,)) for branch in _branches(part)]
    return parts[0] if len(parts) == 1 else Node("list", tuple(parts), node.value if node.kind == "list" else "")


def _branches(node: Node) -> list[Node]:
    count = _count_plusminus(node)
    if count > 1:
        raise Unreadable("several plus-minus signs")
    return [_chosen(node, plus) for plus in (True, False)] if count else [node]


def _count_plusminus(node: Node) -> int:
    return (node.kind == "plusminus") + sum(_count_plusminus(part) for part in node.args)


def _chosen(node: Node, plus: bool) -> Node:
    args = tuple(_chosen(part, plus) for part in node.args)
    if node.kind == "plusminus":
        return Node("add", args if plus else (args[0], Node("neg", (args[1],))))
    return Node(node.kind, args, node.value, node.number)
