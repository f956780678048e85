"""Final answers, read from text by rules: the reference's, and what a response states.

Guarantees: pure text, linear time, no sympy; nothing is ever evaluated. A rule that finds its mark decides, so a stated
final answer beats a later stray number, and an empty statement is no answer. Grain: one text, one answer or none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from dast.errors import DataError
from dast.params.sections import ExtractionRule
from dast.params.sources import AnswerRule

_BOX_TOKEN = re.compile(r"\\(?:boxed|fbox)\s*\{|\\boxed\s+(?P<bare>[^\s{}$\\]{1,40})|\\(?s:.)|[{}]")
_WHOLE_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{([^{}]*)\}")
_BOX_COMMAND = re.compile(r"\\(?:boxed|fbox)\s*(?=\{)")
_COLON = re.compile(
    r"(?:^|(?<=[.!?>]\s))[ \t>*#_]{0,12}(?:A|(?i:(?:the[ \t]+)?(?:final[ \t]+)?answer))[ \t]{0,12}[*_]{0,4}[ \t]{0,12}"
    r"[:：](?:[*_]{1,4}(?=\s))?",
    re.MULTILINE,
)
_ANSWER_IS = re.compile(r"\banswer\b[^.\n:=]{0,60}?(?:\bis\b|=|:)[ \t]{0,12}:?(?:[*_]{1,4}(?=\s))?", re.IGNORECASE)
_SENTENCE_END = re.compile(
    r"[.!?][*_]*\s+(?=[A-Z\"'(])|,?\s+(?:because|since|which|where|so|hence|therefore)\b|[。！？]"
    r"|\s*\((?:since|because|as|i\.e|from|rounded|check)\b"
)
_SPECIAL_TOKEN = re.compile(r"<\|[^|<>]{1,40}\|>|<｜[^｜<>]{1,40}｜>|</s>|<(?:eos|pad|end_of_turn|start_of_turn)>")
_THOUGHT_END = "</think>"
_EXCLAMATION = re.compile(r"(?<=[\w*])!+\Z")
_OUTER = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("`", "`"), ("“", "”"), ('"', '"'))
_NUMBER = re.compile(
    r"(?:(?<![\w.)\]}])(?<![\d)\]}] )[-\u2212]\s?)?\$?(?:\\[dtc]?frac\{[-\d]{1,40}\}\{\d{1,40}\}"
    r"|\d{1,9}(?:\s?\\[dtc]?frac\{\d{1,9}\}\{\d{1,9}\}|\s\d{1,9}/\d{1,9})"
    r"|(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:/\d+)?|\.\d+)(?:\s?\\?%)?"
)
_PART_BEFORE = re.compile(r"(?:[\^_/\\{√±]|\d:|\\[a-z]+)\s*-?\s*\Z|[A-Za-z]-?\Z")
_PART_AFTER = re.compile(
    r"(?:[A-Za-z]|\s+[b-hj-zB-HJ-Z])(?![A-Za-z])|\s*(?:[\^!/_\\{}]|:\d"
    r"|(?:dozens?|hundreds?|thousands?|[mbtr]+illions?|percent|halves|thirds|quarters)\b)"
)
_LONGEST_CONTEXT = 80
_MISSING: Mapping[AnswerRule, str] = {
    "hash": "no text after a last `####`",
    "boxed": r"no balanced \boxed{} with text",
    "whole": "an empty text",
}


def reference_answer(text: str, rule: AnswerRule) -> str:
    """The answer that a source's column holds.

    Raises:
        DataError: the column states none.
    """
    found = _unwrapped(text) if rule == "whole" else _RULES[rule](text)
    if not found:
        raise DataError(f"no reference answer: {_MISSING[rule]} in {_shown(text)}")
    return found


def predicted_answer(response: str, rules: Sequence[ExtractionRule]) -> str | None:
    """The final answer that a response states, by the first rule whose mark it holds; None when that states nothing."""
    text = _said(response)
    for rule in rules:
        found = _RULES[rule](text)
        if found is not None:
            return found or None
    return None


def predicted_before_cut(response: str, rules: Sequence[ExtractionRule]) -> str | None:
    """As `predicted_answer`, for a response that ran out of tokens.

    A number at the cut may miss its last digits (`A: 1` of `A: 18`), so only a closed box or a finished line or
    sentence counts, and the last number of all never does.
    """
    response = _said(response)
    whole = response[: max(response.rfind("\n"), response.rfind(". ")) + 1]
    for rule in rules:
        if rule == "last_number":
            continue
        found = predicted_answer(response if rule == "boxed" else whole, [rule])
        if found is not None:
            return found
    return None


def _said(response: str) -> str:
    """What is said to the reader: without special tokens, and after the thoughts where they are marked as such."""
    return _SPECIAL_TOKEN.sub("", response).rpartition(_THOUGHT_END)[2]


def stated(answer: str, rules: Sequence[ExtractionRule]) -> str:
    """A response that states an answer in the way that the first rule looks for."""
    return _STATED[rules[0]].replace("@", answer) if rules else answer


def boxed_answers(text: str) -> list[str]:
    r"""Every different text of a balanced `\boxed{}`, the last one last; a box inside a box is part of it."""
    return _boxes(_said(text))


def _boxes(text: str) -> list[str]:
    if "boxed" not in text and "fbox" not in text:
        return []
    found: dict[str, None] = {}
    opened: list[int | None] = []
    inside = 0
    for token in _BOX_TOKEN.finditer(text):
        mark = token.group()
        content = None
        if token.group("bare"):
            content = _unwrapped(token.group("bare"))
        elif mark == "}":
            start = opened.pop() if opened else None
            inside -= start is not None
            if start is not None and not inside:
                content = _unwrapped(_without_boxes(text[start : token.start()]))
        elif mark.endswith("{") and mark != r"\{":
            opened.append(token.end() if mark != "{" else None)
            inside += mark != "{"
        if content is not None:
            found.pop(content, None)
            found[content] = None
    return list(found)


def _without_boxes(text: str) -> str:
    match = _WHOLE_BOX.fullmatch(text.strip())
    return _without_boxes(match.group(1)) if match else _BOX_COMMAND.sub("", text)


def _boxed(text: str) -> str | None:
    return next(reversed(_boxes(text)), None)


def _hash(text: str) -> str | None:
    start = text.rfind("####")
    return None if start < 0 else _statement(text[start + 4 :].lstrip("#"))


def _after_last(pattern: re.Pattern[str]) -> Callable[[str], str | None]:
    def find(text: str) -> str | None:
        end = None
        for match in pattern.finditer(text):
            end = match.end()
        return None if end is None else _statement(text[end:])

    return find


def _last_number(text: str) -> str | None:
    last = None
    for match in _NUMBER.finditer(text):
        last = match
    if last is None:
        return None
    before, after = text[max(0, last.start() - _LONGEST_CONTEXT) : last.start()], text[last.end() :][:_LONGEST_CONTEXT]
    # A number that is part of something larger (x^2, 5\pi, 3 million) is not what the response ends in.
    if _PART_BEFORE.search(before) or _PART_AFTER.match(after):
        return ""
    found = last.group().strip()
    return found.removeprefix("$") if "frac" in found else found


def _statement(after: str) -> str:
    """The rest of the line (the next one that is not empty), up to the end of its sentence."""
    lines = [line.strip() for line in after[:4000].split("\n")]
    said = [line for line in lines if line and line not in ("$$", r"\[", r"\]", "**")]
    if not said:
        return ""
    line = said[0]
    boxed = _boxed(line)
    if boxed is not None:
        return boxed
    # Minerva's own closing sentence: "Final Answer: The final answer is $42$. I hope it is correct."
    for match in _ANSWER_IS.finditer(line):
        line = said[0][match.end() :].strip()
    end = _SENTENCE_END.search(line, 1)
    line = line[: end.start()] if end else line
    # Outside mathematics "5!" at the end of a sentence is a number and an exclamation mark.
    return _unwrapped(line if {"$", "\\"} & set(line) else _EXCLAMATION.sub("", line))


def _unwrapped(text: str) -> str:
    """Without the marks around an answer: spaces, dollar signs in pairs, emphasis, closing punctuation."""
    text = text.strip()
    if text.isalnum():
        return text
    for _ in range(4):
        before = text
        text = text.rstrip(".,;: \n\t").strip()
        for start, end in _OUTER:
            inner = text[len(start) : -len(end)]
            if len(text) > len(start) and text.startswith(start) and text.endswith(end) and start not in inner:
                text = inner.strip()
        if text == before:
            break
    return "" if text in ("$", "$$", "*", "**", "-", "?") else text


def _shown(text: str) -> str:
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= 80 else f"…{flat[-79:]}")


_STATED: Mapping[str, str] = {
    "boxed": r"\boxed{@}",
    "hash": "#### @",
    "answer_colon": "Answer: @",
    "answer_is": "The answer is @",
    "last_number": "@",
}

_RULES: Mapping[str, Callable[[str], str | None]] = {
    "boxed": _boxed,
    "hash": _hash,
    "answer_colon": _after_last(_COLON),
    "answer_is": _after_last(_ANSWER_IS),
    "last_number": _last_number,
}
