r"""What a text boxes: the content of `\boxed{}`, with what stands around it and belongs to it.

Guarantees: pure text, linear time. A sign, a unit, a percent sign and a base beside the box are part of its answer; a
box that is itself part of something larger (`2\boxed{5}`, `\boxed{5}+C`, `at least \boxed{5}`) states nothing, and so
does one of which that is in doubt. Grain: one text.
"""

from __future__ import annotations

import re

from dast.boxsides import BOX, WINDOW, sign_before, with_unit

_TOKEN = re.compile(r"\\(?:boxed|fbox)\s*\{|\\boxed\s+(?P<bare>[^\s{}$\\]{1,40})|\\(?s:.)|[{}]")
_WHOLE_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{([^{}]*)\}")
_COMMAND = re.compile(r"\\(?:boxed|fbox)\s*(?=\{)")
_COMPOUND = re.compile(
    r"[=<>:;≤≥≠]|\\(?:pm|mp|ne|le|ge|lt|gt|in|cup|cap|q?quad)(?![a-z])|,(?!\d{3}(?!\d))|\b(?:or|and)\b"
)
"""Signs of more than one value: a sign in front of those is no sign of each."""
_SUM = re.compile(r"[-+−–‐‑－]")
_ELEMENT_BEFORE = re.compile(r"(?:[^A-Za-z.][A-Za-z]|[\d}□]|\\[a-z]+),\s*\Z")
_BRACKET_AFTER = re.compile(r"\s*(?:[)\]]|\\\})")
_BRACKET_BEFORE = re.compile(r"[(\[]\s*\Z")
_COMMA_AFTER = re.compile(r"\s*,")
_HEAD = re.compile(r"(?:\\[,;:! ]|\s)+")
_TAIL = re.compile(r"(?:[,;:! ]\\(?!\\)|[.,;:\s])+")
"""Of a text turned around."""
_OUTER = (
    ("$$", "$$"),
    ("$", "$"),
    (r"\(", r"\)"),
    (r"\[", r"\]"),
    ("**", "**"),
    ("`", "`"),
    ("“", "”"),
    ('"', '"'),
    ("'", "'"),
    ("«", "»"),
)


def boxes(text: str) -> list[str]:
    """The different boxed answers, each at its last place, and an empty one for boxes that state nothing."""
    if "boxed" not in text and "fbox" not in text:
        return []
    found: dict[str, None] = {}
    opened: list[tuple[int, int] | None] = []
    inside = last = 0
    for token in _TOKEN.finditer(text):
        mark = token.group()
        box = None
        if token.group("bare"):
            box = token.start(), token.start("bare"), token.end()
        elif mark == "}":
            start = opened.pop() if opened else None
            inside -= start is not None
            box = (*start, token.start()) if start is not None and not inside else None
        elif mark.endswith("{") and mark != r"\{":
            opened.append((token.start(), token.end()) if mark != "{" else None)
            inside += mark != "{"
        if box is not None and (mark == "}" or not inside):
            content = _in_context(text, last, box, token.end())
            last = token.end()
            found.pop(content, None)
            found[content] = None
    return list(found)


def _without_boxes(text: str) -> str:
    match = _WHOLE_BOX.fullmatch(text.strip())
    return _without_boxes(match.group(1)) if match else _COMMAND.sub("", text)


def _in_context(text: str, last: int, box: tuple[int, int, int], after: int) -> str:
    """A box's content with what belongs to it; nothing where the box is a part of something larger.

    Args:
        text: Holds the box.
        last: Where the box before ends, or 0.
        box: Where its command starts, and where its content starts and ends.
        after: Where the box ends.
    """
    begin, start, end = box
    content = unwrapped(_without_boxes(text[start:end]))
    low = max(last, begin - WINDOW)
    before = (BOX if last and low == last else "") + text[low:begin]
    behind = text[after : after + WINDOW]
    sign, whole = sign_before(before, low == last), with_unit(content, behind)
    if not content or sign is None or whole is None or _in_brackets(before, behind):
        return ""
    if not sign.startswith("-"):
        return whole if content.startswith(sign[-1:] or "\0") else sign + whole
    if _COMPOUND.search(content):
        return ""
    return f"{sign}({content}){whole[len(content) :]}" if _SUM.search(content) else sign + whole


def _in_brackets(before: str, after: str) -> bool:
    """Whether a box is an element of a tuple, or an end of an interval."""
    return bool(
        (_ELEMENT_BEFORE.search(before) and _BRACKET_AFTER.match(after))
        or (_BRACKET_BEFORE.search(before) and _COMMA_AFTER.match(after))
    )


def unwrapped(text: str) -> str:
    """Without the marks around an answer: spaces, dollar signs in pairs, emphasis, closing punctuation."""
    if text.strip().isalnum():
        return text.strip()
    for _ in range(4):
        before = text
        head, tail = _HEAD.match(text), _TAIL.match(text[::-1])
        text = text[head.end() if head else 0 :]
        text = text[: len(text) - (tail.end() if tail else 0)]
        for start, end in _OUTER:
            inner = text[len(start) : -len(end)]
            if len(text) > len(start) and text.startswith(start) and text.endswith(end) and start not in inner:
                text = inner
        if text == before:
            break
    return "" if text in ("$", "$$", "*", "**", "-", "?") else text
