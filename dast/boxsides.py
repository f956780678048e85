r"""What stands beside a box: the sign, the currency and the unit that belong to it, and whether it is a part of more.

Guarantees: pure text, in time bounded by a window on each side; None where the box is a part of something larger,
denied or bounded, and where that is in doubt. Grain: one side of one box.
"""

from __future__ import annotations

import re

WINDOW = 120
"""How much of the text on each side is looked at; a box alone among more spaces than that states nothing."""

BOX = "□"
"""Stands for the box before, where the text between the two is looked at."""
_SIGNS = "-−–‐‑－"
_DASHES = _SIGNS + "—―‒"
_STYLE = r"\\(?:text[a-z]*|math(?:rm|bf|it)|mbox|bm|boldsymbol|operatorname)\s*"

# Before a box. The text is turned around to walk back in linear time, so these signs stand in reverse.
_GAP = re.compile(r"(?:[ ,;:!]\\(?!\\)|dauqq?\\|elytsyalpsid\\|[(\[]\\(?!\\)|[\s&]|\$(?!\\)|~(?=[A-Za-z.:=]))*")
_OPENER = re.compile(
    rf"(?:{_STYLE}\{{|\\(?:textcolor|colorbox)\s*\{{[^{{}}]*\}}\s*\{{|\\(?:underline|centerline|fcolorbox)\s*\{{"
    r"|(?<![\w^)\]}|\\])[\[({]|(?<![^\s(\"“])[*_]{1,3}|[\"“'‘])\Z"
)
_EMPHASIS_END = re.compile(r"(?:[A-Za-z]{2}|[.:,!?])[*_]{1,3}\Z")
_GROUP = re.compile(
    rf"(?:(?P<style>{_STYLE})|\\(?:begin|end|tag|color|[hv]space\*?|label|(?:sub)*section\*?|emph|underline)\s*)"
    r"\{(?P<text>[^{}]*)\}\Z"
)
_RULE = re.compile(r"(?:\A|\n)[ \t]*(?:-{3,}|\*{3,}|_{3,})\Z")
_BLOCK = re.compile(r"(?:\n[ \t]*\n|[.:!?*][ \t]*\n)[ \t]*[-*+•>]\Z")
"""A bullet or a quotation mark in front of a line, after a blank line or a sentence's end."""
_CURRENCY = re.compile(r"(?:\\\$|[£€¥₹])\Z")
_ARROW = re.compile(r"(?:->|</?[A-Za-z][^<>]{0,40}>|\\[)\]]|\\\\)\Z")
_DENIED = re.compile(
    r"(?:\b(?:not|never|cannot|instead of|rather than|other than|except)|n['’]t)"
    r"(?:\s+(?:be|equal(?:\s+to)?|exactly|simply|just|always|necessarily))*\Z"
    r"|\b(?:at\s+(?:least|most)|(?:more|less|greater|fewer|larger|smaller|higher|lower|bigger|other)\s+than"
    r"|up\s+to|over|under|above|below|exceeds?|between|minus|negative|plus|times|base|modulo|mod|close\s+to"
    r"|square\s+root\s+of|half\s+of|(?:sin|cos|tan|log|ln|sqrt))\Z"
    r"|[!/<>]=\Z|[+*/^_<>≤≥≠±∓×÷·⋅√∛∜%|{(\[]\Z|[\d})]\s*!\Z|[α-ωΑ-Ω∞]\Z",
    re.IGNORECASE,
)
_COMMAND_BEFORE = re.compile(r"\\[A-Za-z]+\Z")
_RELATION = re.compile(
    r"\\(?:approx|implies|(?:[Ll]ong)?(?:left)?[Rr]ightarrow|(?:[Ll]ong)?[Ll]eftrightarrow|to|iff|therefore|because|equiv|in"
    r"|item|noindent|centering|newline|par|hfill|bf|it|rm|large|Large|LARGE|huge|Huge|colon|bullet|square|triangleq"
    r"|checkmark|mapsto|longmapsto|leadsto|hline)\Z"
)
_OPERAND = re.compile(
    r"\d\Z|(?<![A-Za-z'’\\])[B-HJ-Zb-z]\Z|[\])}]\Z|\d\$?\s+(?:and|or)\Z|(?:\d|(?<![A-Za-z.])[a-z]),\Z|(?<![A-Za-z])\d\s:\Z"
)
_LABEL = re.compile(r"(?:\A|[\s$*])\(?(?:[A-Za-z]|\d{1,2}|[ivx]{1,4})\)\Z|\([^()\\]*[A-Za-z]{3,}[^()\\]*\)\Z")
_GLUED = re.compile(r"(?<![A-Za-z\\])(?!(?:is|be|so|to|of|as|are)\Z)[A-Za-z]{1,2}\Z|\d\.\Z|\d:\Z")
_RATIO = re.compile(r"\d:\Z|□\s?:\Z")
_STEP = re.compile(r"\b[A-Z][a-z]*\.?\s?\d{1,3}:\Z")
_WHITE = re.compile(r"\s+")
_MATHS_OPENS = re.compile(r"\$|\\[(\[]")
_DASHES_BEFORE = re.compile(rf"[{_DASHES}]+\Z")
_SIGNED = re.compile(r"(?:\A|[=:≡→⇒∴⟹]|\\\\)\Z")

# After a box.
_SPACE = r"(?:[ \t~]|\\[,;:! ]|\\q?quad(?![A-Za-z]))*"
_LEFT = re.compile(_SPACE)
_TEXT_UNIT = re.compile(
    rf"{_SPACE}{_STYLE}\{{(?P<text>[^{{}}]{{0,80}})\}}(?P<power>\^(?:\d|\{{-?\d\}}))?(?P<per>\s*/(?=\s*{_STYLE}\{{))?"
)
_NUMBER_UNIT = re.compile(
    rf"{_SPACE}(?P<unit>\\?%|\^\s*\{{?\s*\\circ(?![a-z])\s*\}}?|\^\{{?∘\}}?|°)|(?P<base>_(?:\d|\{{\d{{1,2}}\}}))"
    r"|(?P<glued>[A-Za-z]+)|[ \t]+(?P<letter>[A-Za-z](?![A-Za-z'’]))(?!(?<=[aAI])\s+[a-z]{2})"
)
_MEASURE = re.compile(
    r"[ \t]+(?P<unit>(?:(?:square|cubic|sq\.?)[ \t]+)?(?:(?:centi|milli|kilo)?(?:met(?:er|re)s?|grams?|lit(?:er|re)s?)"
    r"|cm|mm|km|kg|mg|m[lL]|ft|lbs?|oz|hrs?|mph|inch(?:es)?|feet|foot|yards?|miles?|pounds|ounces?|gallons?|hours?|minutes?"
    r"|seconds|days?|weeks?|months?|years?|dollars?|cents?|euros?|degrees?)(?:\^(?:\d|\{\d\})|[²³])?"
    r"(?:[ \t]*/[ \t]*[A-Za-z]+|[ \t]+per[ \t]+[A-Za-z]+)?)(?![A-Za-z/^])"
)
_PERCENT = re.compile(r"[ \t]+per ?cent\b")
_PLAIN = re.compile(r"[-−–]?(?:\\?\$)?(?:\d[\d,.]*(?:\{,\}\d{3})*|\.\d+|\\[dtc]?frac\s*\{\d+\}\s*\{\d+\})\Z")
_REMARK = re.compile(
    r"\s*(?:[(,.;:]|(?:is|are|was|were|because|since|which|where|so|as|by|hence|thus|therefore|from|has|have)\b)"
)
_AND = re.compile(r"\s*,?\s*(?:and|or|and/or|,|;)\s*")
_CLOSER = re.compile(
    rf"{_SPACE}(?:(?P<maths>[.,;]?\s*(?:(?<=\s)\$\$?(?=[\s.,;:!?)*%]|\Z)|(?<!\s)\$\$?|\\[)\]]))|[)\]}}\"”»](?!\w)"
    r"|(?<!\s)(?P<marks>(?:\*{2,3}|_{1,3})(?=[\s.,;:!?)\"”]|\Z)|\*(?=[.,;:!?)\"”]|\s*\Z|\s*\n|\s+[A-Za-z]{2})))"
)
_WORD = (
    r"(?:(?=[A-Za-z]*[aeiou])[A-Za-z]{3,}|[\u00c0-\u024f\u0400-\u04ff]{2}"
    r"|(?i:is|in|of|to|as|so|or|an|at|be|by|if|it|on|we|no|my|do|he|us|why|try|[ie]\.[eg])(?![A-Za-z]))"
)
"""A word of prose; a few letters side by side may be a product."""
_ENDS = re.compile(
    r"\Z|\n|\.(?![\d.])|,(?!\d|\s*(?:\$|\\\()?\s*[-−]?(?:\d|\\(?:[dt]?frac|sqrt|pi|pm|infty|[lc]?dots)))|;"
    r"|:(?=[\s*$]|\Z)(?!\s*(?:\$?\s*\d|\\boxed|\\fbox|\\[dt]?frac))|!(?!\s*(?:[=$+*/^!\d]|\\[\])a-z]))|&|=(?!=)|≈|→|⇒"
    r"|\\pmod\b|(?<=\s)\(\s*\\?mod\b|\\(?:\\|end\b|approx|implies|(?:[Ll]ong)?[Rr]ightarrow|(?:[Ll]ong)?[Ll]eftrightarrow|iff|to|equiv|tag|label"
    r"|blacksquare|square|Box|qed|qedhere|checkmark|hfill|newline|par|therefore|because|bigskip|medskip|q?quad)(?![a-z])"
    r"|\\text[a-z]*\s*\{|</?[A-Za-z][A-Za-z0-9]*\s*/?>|(?<=\s)\\[bf]+ox(?:ed)?(?![a-z])|(?<=\s)[|#]"
    r"|(?<=\s)(?:-{1,3}|[–—])\s+[A-Za-z]{2}|[—]\s*[A-Za-z]{2}"
    rf"|(?<=\s)\(\s*{_WORD}|\(\s*(?:\$|\\text)"
    r"|[\u3000-\u303f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af\uff01\uff0c\uff1a\uff1b\u2600-\u27bf■□∎▪█\ufe0f\U0001f300-\U0001faff]"
    rf"|(?<=\s)(?:{_WORD}|[aAI]\s|[\"“'‘]|\*{{1,3}}[A-Za-z]{{2}})"
)
_PART_WORD = re.compile(
    r"[ \t]*(?:\?|\.\.|…|:\s?\d|[万亿千百兆萬億倍만억]|\d"
    r"|(?:dozens?|hundreds?|thousands?|lakhs?|crores?|bn|mn|tn|k|mil|mio|mln|[mbtr]+illions?|percent|squared|cubed|factorial"
    r"|hal(?:f|ves)|thirds?|quarters?|(?:four|fif|six|seven|eigh|nin|ten)ths?|pi|sqrt|sin|cos|tan|ln|log|mod|modulo|plus"
    r"|minus|or\s+(?:more|less|fewer|greater|so)|out\s+of|in\s+(?:base|binary|octal|hex\w*)|base|binary|repeating|recurring"
    r"|and\s+(?:a|an|one|two|three)|(?:divided|multiplied)\s+by)\b"
    r"|(?:to|over|times|by|and|or)\s+(?:\$|\\\()?\s*[-−]?[\d.])",
    re.IGNORECASE,
)
_PART_SIGN = re.compile(
    r"[ \t]*(?:,\s*(?:\$|\\\()?\s*[-−]?\d"
    r"|[\^/_{}×π√½¼¾²³¹⁰⁴-⁹₀-₉·⋅÷±∓<>≤≥≠+%°$]|!=|!\s*=|\\(?!\\|boxed|fbox|[(\[]|end|text|q?quad|newline|par)"
    r"|[-−–—]\s*(?:[\d\\($]|[A-Za-z](?![A-Za-z]))|\*(?!\*)\s*[\w\\($]|[b-hj-zB-HJ-Z](?![A-Za-z'’]))"
)
_CONDITION = re.compile(r"(?:if|when|for|unless|otherwise|or|and)\b", re.IGNORECASE)
_NEXT_BOX = re.compile(r"[\s$]*\\f?box(?:ed)?")
_FUNCTION_BRACKET = re.compile(r"\s*\(\s*(?:sin|cos|tan|ln|log|sqrt|pi|base|approx\w*)\b", re.IGNORECASE)
_NEXT_LINE = re.compile(
    r"\s*\n\s*(?:[-+−/^·×]|\*(?!\*)|\d|[A-Za-z](?![A-Za-z])|%"
    r"|\\(?:cdot|times|pi|sqrt|[dt]?frac|pm|div|ln|log|sin|cos|tan|left|text|mathrm|%))"
)
_DISPLAY_END = re.compile(r"(?P<end>\\\]|\$\$|\\end\{)|\\\[|\\begin\{|\n[ \t]*\n")


def sign_before(before: str, whole: bool) -> str | None:
    """The sign and the currency in front of a box; None where what stands there makes it a part of more.

    Args:
        before: The text in front of the box, after the box before, for which `BOX` stands.
        whole: It reaches back to the text's start or to the box before.
    """
    left, gap = _stripped(before)
    money = _CURRENCY.search(left)
    if money:
        left, gap = _stripped(left[: money.start()])
    currency = money.group() if money else ""
    if not left:
        return currency if whole else None
    dashes = _DASHES_BEFORE.search(left)
    if dashes is None or _only_parts(left, gap):
        return None if _is_part(left, gap) else currency
    prior, space = _stripped(left[: dashes.start()])
    loose = _WHITE.search(gap) and (_WHITE.search(space) or not prior) and not _MATHS_OPENS.search(space)
    if dashes.group() not in _SIGNS or prior.endswith(BOX) or (not prior and not whole):
        return None
    if _SIGNED.search(prior):
        return f"-{currency}"
    # A minus in front of a line goes on with the line before.
    space = space if space.strip() else space.replace("\n", " ")
    return None if loose or _is_part(prior, space) else f"-{currency}"


def _stripped(before: str) -> tuple[str, str]:
    """The text without spaces, openings of mathematics, brackets and emphasis at its end; and those."""
    left = before
    for _ in range(4):
        gap = _GAP.match(left[::-1])
        left = left[: len(left) - (gap.end() if gap else 0)]
        opener = _OPENER.search(left)
        if opener is None:
            break
        left = left[: opener.start()]
    return left, before[len(left) :]


def _only_parts(left: str, gap: str) -> bool:
    """Whether a line of dashes or a bullet stands there, which are no sign."""
    return bool(("\n" in gap and _RULE.search(left)) or (_WHITE.match(gap) and _BLOCK.search(left)))


def _is_part(left: str, gap: str) -> bool:
    """Whether what stands in front of the gap multiplies, adds to, bounds or denies the box.

    An estimate is a value: who is asked for one to two decimals boxes it behind `\\approx`.
    """
    white = _WHITE.search(gap)
    group = _GROUP.search(left)
    if group:
        said = (group["text"] or "").strip()
        return bool(group["style"] and (left[: group.start()].rstrip()[-1:].isdigit() or _DENIED.search(said)))
    if _ARROW.search(left) or _only_parts(left, gap):
        return False
    if left.endswith(BOX):
        return not gap
    if white and _EMPHASIS_END.search(left):
        left = left.rstrip("*_")
    if _COMMAND_BEFORE.search(left):
        return _RELATION.search(left) is None
    if _DENIED.search(left):
        return True
    if "\n" in gap or "quad" in gap:
        return False
    if gap and _LABEL.search(left):
        return False
    if not gap and _GLUED.search(left):
        return True
    if _MATHS_OPENS.search(gap) and left.endswith((",", ":")):
        return False
    return bool(_OPERAND.search(left)) or bool(_RATIO.search(left) and not _STEP.search(left))


def with_unit(content: str, after: str) -> str | None:
    """The content with the unit behind its box; None where what stands there makes it a part of more."""
    plain, closed, unit, at = _PLAIN.fullmatch(content), False, "", 0
    for _ in range(8):
        if match := _TEXT_UNIT.match(after, at):
            said = match["text"].strip()
            if _REMARK.match(said):
                return None if _FUNCTION_BRACKET.match(said) else content + unit
            if _AND.fullmatch(said):
                return content + unit if _NEXT_BOX.match(after, match.end()) else None
            if _CONDITION.match(said):
                return None
            unit += match.group() if said else ""
        elif (plain or unit) and (match := _NUMBER_UNIT.match(after, at)):
            # Behind the mathematics a lone letter is a unit, within it a variable.
            is_unit = closed and match["letter"] and match["letter"] in "mghs"
            unit += rf"\text{{{match.group()}}}" if is_unit else match.group()
        elif match := _PERCENT.match(after, at):
            unit += r"\%"
        elif "\\text" not in content + unit and (match := _MEASURE.match(after, at)):
            unit += rf"\text{{ {match['unit']}}}"
        elif match := _CLOSER.match(after, at):
            if match["maths"] and match["maths"][0] in ".,;":
                return content + unit
            closed = closed or bool(match["maths"] or match["marks"])
        else:
            break
        at = match.end()
    return content + unit if _ends(after, at, closed) else None


def _ends(after: str, at: int, closed: bool) -> bool:
    """Whether what is left goes on with something else than the box's value."""
    if _PART_WORD.match(after, at) or _FUNCTION_BRACKET.match(after, at):
        return False
    if closed:
        return not _PART_SIGN.match(after, at)
    if _NEXT_LINE.match(after, at):
        display = _DISPLAY_END.search(after, at)
        return not (display and display["end"])
    left = _LEFT.match(after, at)
    at = left.end() if left else at
    return bool(_ENDS.match(after, at)) and at != WINDOW
