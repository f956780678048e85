r"""Equality of two answers part by part; what is left are plain expressions, whose equality a caller decides.

Guarantees: brackets, order in tuples, units on both sides and the variable of an equation all count. Conventions, the
published graders' (Hendrycks et al. 2021): a unit, currency or `x =` on one side alone is ignored; a list without
brackets, and a set, has no order. Ours: `50\%` equals `50` only above 1 in size, where no fraction can be meant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from dast.equivalence.nodes import Node
from dast.equivalence.rational import TooLarge, Undefined, rational
from dast.equivalence.relations import interval, symbols, turned, values, variable
from dast.equivalence.units import one_unit

Equal = Callable[[Node, Node], bool]
_CONTAINERS = frozenset(("list", "set", "tuple", "union", "matrix", "row", "relation", "unit", "percent"))
_COORDINATES = (("x", "y"), ("x", "y", "z"), ("a", "b"), ("a", "b", "c"), ("r", r"\theta"), ("p", "q"), ("m", "n"))
_LETTER_OF = {"meter": "m", "gram": "g", "second": "s", "liter": "l", "hour": "h"}
_POINT = (Fraction(17, 5), Fraction(-23, 7), Fraction(41, 11), Fraction(-13, 3))


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
    if "list" in kinds and kinds & {"tuple", "relation"} and _same_range(reference, predicted, equal):
        return True
    if kinds == {"list", "tuple"}:
        return _same_coordinates(reference, predicted, equal)
    if kinds == {"list", "union"}:
        return _same_pieces(reference, predicted, equal)
    if reference.kind == predicted.kind == "union":
        return _same_unordered(reference, predicted, equal)
    if kinds & _CONTAINERS:
        return reference.kind == predicted.kind and _same_ordered(reference, predicted, equal)
    return equal(reference, predicted)


def _same_units(a: Node, b: Node, equal: Equal) -> bool:
    if a.kind == b.kind:
        if (a.args[0].kind == "percent") != (b.args[0].kind == "percent"):
            return False
        return one_unit(a.value, b.value) and same(a.args[0], b.args[0], equal)
    unit, other = (a, b) if a.kind == "unit" else (b, a)
    bare = unit.args[0]
    if other.kind == "mul" and other.args[1] == Node("symbol", value=_LETTER_OF.get(unit.value, "")):
        return equal(bare, other.args[0])
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
    size = other.args[0] if other.kind == "neg" else other
    above_one = size.kind == "number" and size.number > 1
    return (above_one and equal(percent.args[0], other)) or equal(percent, other)


def _same_relations(a: Node, b: Node, equal: Equal) -> bool:
    if (a.kind, a.value) != (b.kind, b.value) and _same_range(a, b, equal):
        return True
    if "list" in (a.kind, b.kind):
        return False
    if a.kind != b.kind:
        relation, other = (a, b) if a.kind == "relation" else (b, a)
        said = values(relation)
        return bool(said) and all(same(value, other, equal) for value in said)
    if len(a.args) == len(b.args) == 2 and "in" not in (a.value, b.value):
        return any(_same_comparison(a, either, equal) for either in (b, turned(b)))
    return any(a.value == either.value and _same_ordered(a, either, equal) for either in (b, turned(b)))


def _same_range(a: Node, b: Node, equal: Equal) -> bool:
    """Whether both are one interval; where both name a variable, of the same one."""
    left, right = interval(a), interval(b)
    names = {name for name in (variable(a), variable(b)) if name}
    return left is not None and right is not None and len(names) < 2 and _same_ordered(left, right, equal)


def _same_pieces(a: Node, b: Node, equal: Equal) -> bool:
    """A union against its pieces as inequalities: `x < 1 or x > 2`."""
    pieces, union = (a, b) if a.kind == "list" else (b, a)
    if pieces.value == "and" or len({variable(part) for part in pieces.args}) != 1:
        return False
    ranges = [interval(part) if part.kind == "relation" else None for part in pieces.args]
    found = tuple(part for part in ranges if part is not None)
    return len(found) == len(ranges) and _same_unordered(union, Node("union", found), equal)


def _same_coordinates(a: Node, b: Node, equal: Equal) -> bool:
    """A pair against its coordinates by name (`x = 1, y = 2`), in the usual order of their names."""
    parts, pair = (a, b) if a.kind == "list" else (b, a)
    if parts.value == "or" or any(part.kind != "relation" or part.value != "=" for part in parts.args):
        return False
    said = {part.args[0].value: part.args[1] for part in parts.args if part.args[0].kind == "symbol"}
    names = next((names for names in _COORDINATES if set(names) == set(said)), None)
    if names is None or len(said) != len(parts.args):
        return False
    return _same_ordered(Node("tuple", tuple(said[name] for name in names), "()"), pair, equal)


def _same_comparison(a: Node, b: Node, equal: Equal) -> bool:
    if a.value != b.value:
        return False
    if any(side.kind in _CONTAINERS for side in (*a.args, *b.args)):
        return _same_ordered(a, b, equal)
    left, right = _difference(a), _difference(b)
    if not (equal(left, right) or _proportional(left, right, equal, any_sign=a.value in ("=", "!="))):
        return False
    # What holds for every value says nothing of itself: one identity is another only side by side.
    return not equal(left, Node("number")) or _same_ordered(a, b, equal)


def _proportional(a: Node, b: Node, equal: Equal, any_sign: bool) -> bool:
    """Whether one side is a multiple of the other by a number, which inequalities want positive: scaled alike."""
    names = sorted(symbols(a) | symbols(b))
    if not names or len(names) > len(_POINT):
        return False
    point = dict(zip(names, _POINT, strict=False))
    try:
        at = rational(_placed(a, point)), rational(_placed(b, point))
    except (TooLarge, Undefined):
        return False
    if not at[0] or not at[1] or (not any_sign and at[0] * at[1] < 0):
        return False
    return equal(Node("mul", (Node("number", number=at[1]), a)), Node("mul", (Node("number", number=at[0]), b)))


def _placed(node: Node, point: Mapping[str, Fraction]) -> Node:
    if node.kind == "symbol":
        return Node("number", number=point[node.value])
    return Node(node.kind, tuple(_placed(part, point) for part in node.args), node.value, node.number)


def _difference(relation: Node) -> Node:
    left, right = relation.args
    return Node("add", (left, Node("neg", (right,))))


def _same_ordered(a: Node, b: Node, equal: Equal) -> bool:
    if a.value != b.value or len(a.args) != len(b.args):
        return False
    return all(same(left, right, equal) for left, right in zip(a.args, b.args, strict=True))


def _same_unordered(a: Node, b: Node, equal: Equal) -> bool:
    names = _names(a), _names(b)
    if not (_joined_alike(a, b) and _conditions_alike(a, b)):
        return False
    units = _units(a), _units(b)
    if (all(units) and units[0] != units[1]) or len(units[0] | units[1]) > len(units[0] & units[1]) + 1:
        return False
    if len(a.args) != len(b.args) or (names[0] != names[1] and len(names[0] | names[1]) != 1):
        return False
    left = list(b.args)
    mixed = any(0 < _n_percent(node) < len(node.args) for node in (a, b))
    for part in a.args:
        fitting = [place for place, other in enumerate(left) if not mixed or _percents_alike(part, other)]
        match = next((place for place in fitting if same(part, left[place], equal)), None)
        if match is None:
            return False
        del left[match]
    return True


def _n_percent(node: Node) -> int:
    return sum(part.kind == "percent" for part in node.args)


def _percents_alike(a: Node, b: Node) -> bool:
    return (a.kind == "percent") == (b.kind == "percent")


def _joined_alike(a: Node, b: Node) -> bool:
    """Whether "and" and "or" mean the same here: between conditions, and between values of different variables, not."""
    if "or" not in (a.value, b.value) or a.value == b.value or "set" in (a.kind, b.kind):
        return True
    relations = [part for part in (*a.args, *b.args) if part.kind == "relation"]
    return all(part.value == "=" for part in relations) and len({variable(part) for part in relations}) < 2


def _conditions_alike(a: Node, b: Node) -> bool:
    """Whether, where one list holds conditions (`x != 1`), both hold nothing else: a bare value is no condition."""
    parts = (*a.args, *b.args)
    conditions = any(part.kind == "relation" and set(part.value) - {"=", " "} for part in parts)
    return not conditions or all(part.kind == "relation" for part in parts)


def _units(node: Node) -> set[str]:
    """Units of a list's parts: `5 cm, 5` may not be matched with `5, 5 m` by leaving one of each away."""
    return {part.value for part in node.args if part.kind == "unit"}


def _names(node: Node) -> set[str]:
    """Variables that a list assigns to: `x = 1, y = 2` may not be matched with `2, 1`."""
    return {part.args[0].value for part in node.args if part.kind == "relation"}
