"""Where a text states an answer: in a box, after a mark, or as its last number.

Guarantees: pure text, linear time; what a text denies (`the answer isn't 7`) or only thinks (`<think>`) is not stated.
Each reader gives None where its mark is missing, and an empty text where it states nothing. Grain: one text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from dast.boxes import boxes, unwrapped

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
_NOT_SAID = re.compile(
    r"(?:\b(?:suppose|assum\w+|whether|doubts?|doubtful|false\s+that|(?:not|never)\s+(?:true|clear|sure|certain|say|think|believe|the))"
    r"|n['’]t\s+(?:\w+ly\s+)?(?:think|believe|say|sure|true|clear|certain|know|mean|the))\b"
    r"(?!.*(?:;|\b(?:so|then|thus|hence|therefore|but)\b))"
    r"|\b(?:wrong|incorrect|mistaken|if|unless)\b(?!.*(?:[,;:]|\b(?:so|then|thus|hence|therefore|but)\b))",
    re.IGNORECASE,
)
_BEFORE_SENTENCE = re.compile(r".*(?:[.!?。]\s|\n)", re.DOTALL)
"""Up to the sentence in which a text ends."""
_MOST_MARKS = 50
_BULLET = re.compile(r"(?:[-*•]|\d{1,2}[.)])\s+")
_SENTENCE_END = re.compile(
    r"[.!?][*_]*\s+(?=[A-Z\"'(])|,?\s+(?:because|since|which|where|so|hence|therefore)\b|[。！？]"
    r"|\s*\((?:since|because|as|i\.e|from|rounded|check)\b"
)
_SPECIAL_TOKEN = re.compile(r"<\|[^|<>]{1,40}\|>|<｜[^｜<>]{1,40}｜>|</s>|<(?:eos|pad|end_of_turn|start_of_turn)>")
_END_TOKEN = re.compile(r"(?<=\S)\s*(?:<\|(?:endoftext|im_end|eot_id|end_of_text)\|>|</s>|<eos>|<｜end▁of▁sentence｜>)")
_BARE_MARKS = ("$$", r"\[", r"\]", "**")
_NAMED = re.compile(r"[$*\s]*(?:\\[(\[]\s*)?[A-Za-z]\w{0,20}(?:_\{?\w{1,9}\}?)?\s*&?=(?!=)")
_UNFINISHED = re.compile(r"(?:[,，、;]|\b(?:or|and)\}?)(?:[\s$*]|\\[\])\\])*\Z")
_GOES_ON = re.compile(
    r"[$*\s]*(?:\\text\{\s*)?(?:or|and)\b(?!\s+(?:that|this|these|it|we|the|so|hence|thus|therefore|I|he|she|they)\b)"
)
_TERM = re.compile(r"(?:/|[+±·×÷]|[-−–](?![-−–]))\s*(?:\d|\$|\\|\(|\.\d|[A-Za-z](?![A-Za-z]))")
_QUOTE_END = re.compile(r"""[.!?,](?:"|'|”|’)\Z|”\Z""")
_THOUGHTS = re.compile(r"</think(?:ing)?>"), re.compile(r"<think(?:ing)?>")
_NEXT_QUERY = re.compile(r"\n[ \t>#*]*(?:Question|Problem|Q|Human|User)\s*:")
_STATED = re.compile(
    r"####\s*\S|\\boxed|\banswer\s+is\b|^[ \t]*(?:A|(?:final\s+)?answer)\s*:", re.IGNORECASE | re.MULTILINE
)
_PROSE = re.compile(r"[A-Za-z]{2,}[a-z,']*(?:\s+\S+){2,}")
_EXCLAMATION = re.compile(r"(?<=[\w*])!+\Z")
_NUMBER = re.compile(
    r"(?:(?<![\w.)\]}])(?<![\d)\]}] )[-\u2010-\u2015\u2212\uff0d]\s?)?(?:\\?\$)?"
    r"(?:\\[dtc]?frac\{[-\d]{1,40}\}\{\d{1,40}\}"
    r"|\d{1,9}(?:\s?\\[dtc]?frac\{\d{1,9}\}\{\d{1,9}\}|\s\d{1,9}/\d{1,9})"
    r"|(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:/\d+)?|(?<!\d)\.\d+)(?:\s?\\?%)?"
)
_UNITS = (
    r"(?:feet|foot|ft|yards?|miles?|inch(?:es)?|(?:centi|kilo|milli)?met(?:er|re)s?|[ck]?m|kg|(?:kilo)?grams?|g|hours?|hrs?"
    r"|h|minutes?|mins?|seconds?|days?|weeks?|months?|years?|pounds?|lbs?|ounces?|oz|dollars?|dozens?|hundred|thousand"
    r"|gallons?|quarts?|pints?|cups?|lit(?:er|re)s?)"
)
_PART_BEFORE = re.compile(
    r"(?:\d[.,']|[\^_/\\{√±<>≤≥≠≈~(+·⋅×÷&]|\d\s*:|\*\*|(?<!\n)(?<!\n )(?<!\A)\*|\\[a-z]+|\d\\,|\{,\}|!="
    r"|\b(?:log|ln|sin|cos|tan|sqrt|root))\s*-?\s*\Z|[A-Za-z]-?\Z"
    r"|(?:\b(?:(?:not|never|cannot)(?:\s+be)?(?:\s+equal\s+to)?|equal\s+to\s+or|at\s+least|at\s+most|minus|negative|over|under"
    r"|base|mod|modulo|(?:more|less|greater|fewer|larger|smaller|higher|lower|bigger|other)\s+than|up\s+to|about|around|approximately"
    r"|approx\.?|roughly|nearly|almost)|n['’]t(?:\s+be)?(?:\s+equal\s+to)?)\s+\$?\Z"
    r"|(?:\d\s+and|\bor)\s+(?:[A-Za-z]\s*=\s*)?\$?\Z"
    rf"|\d\s*{_UNITS},?\s+(?:and\s+)?\Z"
)
_PART_AFTER = re.compile(
    r"(?!(?:cm|mm|km|kg|mg|m[lL]|ft|lbs?|oz|hrs?|mph|mins?|secs?)\b)(?:[A-Za-z]|\s+[b-hj-zB-HJ-Z](?![A-Za-z]))"
    r"|\s*(?:[\^!/_\\{}×π√½¼¾²³¹⁰⁴-⁹₀-₉+·⋅÷&±]|:\s*\d|\s:|\*|[-−–]\s*(?:[\d\\(]|[A-Za-z](?![A-Za-z]))"
    r"|(?:dozens?|hundreds?|thousands?|lakhs?|crores?|bn|mn|tn|[mbtr]+illions?|percent|squared|cubed|halves|thirds"
    r"|quarters|(?:four|fif|six|seven|eigh|nin|ten)ths|pi|sqrt|sin|cos|tan|ln|log|mod|repeating|recurring)\b)"
    rf"|\s+(?:and\s+(?:a|one|\d)|in\s+base|or\s+(?:more|less|fewer|greater|so|\d))\b|\s*{_UNITS}\s+(?:and\s+)?\d"
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
    return boxes(said(text))


def boxed(text: str) -> str | None:
    r"""The last balanced `\boxed{}`."""
    return next(reversed(boxes(text)), None)


def after_hash(text: str) -> str | None:
    """After the last `####`."""
    start = text.rfind("####")
    rest = text[start + 4 :].lstrip("#")
    return None if start < 0 or _is_reasoning(rest) or _HEADING.match(rest) else _statement(rest)


def _after_last(pattern: re.Pattern[str]) -> Callable[[str], str | None]:
    def find(text: str) -> str | None:
        marks = list(pattern.finditer(text))
        # A text that only doubts or assumes its answers states none, and its last number is none, either.
        mark = next((mark for mark in reversed(marks[-_MOST_MARKS:]) if _is_said(text, mark)), None)
        if mark is None:
            return "" if marks else None
        if pattern is _COLON and _is_reasoning(text[mark.end() :]):
            return None
        return f"{'not ' if _denies(mark) else ''}{_statement(text[mark.end() :])}".strip()

    return find


def _denies(mark: re.Match[str]) -> bool:
    return any(mark.groupdict().values())


def _is_said(text: str, mark: re.Match[str]) -> bool:
    """Whether the sentence up to the mark says it, and does not doubt, assume or call it wrong."""
    before = text[max(0, mark.start() - _LONGEST_CONTEXT) : mark.start()]
    return not _NOT_SAID.search(_BEFORE_SENTENCE.sub("", before).replace("\n", " "))


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
    """The rest of the line (the next one that is not empty), to the end of its sentence, and the lines that go on."""
    lines = [line.strip() for line in after[:4000].split("\n")]
    starts = [at for at, line in enumerate(lines) if line and line not in _BARE_MARKS]
    line = _joined(lines, starts)
    box = boxed(line)
    if box is not None:
        return box
    line = _after_marks(_without_loose_marks(line))
    end = _SENTENCE_END.search(line, 1)
    line = _without_loose_marks(line[: end.start()] if end else line)
    # Outside mathematics "5!" at the end of a sentence is a number and an exclamation mark.
    return unwrapped(line if {"$", "\\"} & set(line) else _EXCLAMATION.sub("", line))


def _joined(lines: list[str], starts: list[int]) -> str:
    """The first line and those that go on with it, since an answer of several lines is no answer of one."""
    if not starts:
        return ""
    first = lines[starts[0]]
    joined = _BULLET.sub("", first, count=1) if starts[0] else first
    for at, following in pairwise(starts):
        line, more = lines[at], lines[following]
        items = at > 0 and _BULLET.match(line) and _BULLET.match(more)
        unfinished = _UNFINISHED.search(line)
        if items or (not unfinished and _NAMED.match(_BULLET.sub("", line)) and _NAMED.match(more)):
            joined = f"{joined.rstrip(',;')}, {_BULLET.sub('', more, count=1)}"
        elif unfinished or _GOES_ON.match(more) or (following == at + 1 and _TERM.match(more)):
            joined = f"{joined} {more}"
        else:
            break
    return joined


def _without_loose_marks(line: str) -> str:
    """Without emphasis, quotes and brackets that opened before the statement and close behind it."""
    for mark in ("**", "__", "*", "`"):
        rest = line.rstrip(".,;:!? ")
        if rest.endswith(mark) and rest.count(mark) % 2 and (mark != "*" or not rest.endswith("**")):
            line = rest.removesuffix(mark)
    if _QUOTE_END.search(line) and line.count(line[-1]) % 2:
        line = line[:-1]
    rest = line.rstrip(".,;: ")
    n_open, n_closed = (sum(map(rest.count, marks)) for marks in ("([", ")]"))
    if rest.endswith(")") and not rest.endswith("\\)") and n_closed > n_open:
        line = rest[:-1]
    return line.strip()


def _after_marks(line: str) -> str:
    """What follows "the answer is" (Minerva says it after its mark, too) and then "the total is"."""
    marks = list(_ANSWER_IS.finditer(line))
    if marks and not _is_said(line, marks[-1]):
        return line if _SENTENCE_END.search(line[: marks[-1].start()], 1) else ""
    line = f"{'not ' if marks and _denies(marks[-1]) else ''}{line[marks[-1].end() if marks else 0 :].strip()}"
    copula = _COPULA.match(line)
    return line[copula.end() :].strip() if copula else line


after_colon = _after_last(_COLON)
"""After the last `A:` or `Final answer:` that starts a line or sentence."""
after_answer_is = _after_last(_ANSWER_IS)
"""After the last "answer is"."""
