r"""Expressions of an answer as a tree of `Node`s: numbers, fractions, roots, powers, functions.

Guarantees: bounded depth; ambiguous text is refused, never guessed (`1/2x`, `1\frac{5}{3}`); no evaluation.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable
from fractions import Fraction

from dast.equivalence.atoms import AtomReader
from dast.equivalence.matrices import entrywise
from dast.equivalence.nodes import Node, in_base
from dast.equivalence.spelling import Unreadable
from dast.equivalence.tokens import Token

_MAX_DEPTH = 25
_FUNCTION = re.compile(r"\\(?:(?:arc)?(?:sin|cos|tan)|cot|sec|csc|ln|log|exp)")
_GREEK = re.compile(r"\\(?:alpha|beta|gamma|delta|theta|lambda|mu|phi|omega)")
_ATOM_START = re.compile(
    rf"[({{]|\\(?:frac|sqrt|binom|pi|infty|begin\{{pmatrix\}})|{_FUNCTION.pattern}|{_GREEK.pattern}"
)
_INVERTED = ("sin", "cos", "tan")
_CONSTANTS = {r"\pi": "pi", r"\infty": "oo"}


_MINUS_ONE = Node("neg", (Node("number", number=Fraction(1)),))


class ExpressionReader(AtomReader):
    """Reads from a list of tokens; brackets and matrices are read by `container`, which a subclass gives."""

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self._depth = 0
        self._bar_closes = False

    @abstractmethod
    def container(self, opener: str) -> Node:
        """What a bracket or an environment holds, once its opening mark was read."""

    def _sum(self) -> Node:
        if self._take(r"\pm"):
            node = Node("plusminus", (Node("number"), self._product()))
        else:
            node = self._signed(self._product)
        while (sign := self.peek()) in ("+", "-", r"\pm"):
            self._at += 1
            right = self._product()
            if sign == r"\pm":
                node = Node("plusminus", (node, right))
            else:
                node = Node("add", (node, right if sign == "+" else Node("neg", (right,))))
        return node

    def _signed(self, read: Callable[[], Node]) -> Node:
        if self._take("-"):
            return entrywise("neg", read())
        self._take("+")
        return read()

    def _product(self) -> Node:
        node, slashed = self._power(), False
        while True:
            if (sign := self.peek()) in ("*", r"\cdot", r"\times"):
                self._at += 1
                node = entrywise("mul", node, self._signed(self._power))
            elif sign in ("/", r"\div"):
                self._at += 1
                node, slashed = entrywise("div", node, self._signed(self._power)), True
            elif self._starts_atom() or (sign == "|" and not self._bar_closes):
                if slashed:
                    raise Unreadable("a factor after a slash is ambiguous")
                if sign == "|" and _holds_bars(node):
                    raise Unreadable("several bars side by side are ambiguous")
                node = entrywise("mul", node, self._power())
            else:
                return node

    def _starts_atom(self) -> bool:
        token = self._token()
        if token is None:
            return False
        if token.kind == "number":
            raise Unreadable("a number beside a factor")
        return token.kind == "letter" or _ATOM_START.fullmatch(self.peek() or "") is not None

    def _power(self) -> Node:
        node = self._atom(mixed=True)
        while True:
            if self._take("!"):
                if self.peek() == "!":
                    raise Unreadable("a double factorial")
                node = Node("factorial", (node,))
            elif self._take("%"):
                if node.kind == "percent":
                    raise Unreadable("two percent signs")
                node = Node("percent", (node,))
            elif self._take("^"):
                node = self._raised(node)
            else:
                return node

    def _raised(self, node: Node) -> Node:
        if self._take(r"\circ"):
            return Node("degree", (node,))
        ahead = self._token(1)
        if self.peek() == "{" and ahead is not None and ahead.text == r"\circ":
            self._at += 2
            self._need("}")
            return Node("degree", (node,))
        exponents = [self._group()]
        while self._take("^"):
            exponents.append(self._group())
        exponent = exponents.pop()
        while exponents:
            exponent = Node("power", (exponents.pop(), exponent))
        return Node("power", (node, exponent))

    def _group(self) -> Node:
        """A braced expression, or the one atom that stands without braces."""
        if self._take("{"):
            node = self._sum()
            self._need("}")
            return node
        return self._signed(self._atom)

    def _argument(self) -> Node:
        r"""TeX's argument: a braced expression, or one digit or letter (`\frac12`)."""
        token = self._token()
        if token is not None and token.kind == "number" and len(token.text) > 1 and token.text.isdigit():
            self._tokens[self._at : self._at + 1] = [Token("number", digit) for digit in token.text]
        return self._group()

    def _atom(self, mixed: bool = False) -> Node:
        token = self._token()
        if token is None or token.kind in ("text", "word", "currency"):
            raise Unreadable("no expression")
        self._at += 1
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise Unreadable("nested too deep")
        if token.kind == "number":
            node = self._number(token.text, mixed)
        elif token.kind == "letter" or _GREEK.fullmatch(token.text):
            node = self._symbol(token.text)
        else:
            node = self._marked(token.text)
        self._depth -= 1
        return node

    def _marked(self, text: str) -> Node:
        if text in _CONSTANTS:
            return Node("constant", value=_CONSTANTS[text])
        if _FUNCTION.fullmatch(text):
            return self._function(text[1:])
        match text:
            case "{":
                self._at -= 1
                return self._group()
            case "|":
                return Node("absolute", (self._within_bars(),))
            case r"\frac" | r"\binom":
                return Node("div" if text == r"\frac" else "binomial", (self._argument(), self._argument()))
            case r"\sqrt":
                return self._root()
        node = self.container(text)
        if text == "(" and node.kind == "number" and self._take("_"):
            return in_base(str(node.number), self._group())
        return node

    def _within_bars(self) -> Node:
        """What stands between two bars: in there a bar after a factor closes, and opens no further factor."""
        outer, self._bar_closes = self._bar_closes, True
        node = self._sum()
        self._bar_closes = outer
        self._need("|")
        return node

    def _root(self) -> Node:
        index = Node("number", number=Fraction(2))
        if self._take("["):
            index = self._sum()
            self._need("]")
        return Node("root", (index, self._argument()))

    def _function(self, name: str) -> Node:
        power = base = None
        if name == "log" and self._take("_"):
            base = self._argument()
        if self._take("^"):
            power = self._group()
            if power == _MINUS_ONE and name in _INVERTED:
                name, power = f"arc{name}", None
            elif power.kind != "number" or power.number < 1:
                raise Unreadable("power of a function")
        node = Node("function", (self._function_argument(), *((base,) if base else ())), name)
        return Node("power", (node, power)) if power else node

    def _function_argument(self) -> Node:
        r"""What stands in brackets; without them, factors up to a sign or another function (`\sin 2x \cos x`)."""
        if (opener := self.peek()) in ("(", "{"):
            node = self._atom()
            if opener == "(" and self.peek() == "^":
                raise Unreadable("a power after a function's brackets is ambiguous")
            return node
        node = self._power()
        while (token := self._token()) is not None and (token.kind == "letter" or token.text in (r"\pi", r"\theta")):
            node = Node("mul", (node, self._power()))
        if self.peek() == "/":
            raise Unreadable("a slash after a function without brackets is ambiguous")
        if self.peek() == "|" and not self._bar_closes:
            raise Unreadable("a bar after a function without brackets is ambiguous")
        return node


def _holds_bars(factors: Node) -> bool:
    return factors.kind == "absolute" or (factors.kind == "mul" and any(_holds_bars(part) for part in factors.args))
