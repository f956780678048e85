r"""Equality of two answers part by part; what is left are plain expressions, whose equality a caller decides.

Guarantees: brackets, order in tuples, units on both sides and the variable of an equation all count. Conventions, the
published graders' (Hendrycks et al. 2021): a unit, currency or `x =` on one side alone is ignored; a list without
brackets, and a set, has no order. Ours: `50\%` equals `50` only above 1, where no fraction can be meant.
"""

from __future__ import annotations

from collections.abc import Callable

from dast.equivalence.expressions import Node

Equal = Callable[[Node, Node], bool]
_CONTAINERS = frozenset(("list", "set", "tuple", "union", "matrix", "row", "relation", "unit", "percent"))
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}


def same(reference: Node, predicted: Node, equal: Equal) -> bool:
    """Whether two answers are equal, given the equality of expressions without containers, units or relations."""
    if reference == predicted:
        return True
    kinds = {reference.kind, predicted.kind}
    if "unit" in kinds:
        return _same_units(reference, predicted, equal)
    if "percent" in kinds:
        return _same_percent(reference, predicted, equal)
    if "relation" in kinds:
        return _same_relations(reference, predicted, equal)
    if kinds <= {"list", "set"}:
        return _same_unordered(reference, predicted, equal)
    if reference.kind == predicted.kind == "union":
        return _same_unordered(reference, predicted, equal)
    if kinds & _CONTAINERS:
        return reference.kind == predicted.kind and _same_ordered(reference, predicted, equal)
    return equal(reference, predicted)


def _same_units(a: Node, b: Node, equal: Equal) -> bool:
    if a.kind == b.kind:
        return a.value == b.value and same(a.args[0], b.args[0], equal)
    bare, other = (a.args[0], b) if a.kind == "unit" else (b.args[0], a)
    if "percent" in (bare.kind, other.kind) or other.kind == "relation":
        return other.kind == "relation" and _same_relations(a, b, equal)
    return same(bare, other, equal)


def _same_percent(a: Node, b: Node, equal: Equal) -> bool:
    if a.kind == b.kind:
        return same(a.args[0], b.args[0], equal)
    percent, other = (a, b) if a.kind == "percent" else (b, a)
    if other.kind == "relation":
        return _same_relations(a, b, equal)
    if other.kind in _CONTAINERS:
        return False
    above_one = other.kind == "number" and other.number > 1
    return (above_one and equal(percent.args[0], other)) or equal(percent, other)


def _same_relations(a: Node, b: Node, equal: Equal) -> bool:
    if a.kind != b.kind:
        relation, other = (a, b) if a.kind == "relation" else (b, a)
        values = _values(relation)
        return bool(values) and all(same(value, other, equal) for value in values)
    if len(a.args) == len(b.args) == 2 and "in" not in (a.value, b.value):
        return any(_same_comparison(a, turned, equal) for turned in (b, _turned(b)))
    return any(a.value == turned.value and _same_ordered(a, turned, equal) for turned in (b, _turned(b)))


def _values(relation: Node) -> tuple[Node, ...]:
    """What a relation says that its variable is: the sides of `x = a = b` without `x`, the set of `x \\in S`."""
    first, *rest = relation.args
    if relation.value == "in":
        return tuple(rest)
    if set(relation.value.split()) != {"="}:
        return ()
    return tuple(rest) if first.kind == "symbol" else relation.args


def _same_comparison(a: Node, b: Node, equal: Equal) -> bool:
    if a.value != b.value:
        return False
    if any(side.kind in _CONTAINERS for side in (*a.args, *b.args)):
        return _same_ordered(a, b, equal)
    return equal(_difference(a), _difference(b))


def _difference(relation: Node) -> Node:
    left, right = relation.args
    return Node("add", (left, Node("neg", (right,))))


def _turned(relation: Node) -> Node:
    if relation.value == "in":
        return relation
    signs = [_FLIPPED[sign] for sign in reversed(relation.value.split())]
    return Node("relation", relation.args[::-1], " ".join(signs))


def _same_ordered(a: Node, b: Node, equal: Equal) -> bool:
    if a.value != b.value or len(a.args) != len(b.args):
        return False
    return all(same(left, right, equal) for left, right in zip(a.args, b.args, strict=True))


def _same_unordered(a: Node, b: Node, equal: Equal) -> bool:
    names = _names(a), _names(b)
    if len(a.args) != len(b.args) or (names[0] != names[1] and len(names[0] | names[1]) != 1):
        return False
    left = list(b.args)
    for part in a.args:
        match = next((place for place, other in enumerate(left) if same(part, other, equal)), None)
        if match is None:
            return False
        del left[match]
    return True


def _names(node: Node) -> set[str]:
    """Variables that a list assigns to: `x = 1, y = 2` may not be matched with `2, 1`."""
    return {part.args[0].value for part in node.args if part.kind == "relation"}
