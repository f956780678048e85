"""Answers that are words: names, options, ratios, times of day, dates. They are compared by spelling alone.

Guarantees: letters that may be variables keep their case (`ABC` is not `abc`); an expression of letters (`p - q`) is
no words. Grain: one answer text.
"""

from __future__ import annotations

import re

_TEXT_COMMAND = re.compile(
    r"\\(?:text|textbf|textit|textrm|textnormal|mathrm|mathbf|mathit|mbox|rm|hbox)\s*\{([^{}]*)\}"
)
_WORD = r"(?:[A-Za-z]{3,}(?:-[A-Za-z]{2,}|'s)*|[A-Za-z]{1,2})"
_PHRASE = re.compile(rf"\(?({_WORD}(?:\s+{_WORD})*)\)?")
_SHOUTED = re.compile("TRUE|FALSE|EVEN|NONE|ZERO|EAST|WEST|BOTH|SAME|[A-Z]{5,}")
_RATIO = re.compile(r"\d{1,9}(?:\s*:\s*\d{1,9})+")
_TIME = re.compile(r"(\d{1,2}(?::\d{2}){0,2})\s*([ap])\.?\s?m", re.IGNORECASE)
_DATE = re.compile(r"([a-z]{3,9})\.?\s+(\d{1,2})(?:st|nd|rd|th)?(?:,?\s+(\d{4}))?", re.IGNORECASE)
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_SMALL = re.compile("(?i:no|on|or|of|to|if|so|it|is|yes|odd|and)")


def words(text: str) -> str | None:
    """One spelling of words; None for anything else."""
    bare = _TEXT_COMMAND.sub(r"\1", text.replace("$", "")).strip().rstrip(".").strip()
    if len(bare) > 200:
        return None
    return _ratio(bare) or _time(bare) or _date(bare) or _phrase(bare)


def _ratio(text: str) -> str | None:
    return "".join(text.split()) if _RATIO.fullmatch(text) else None


def _time(text: str) -> str | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    return f"{match[1].lstrip('0').removesuffix(':00') or '0'} {match[2].lower()}m"


def _date(text: str) -> str | None:
    match = _DATE.fullmatch(text)
    month = match and next((name for name in _MONTHS if name.startswith(match[1].lower())), None)
    return f"{month} {int(match[2])} {match[3] or ''}".strip() if match and month else None


def _phrase(text: str) -> str | None:
    match = _PHRASE.fullmatch(text)
    if match is None:
        return None
    said = match.group(1).split()
    if len(said) > 1 and any(len(word) == 1 and word not in ("a", "I") for word in said):
        return None
    return " ".join(_cased(word) for word in said)


def _cased(word: str) -> str:
    """Lower case for what can only be a word: a short one in one case may be points or variables."""
    if _SMALL.fullmatch(word) or (len(word) > 3 and (not word.isupper() or _SHOUTED.fullmatch(word))):
        return word.lower()
    return word
