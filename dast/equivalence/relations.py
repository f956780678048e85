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
        return tuple(rest) if is_variable(first) and rest[0].kind in ("tuple", "set", "union") else ()
    if set(relation.value.split()) != {"="}:
        return ()
    if first.value.endswith(")") and not _names_argument(first, rest):
        return ()
    if first.kind == "symbol" and first.value in set[str]().union(*(symbols(part) for part in rest)):
        return ()
    said = tuple(part for part in rest if not _is_name(part)) or tuple(rest)
    return said if _is_name(first) else relation.args


def named_first(relation: Node) -> Node:
    """An equation with the name that it gives a value to on its left: `5 = x` says what `x = 5` says."""
    says = set(relation.value.split()) == {"="} and not _is_name(relation.args[0])
    return turned(relation) if says and _is_name(relation.args[-1]) else relation


def _names_argument(function: Node, rest: Sequence[Node]) -> bool:
    """Whether what is said of `f(x)` speaks of its own variable, or of none."""
    argument = function.value.partition("(")[2].removesuffix(")")
    used = set[str]().union(*(symbols(part) for part in rest)) - {"e", "i"}
    return not used or argument in used


def _is_name(node: Node) -> bool:
    """A variable, or a segment by its ends (`AB`)."""
    if node.kind == "mul":
        return all(_is_name(part) and part.value[:1].isupper() for part in node.args)
    return is_variable(node)


def is_variable(node: Node) -> bool:
    """A symbol that is neither Euler's number, nor the imaginary unit, nor a number in another base."""
    return (
        node.kind == "symbol"
        and node.value not in ("e", "i")
        and not ("_" in node.value and node.value[0].isalnum() and node.value.partition("_")[0][-1].isdigit())
    )


def interval(node: Node) -> Node | None:
    """An interval as such, or as inequalities of one variable (`1 < x \\le 2`, `x > 3`, `x \\in S`); else None."""
    if node.kind == "tuple" and node.value in _INTERVALS and len(node.args) == 2:
        return node
    if node.kind == "list":
        return _meet(node)
    if node.kind != "relation":
        return None
    if node.value == "in":
        return interval(node.args[1]) if is_variable(node.args[0]) else None
    if not is_variable(node.args[0]) and is_variable(node.args[-1]):
        node = turned(node)
    if len(node.args) == 2 and is_variable(node.args[0]):
        return _half_line(node.value, node.args[1])
    if len(node.args) == 3 and is_variable(node.args[1]):
        node = node if "<" in node.value else turned(node)
        signs = node.value.split()
        if all(sign in ("<", "<=") for sign in signs):
            brackets = ("[" if signs[0] == "<=" else "(") + ("]" if signs[1] == "<=" else ")")
            return Node("tuple", (node.args[0], node.args[2]), brackets)
    return None


def _meet(node: Node) -> Node | None:
    """The interval of two inequalities that both hold (`x > 1 and x < 2`)."""
    if node.value != "and" or len(node.args) != 2 or len({variable(part) for part in node.args}) != 1:
        return None
    lines = [line for part in node.args if part.kind == "relation" and (line := interval(part)) is not None]
    lower = next((line for line in lines if line.args[1].value == "oo"), None)
    upper = next((line for line in lines if line.args[0].kind == "neg" and line.args[0].args[0].value == "oo"), None)
    if len(lines) != 2 or lower is None or upper is None:
        return None
    return Node("tuple", (lower.args[0], upper.args[1]), lower.value[0] + upper.value[1])


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
    if node.kind == "list":
        return variable(node.args[0])
    if node.kind != "relation":
        return None
    return next((part.value for part in node.args if is_variable(part)), None)


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
