r"""Numbers and names, the leaves of an expression: mixed numbers, numbers in a base, subscripts, values of functions.

Guarantees: bounded digits; `2\frac{1}{3}` is a mixed number and `2\frac{5}{3}` is refused. Grain: one leaf.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction

from dast.equivalence.nodes import Node, in_base, mixed_number
from dast.equivalence.spelling import Unreadable
from dast.equivalence.tokens import Cursor, Token

_MAX_DIGITS = 400
_APPLIED = frozenset("fghFGHP")


class AtomReader(Cursor, ABC):
    """Reads leaves; what may stand in their subscripts and fractions is read by a subclass."""

    @abstractmethod
    def _group(self) -> Node:
        """A braced expression, or the one atom that stands without braces."""

    @abstractmethod
    def _atom(self, mixed: bool = False) -> Node:
        """A leaf or what brackets hold; `mixed` when the fraction of a mixed number may follow."""

    def _number(self, text: str, mixed: bool) -> Node:
        if len(text) > _MAX_DIGITS:
            raise Unreadable("too many digits")
        if self._take("_"):
            below = self._group()
            return in_base(text, below)
        node = Node("number", number=Fraction(text))
        return self._mixed(node) if mixed and text.isdigit() else node

    def _mixed(self, whole: Node) -> Node:
        r"""A whole number with what may be the fraction of a mixed number (`2\frac{1}{3}`, `2 1/3`)."""
        ahead = [self._token(place) for place in range(3)]
        above, slash, below = [token or Token("mark", "") for token in ahead]
        if slash.text == "/" and above.kind == below.kind == "number" and above.spaced:
            self._at += 3
            return mixed_number(whole, Fraction(above.text), Fraction(below.text))
        if self.peek() != r"\frac":
            return whole
        fraction = self._atom()
        if any(part.kind != "number" for part in fraction.args):
            return Node("mul", (whole, fraction))
        return mixed_number(whole, fraction.args[0].number, fraction.args[1].number)

    def _symbol(self, name: str) -> Node:
        argument = self._token(1)
        closed = self._token(2)
        if name[0] in _APPLIED and self.peek() == "(" and argument and closed and closed.text == ")":
            # A function's value at a point is no product: f(1) = 2 says nothing of f(2).
            self._at += 3
            return Node("symbol", value=f"{name}({argument.text})")
        if self._take("_"):
            below = self._group()
            if below.kind not in ("number", "symbol"):
                raise Unreadable("subscript")
            return Node("symbol", value=f"{name}_{below.value or below.number}")
        return Node("symbol", value=name)
