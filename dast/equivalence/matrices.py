r"""A matrix times a scalar as the matrix of the products (`\frac15\begin{pmatrix}1\\2\end{pmatrix}`).

Guarantees: from trees to trees; a product of matrices, or of a matrix and a tuple, stays as it is. Grain: one node.
"""

from __future__ import annotations

from dast.equivalence.nodes import Node

_NO_SCALARS = frozenset(("matrix", "row", "tuple", "set", "list", "union", "relation", "unit", "plusminus"))


def entrywise(kind: str, *args: Node) -> Node:
    """A product, quotient or negative; of a matrix and a scalar it is the matrix of what it makes of each entry."""
    at = next((place for place, part in enumerate(args) if part.kind == "matrix"), None)
    if at is None or (kind == "div" and at > 0) or not all(_is_scalar(part) for part in (*args[:at], *args[at + 1 :])):
        return Node(kind, args)
    rows = [tuple(Node(kind, (*args[:at], entry, *args[at + 1 :])) for entry in row.args) for row in args[at].args]
    return Node("matrix", tuple(Node("row", row) for row in rows))


def _is_scalar(node: Node) -> bool:
    return node.kind not in _NO_SCALARS and all(_is_scalar(part) for part in node.args)
