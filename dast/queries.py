"""What a query is: its identity, and the counting of rows that do not become one.

Guarantees: a query's id depends on its source's name and its normalised text alone; a row leaves with a reason, a count
and its place, never silently. Grain: one query.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

DROPPED = ("no_query", "no_answer", "ungradable", "duplicate", "in_test")
"""Why a row leaves: its query or answer is missing, nothing could be graded against its answer, its text came before,
or it stands in a test set."""

_SHOWN_PLACES = 3
_MEANINGFUL = ("<super>", "<sub>", "<fraction>")


@dataclass(frozen=True)
class Query:
    """One usable query and where it was read. `key` is its normalised text."""

    place: str
    key: str
    query: str
    answer: str
    solution: str | None
    source_level: str | None


@dataclass
class Tally:
    """Places of the rows that left, by reason. Not bounded: a place is short beside its row."""

    n_read: int = 0
    places: dict[str, list[str]] = field(default_factory=dict)

    def drop(self, reason: str, place: str) -> None:
        """Counts one row out."""
        self.places.setdefault(reason, []).append(place)

    def counts(self, reasons: Iterable[str] = DROPPED) -> dict[str, int]:
        """`read`, `kept`, and one count for each of `reasons`; they add up."""
        dropped = {reason: len(self.places.get(reason, ())) for reason in reasons}
        return {"read": self.n_read, "kept": self.n_read - sum(dropped.values()), **dropped}

    def told(self) -> str:
        """The reasons that occurred, each with its count and first places."""
        return "; ".join(f"{len(places)} {reason} ({first(places)})" for reason, places in self.places.items())


@dataclass
class SourceQueries:
    """The queries of one source that still stand, and the count of the others."""

    queries: list[Query]
    tally: Tally
    refused: list[dict[str, str]] = field(default_factory=list)
    """Place, answer and reason of each row whose reference answer failed its audit."""

    def leave_out(self, reason: str, unwanted: Callable[[Query], bool]) -> None:
        """Drops every query that is unwanted, each asked once and in order."""
        kept = []
        for query in self.queries:
            if unwanted(query):
                self.tally.drop(reason, query.place)
            else:
                kept.append(query)
        self.queries = kept


def normalise(text: str) -> str:
    """The text by which queries are told apart: Unicode NFKC, every run of white space one space, none at the ends.

    Superscripts, subscripts and fractions stay as they are: NFKC makes `x²` to `x2` and `1½` to `11⁄2`, which are other
    problems. Case stays, since letters are variables.
    """
    return " ".join((text if text.isascii() else _compatible(text)).split())


def query_id(source: str, query: str) -> str:
    """16 hex digits that name a query by its source's name and its normalised text."""
    return hashlib.sha256(f"{source}\n{normalise(query)}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def first(places: Sequence[str]) -> str:
    """The first places, for a message."""
    return ", ".join(places[:_SHOWN_PLACES]) + (", ..." if len(places) > _SHOWN_PLACES else "")


def _compatible(text: str) -> str:
    kept = (
        c if unicodedata.decomposition(c).startswith(_MEANINGFUL) else unicodedata.normalize("NFKC", c) for c in text
    )
    return unicodedata.normalize("NFC", "".join(kept))
