"""Where a text states an answer: in a box, after a mark, or as its last number.

Guarantees: pure text, linear time; what a text denies (`the answer isn't 7`) or only thinks (`<think>`) is not stated.
Each reader gives None where its mark is missing, and an empty text where it states nothing. Grain: one text.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_BOX_TOKEN = re.compile(r"\\(?:boxed|fbox)\s*\{|\\boxed\s+(?P<bare>[^\s{}$\\]{1,40})|\\(?s:.)|[{}]")
_WHOLE_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{([^{}]*)\}")
_BOX_BEFORE = re.compile(
    r"(?:(?P<no>\bnot|n['’]t(?:\s+be)?|cannot\s+be|[<>≤≥≠]|\\(?:l|g)eq?|\\ne)|(?:^|[$=(:])\s*(?P<minus>-))\s*\$?\s*"
    r"\\(?:boxed|fbox)\s*\{\Z"
)
_BOX_AFTER = re.compile(r"\s*(?:\\(?:pi|sqrt|cdot|times|frac)|[\^!*/])")
_BOX_COMMAND = re.compile(r"\\(?:boxed|fbox)\s*(?=\{)")
_COLON = re.compile(
    r"(?:^|(?<=[.!?>]\s))[ \t>*#_]{0,12}"
    r"(?:A(?![ \t]*:[^\n]{0,200}\n\s*B[.:)])|(?i:(?:the[ \t]+)?(?:final[ \t]+)?answer))[ \t]{0,12}[*_]{0,4}[ \t]{0,12}"
    r"[:：](?:[*_]{1,4}(?=\s))?",
    re.MULTILINE,
)
_ANSWER_IS = re.compile(
    r"\banswers?\b(?!\s+was\b)[^.\n:=]{0,60}?(?:\b(?:is|are|(?P<never>can(?:not|['’]t)\s+be))(?P<denied>n['’]t)?\b|=|:)"
    r"[ \t]{0,12}:?(?:[*_]{1,4}(?=\s))?",
    re.IGNORECASE,
)
_COPULA = re.compile(
    r"(?:the|there|it|that|this|he|she|they|we|so)\b[^.\n]{0,80}?\b(?:is|are|was|were|equals)\s+", re.IGNORECASE
)
_BULLET = re.compile(r"(?:[-*•]|\d{1,2}[.)])\s+")
_SENTENCE_END = re.compile(
    r"[.!?][*_]*\s+(?=[A-Z\"'(])|,?\s+(?:because|since|which|where|so|hence|therefore)\b|[。！？]"
    r"|\s*\((?:since|because|as|i\.e|from|rounded|check)\b"
)
_SPECIAL_TOKEN = re.compile(r"<\|[^|<>]{1,40}\|>|<｜[^｜<>]{1,40}｜>|</s>|<(?:eos|pad|end_of_turn|start_of_turn)>")
_END_TOKEN = re.compile(r"(?<=\S)\s*(?:<\|(?:endoftext|im_end|eot_id|end_of_text)\|>|</s>|<eos>|<｜end▁of▁sentence｜>)")
_THOUGHTS = re.compile(r"</think(?:ing)?>"), re.compile(r"<think(?:ing)?>")
_NEXT_QUERY = re.compile(r"\n\s*(?:Question|Problem|Q|Human|User)\s*:")
_STATED = re.compile(
    r"####\s*\S|\\boxed|\banswer\s+is\b|^\s*(?:A|(?:final\s+)?answer)\s*:", re.IGNORECASE | re.MULTILINE
)
_PROSE = re.compile(r"[A-Za-z]{2,}[a-z,']*(?:\s+\S+){2,}")
_EXCLAMATION = re.compile(r"(?<=[\w*])!+\Z")
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
_NUMBER = re.compile(
    r"(?:(?<![\w.)\]}])(?<![\d)\]}] )[-\u2010-\u2015\u2212\uff0d]\s?)?(?:\\?\$)?"
    r"(?:\\[dtc]?frac\{[-\d]{1,40}\}\{\d{1,40}\}"
    r"|\d{1,9}(?:\s?\\[dtc]?frac\{\d{1,9}\}\{\d{1,9}\}|\s\d{1,9}/\d{1,9})"
    r"|(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:/\d+)?|(?<!\d)\.\d+)(?:\s?\\?%)?"
)
_PART_BEFORE = re.compile(
    r"(?:\d[.,']|[\^_/\\{√±<>≤≥≠(]|\d\s*:|\*\*|\\[a-z]+|\d\\,|\{,\}|!=|\b(?:log|ln|sin|cos|tan))\s*-?\s*\Z"
    r"|[A-Za-z]-?\Z|\b(?:not(?: equal to)?|at least|at most|more than|less than|minus|negative|over|under|base)\s+\$?\Z"
    r"|\d\s+and\s+\Z"
)
_PART_AFTER = re.compile(
    r"(?:[A-Za-z]|\s+[b-hj-zB-HJ-Z])(?![A-Za-z])|\s*(?:[\^!/_\\{}×π√½¼¾²³¹⁰⁴-⁹₀-₉]|:\s*\d|\s:|\*\*"
    r"|(?:dozens?|hundreds?|thousands?|lakhs?|crores?|bn|mn|tn|[mbtr]+illions?|percent|squared|cubed|halves|thirds"
    r"|quarters|(?:four|fif|six|seven|eigh|nin|ten)ths)\b)|\s+(?:and\s+(?:a|one|\d)|in\s+base)\b"
)
_HEADING = re.compile(
    r"[ \t]*(?:(?:Step\s+)?\d+[.:)]?[ \t]+)?[A-Z][A-Za-z]+(?:[ \t]+[A-Za-z]+){0,4}[ \t]*:?[ \t]*\n\s*\S"
)
_LONGEST_CONTEXT = 80


def said(response: str) -> str:
    """What is said to the reader: without special tokens, and after the thoughts where they are marked as such."""
    end = _END_TOKEN.search(response)
    text = _SPECIAL_TOKEN.sub("", response[: end.start()] if end else response)
    closed, opened = _THOUGHTS
    for match in closed.finditer(text):
        start = match.end()
    text = text[start:] if closed.search(text) else text
    begun = opened.search(text)
    return _first_reply(text[: begun.start()] if begun else text)


def _first_reply(text: str) -> str:
    """Without the further questions and answers that a base model goes on to write."""
    stated = _STATED.search(text)
    following = _NEXT_QUERY.search(text, stated.end()) if stated else None
    return text[: following.start()] if following else text


def boxed_answers(text: str) -> list[str]:
    r"""Every different text of a balanced `\boxed{}`, the last one last; a box inside a box is part of it."""
    return _boxes(said(text))


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
            content = unwrapped(token.group("bare"))
        elif mark == "}":
            start = opened.pop() if opened else None
            inside -= start is not None
            if start is not None and not inside:
                content = _in_context(text, start, token)
        elif mark.endswith("{") and mark != r"\{":
            opened.append(token.end() if mark != "{" else None)
            inside += mark != "{"
        if content is not None:
            found.pop(content, None)
            found[content] = None
    return list(found)


def _in_context(text: str, start: int, end: re.Match[str]) -> str:
    """A box's content with a sign in front of it; nothing where the text around denies, bounds or goes on with it."""
    content = unwrapped(_without_boxes(text[start : end.start()]))
    before = _BOX_BEFORE.search(text, max(0, start - _LONGEST_CONTEXT), start)
    if (before and before["no"]) or _BOX_AFTER.match(text, end.end()):
        return ""
    return f"-{content}" if before and before["minus"] and not content.startswith("-") else content


def _without_boxes(text: str) -> str:
    match = _WHOLE_BOX.fullmatch(text.strip())
    return _without_boxes(match.group(1)) if match else _BOX_COMMAND.sub("", text)


def boxed(text: str) -> str | None:
    r"""The last balanced `\boxed{}`."""
    return next(reversed(_boxes(text)), None)


def after_hash(text: str) -> str | None:
    """After the last `####`."""
    start = text.rfind("####")
    rest = text[start + 4 :].lstrip("#")
    return None if start < 0 or _is_reasoning(rest) or _HEADING.match(rest) else _statement(rest)


def _after_last(pattern: re.Pattern[str]) -> Callable[[str], str | None]:
    def find(text: str) -> str | None:
        end, denied = None, False
        for match in pattern.finditer(text):
            end, denied = match.end(), any(match.groupdict().values())
        if end is None or (pattern is _COLON and _is_reasoning(text[end:])):
            return None
        return f"{'not ' if denied else ''}{_statement(text[end:])}".strip()

    return find


def last_number(text: str) -> str | None:
    """The last number, unless it is part of something larger."""
    last = None
    for match in _NUMBER.finditer(text):
        last = match
    if last is None:
        return None
    before, after = text[max(0, last.start() - _LONGEST_CONTEXT) : last.start()], text[last.end() :][:_LONGEST_CONTEXT]
    # A number that is part of something larger (x^2, 5\pi, 3 million, 1 000) is not what the response ends in.
    grouped = re.fullmatch(r"\d{3}", last.group()) and re.search(r"\d \Z", before)
    if grouped or re.fullmatch(r"0\d+", last.group()) or _PART_BEFORE.search(before) or _PART_AFTER.match(after):
        return ""
    found = last.group().strip().replace("\\$", "$")
    return found.removeprefix("$") if "frac" in found else found


def _is_reasoning(after: str) -> bool:
    """Whether a mark is followed by sentences rather than by an answer: few-shot examples begin with `A:`, too."""
    first, _, more = after[:4000].strip().partition("\n")
    if not _PROSE.match(first.lstrip("*_ ")) or _ANSWER_IS.search(first):
        return False
    end = _SENTENCE_END.search(first, 1)
    return bool(more.strip()) or bool(end and len(first[end.end() :].split()) > 1)


def _statement(after: str) -> str:
    """The rest of the line (the next one that is not empty), up to the end of its sentence."""
    lines = [line.strip() for line in after[:4000].split("\n")]
    line = next((line for line in lines if line and line not in ("$$", r"\[", r"\]", "**")), "")
    line = line if lines[0] else _BULLET.sub("", line, count=1)
    box = boxed(line)
    if box is not None:
        return box
    line = _after_marks(line)
    end = _SENTENCE_END.search(line, 1)
    line = line[: end.start()] if end else line
    # Outside mathematics "5!" at the end of a sentence is a number and an exclamation mark.
    return unwrapped(line if {"$", "\\"} & set(line) else _EXCLAMATION.sub("", line))


def _after_marks(line: str) -> str:
    """What follows "the answer is" (Minerva says it after its mark, too) and then "the total is"."""
    marks = list(_ANSWER_IS.finditer(line))
    line = line[marks[-1].end() :].strip() if marks else line
    copula = _COPULA.match(line)
    return line[copula.end() :].strip() if copula else line


def unwrapped(text: str) -> str:
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


after_colon = _after_last(_COLON)
"""After the last `A:` or `Final answer:` that starts a line or sentence."""
after_answer_is = _after_last(_ANSWER_IS)
"""After the last "answer is"."""
