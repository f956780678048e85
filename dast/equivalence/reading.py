r"""Answer text as a tree: expressions in lists, tuples, intervals, sets, unions and relations, with units.

Guarantees: whatever the grammar does not hold raises `Unreadable`; a plus-minus sign becomes the list of both values.
"""

from __future__ import annotations

from dast.equivalence.branches import expanded
from dast.equivalence.expressions import ExpressionReader
from dast.equivalence.nodes import Node
from dast.equivalence.relations import named_first, symbols
from dast.equivalence.spelling import Unreadable, simplified
from dast.equivalence.tokens import Token, tokens_of
from dast.equivalence.units import is_known, unit_of

_MAX_TOKENS = 250
_CLOSERS = {"(": (")", "]"), "[": (")", "]"), r"\langle": (r"\rangle",)}
_RELATIONS = {"=": "=", "<": "<", ">": ">", r"\le": "<=", r"\ge": ">=", r"\ne": "!="}
_MONEY = {"\u00a4": "dollar", "€": "euro", "£": "sterling"}


def read(text: str) -> Node:
    """The tree of an answer.

    Raises:
        Unreadable: text outside the grammar.
    """
    tokens = tokens_of(simplified(text))
    if len(tokens) > _MAX_TOKENS:
        raise Unreadable("too long")
    money = [token for token in tokens if token.kind == "currency"]
    if len(money) > 1:
        raise Unreadable("several amounts of money")
    reader = _AnswerReader([token for token in tokens if token.kind != "currency"], priced=bool(money))
    node = expanded(reader.items())
    if (rest := reader.peek()) is not None:
        raise Unreadable(f"unexpected {rest or 'text'}")
    return _amount(node, _MONEY[money[0].text]) if money else node


class _AnswerReader(ExpressionReader):
    def __init__(self, tokens: list[Token], priced: bool) -> None:
        super().__init__(tokens)
        self._priced = priced

    def items(self, worded: bool = True) -> Node:
        """One element is itself, several are a list; `worded` lists may be parted by "and" and "or"."""
        found, words = [self._element()], set()
        while (word := self._separator(worded)) is not None:
            found.append(self._element())
            words.add(word)
        if len(found) == 1:
            return found[0]
        return Node("list", tuple(found), next((word for word in ("or", "and") if word in words), ""))

    def _separator(self, worded: bool) -> str | None:
        """A comma or semicolon, a word, or both in this order; two of a kind may hide an element that is missing."""
        found = None
        for marks in ((",", ";"), ("and", "or") if worded else ()):
            token = self._token()
            if token is not None and (said := token.text.strip().lower()) in marks:
                self._at += 1
                found = said
        return found

    def _element(self) -> Node:
        parts, signs = [self._name() or self._union()], []
        while (sign := self.peek()) in _RELATIONS:
            self._at += 1
            signs.append(_RELATIONS[sign or ""])
            parts.append(self._union())
        if signs:
            return _by_name(parts) if signs == ["="] else named_first(Node("relation", tuple(parts), " ".join(signs)))
        return Node("relation", (parts[0], self._union()), "in") if self._take(r"\in") else parts[0]

    def _union(self) -> Node:
        parts = [self._with_unit()]
        while self._take(r"\cup"):
            parts.append(self._with_unit())
        return parts[0] if len(parts) == 1 else Node("union", tuple(parts))

    def _name(self) -> Node | None:
        r"""What an equation says that it gives (`Total = 18`, `\angle ABC = 60`), as a symbol; None without one."""
        start, words = self._at, list[str]()
        if (applied := self._applied()) is not None:
            return applied
        angle = self._take(r"\angle")
        while (token := self._token()) is not None and (
            token.kind in ("text", "word") or (angle and token.kind == "letter")
        ):
            self._at += 1
            words.append(token.text)
        if words and self.peek() == "=":
            return Node("symbol", value=" ".join(["angle", *words]) if angle else unit_of(" ".join(words)))
        self._at = start
        return None

    def _applied(self) -> Node | None:
        """A function's value on the left of an equation (`f(x+1) = ...`): a name, and never a product."""
        first, depth, ahead = self._token(), 0, 1
        if first is None or first.kind != "letter" or (opener := self._token(1)) is None or opener.text != "(":
            return None
        said = [first.text]
        while (token := self._token(ahead)) is not None:
            said.append(token.text)
            depth += (token.text == "(") - (token.text == ")")
            ahead += 1
            if depth == 0:
                break
        after = self._token(ahead)
        if depth or after is None or after.text != "=":
            return None
        self._at += ahead
        return Node("symbol", value="".join(said))

    def _with_unit(self) -> Node:
        node = self._sum()
        phrase, plain = self._phrase()
        if not phrase:
            if node.kind == "neg" and node.args[0].kind == "degree":
                return Node("unit", (Node("neg", node.args[0].args),), "degree")
            if node.kind == "neg" and node.args[0].kind == "percent":
                return Node("percent", (Node("neg", node.args[0].args),))
            return Node("unit", node.args, "degree") if node.kind == "degree" else node
        # Beside a sum of money "each" says what the price is for; elsewhere it may hide a second amount.
        unit = "each" if self._priced and phrase.lower() == "each" else unit_of(phrase, plain=plain)
        if node.kind in ("tuple", "set", "list") or symbols(node) - {"e", "i"}:
            raise Unreadable("words after what is no amount")
        if node.kind != "degree":
            return Node("unit", (node,), unit)
        if unit not in ("celsius", "fahrenheit"):
            raise Unreadable("words after degrees")
        return Node("unit", node.args, f"degree {unit}")

    def _phrase(self) -> tuple[str, bool]:
        """The words that follow a value, and whether they stand without a command for text."""
        words: list[str] = []
        plain = False
        while (token := self._token()) is not None:
            said = token.text.strip()
            if token.kind in ("text", "word") and said.lower() not in ("and", "or"):
                if token.kind == "word" and not words and not token.spaced and not is_known(said):
                    raise Unreadable("letters glued to a number")
                plain = plain or token.kind == "word"
                words.append(said)
            elif words[-1:] == ["per"] and _is_short(token):
                words.append(said)
            elif words and said == "/" and (ahead := self._token(1)) is not None:
                if ahead.kind not in ("text", "word") and not _is_short(ahead):
                    break
                words.append("per")
            elif words and said == "^":
                self._at += 1
                words[-1] += f"^{_whole(self._group())}"
                continue
            else:
                break
            self._at += 1
        return " ".join(words), plain

    def container(self, opener: str) -> Node:
        """See the base class."""
        if opener == r"\begin{pmatrix}":
            return self._matrix()
        if opener == r"\emptyset":
            return Node("set")
        if opener == r"\{":
            return self._set()
        if opener not in _CLOSERS:
            raise Unreadable(f"unexpected {opener}")
        inner = self.items(worded=False)
        closer = self.peek()
        if closer is None or closer not in _CLOSERS[opener]:
            raise Unreadable("unbalanced brackets")
        self._at += 1
        if inner.kind == "matrix":
            return inner
        if opener == "(" and closer == ")" and inner.kind != "list":
            if inner.kind in ("relation", "unit", "union"):
                raise Unreadable(f"{inner.kind} in brackets")
            return inner
        return Node("tuple", inner.args if inner.kind == "list" else (inner,), f"{opener}{closer}")

    def _set(self) -> Node:
        if self._take(r"\}"):
            return Node("set")
        # A bar after a factor may mean "such that" here.
        outer, self._bar_closes = self._bar_closes, True
        inner = expanded(self.items())
        self._bar_closes = outer
        self._need(r"\}")
        return Node("set", inner.args if inner.kind == "list" else (inner,))

    def _matrix(self) -> Node:
        rows: list[Node] = []
        row = [self._sum()]
        while self.peek() in ("&", r"\\"):
            if self._take("&"):
                row.append(self._sum())
                continue
            self._need(r"\\")
            rows.append(Node("row", tuple(row)))
            row = [] if self.peek() == r"\end{pmatrix}" else [self._sum()]
        self._need(r"\end{pmatrix}")
        rows += [Node("row", tuple(row))] if row else []
        if len({len(found.args) for found in rows}) != 1:
            raise Unreadable("rows of different lengths")
        return Node("matrix", tuple(rows))


def _by_name(parts: list[Node]) -> Node:
    """`(x,y) = (2,3)` as what it says of each variable; any other equation as it is."""
    left, right = parts
    if left.kind == right.kind == "tuple" and len(left.args) == len(right.args):
        if len({part.value for part in left.args}) < len(left.args) or any(part.kind != "symbol" for part in left.args):
            raise Unreadable("coordinates without names of their own")
        pairs = zip(left.args, right.args, strict=True)
        return Node("list", tuple(Node("relation", pair, "=") for pair in pairs), "and")
    return named_first(Node("relation", tuple(parts), "="))


def _amount(node: Node, currency: str) -> Node:
    """An amount of money; what follows it may only name the currency again, or what the price is for (`per hour`)."""
    if node.kind != "unit":
        return Node("unit", (node,), currency)
    if node.value == currency:
        return node
    if node.value != "each" and not node.value.startswith("per "):
        raise Unreadable("two units")
    return Node("unit", node.args, f"{currency} {node.value}")


def _is_short(token: Token) -> bool:
    """Hours and seconds, which are single letters below another unit (`km/h`)."""
    return token.kind == "letter" and token.text in ("h", "s")


def _whole(node: Node) -> int:
    sign, bare = (-1, node.args[0]) if node.kind == "neg" else (1, node)
    if bare.kind != "number" or bare.number.denominator != 1:
        raise Unreadable("power of a unit")
    return sign * int(bare.number)
