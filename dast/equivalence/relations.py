r"""What a relation says, in other forms: its values, its interval, itself turned round.

Guarantees: from trees to trees, no equality is decided here. Grain: one relation.
"""

from __future__ import annotations

from collections.abc import Sequence

from dast.equivalence.nodes import Node

_INTERVALS = ("()", "[)", "(]", "[]")
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}


def values(relation: Node) -> tuple[Node, ...]:
    """What a relation says that its variable is: the sides of `x = a = b` without `x`, the set of `x \\in S`."""
    first, *rest = relation.args
    if relation.value == "in":
        return tuple(rest)
    if set(relation.value.split()) != {"="}:
        return ()
    if first.value.endswith(")") and not _names_argument(first, rest):
        return ()
    said = tuple(part for part in rest if not _is_name(part)) or tuple(rest)
    return said if _is_name(first) else relation.args


def _names_argument(function: Node, rest: Sequence[Node]) -> bool:
    """Whether `f(x) = …` speaks of its own variable; a function's value at a number always does."""
    argument = function.value.partition("(")[2].removesuffix(")")
    used = set[str]().union(*(symbols(part) for part in rest)) - {"e", "i"}
    return not argument.isalpha() or not used or argument in used


def _is_name(node: Node) -> bool:
    """A variable, a segment by its ends (`AB`), or a tuple of variables."""
    if node.kind == "tuple":
        return all(part.kind == "symbol" for part in node.args)
    if node.kind == "mul":
        return all(_is_name(part) and part.value[:1].isupper() for part in node.args)
    return node.kind == "symbol"


def interval(node: Node) -> Node | None:
    """An interval as such, or as inequalities of one variable (`1 < x \\le 2`, `x > 3`, `x \\in S`); else None."""
    if node.kind == "tuple" and node.value in _INTERVALS and len(node.args) == 2:
        return node
    if node.kind != "relation":
        return None
    if node.value == "in":
        return interval(node.args[1]) if node.args[0].kind == "symbol" else None
    if node.args[0].kind != "symbol" and node.args[-1].kind == "symbol":
        node = turned(node)
    if len(node.args) == 2 and node.args[0].kind == "symbol":
        return _half_line(node.value, node.args[1])
    if len(node.args) == 3 and node.args[1].kind == "symbol":
        node = node if "<" in node.value else turned(node)
        signs = node.value.split()
        if all(sign in ("<", "<=") for sign in signs):
            brackets = ("[" if signs[0] == "<=" else "(") + ("]" if signs[1] == "<=" else ")")
            return Node("tuple", (node.args[0], node.args[2]), brackets)
    return None


def _half_line(sign: str, end: Node) -> Node | None:
    infinite = Node("constant", value="oo")
    match sign:
        case ">" | ">=":
            return Node("tuple", (end, infinite), "[)" if sign == ">=" else "()")
        case "<" | "<=":
            return Node("tuple", (Node("neg", (infinite,)), end), "(]" if sign == "<=" else "()")
    return None


def variable(node: Node) -> str | None:
    """The variable of inequalities or of `x \\in S`."""
    if node.kind != "relation":
        return None
    return next((part.value for part in node.args if part.kind == "symbol"), None)


def turned(relation: Node) -> Node:
    """The relation read from right to left; `x \\in S` has no other side."""
    if relation.value == "in":
        return relation
    signs = [_FLIPPED[sign] for sign in reversed(relation.value.split())]
    return Node("relation", relation.args[::-1], " ".join(signs))


def symbols(node: Node) -> set[str]:
    """Names of all variables."""
    own = {node.value} if node.kind == "symbol" else set()
    return own.union(*(symbols(part) for part in node.args))
