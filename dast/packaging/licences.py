"""The licence gate: what the sources of a dataset allow, looked at before anything of them is published.

A source that states no known licence, or one that bars commercial use or changed copies and is not accepted in params,
or whose publisher had to take it down, is refused; `package.ids_only` is the way out, since it leaves the source's text
out. Grain: one fault a source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dast.errors import DataError
from dast.params.package import Package
from dast.params.sources import HubSource, Pool, Prepare, Source

LICENCES = frozenset(
    (
        *("apache-2.0", "mit", "openrail", "bigscience-openrail-m", "creativeml-openrail-m", "bigcode-openrail-m"),
        *("bigscience-bloom-rail-1.0", "afl-3.0", "artistic-2.0", "bsl-1.0", "bsd", "bsd-2-clause", "bsd-3-clause"),
        *("bsd-3-clause-clear", "c-uda", "cc", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0"),
        *("cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0"),
        *("cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
        *("cdla-sharing-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "wtfpl", "ecl-2.0", "epl-1.0", "epl-2.0"),
        *("etalab-2.0", "eupl-1.1", "eupl-1.2", "agpl-3.0", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "lgpl", "lgpl-2.1"),
        *("lgpl-3.0", "lgpl-lr", "isc", "h-research", "intel-research", "lppl-1.3c", "ms-pl", "apple-ascl"),
        *("apple-amlr", "mpl-2.0", "odc-by", "odbl", "openmdw-1.0", "openrail++", "osl-3.0", "postgresql", "ofl-1.1"),
        *("ncsa", "unlicense", "zlib", "pddl", "deepfloyd-if-license", "fair-noncommercial-research-license"),
        *("llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4", "grok2-community", "gemma", "unknown"),
        "other",
    )
)
"""Identifiers that the Hub accepts in a card's `license` (its page on repository licences)."""

UNSAID = ("unknown", "other")
"""Identifiers that say nothing of what is allowed."""

RESTRICTED = frozenset(
    name
    for name in LICENCES
    if "-nc" in name
    or "-nd-" in name
    or "research" in name
    or name in ("apple-amlr", "apple-ascl", "deepfloyd-if-license")
)
"""Those that bar commercial use, or the publishing of changed copies."""

_MATH = "DMCA notice by AoPS, 2 January 2025 (huggingface-legal/takedown-notices, 2025/2025-01-02-AoPS.md)"
_MATH_COPY = f"a copy of MATH, gone from the Hub in January 2025 (github.com/huggingface/lighteval/issues/494); {_MATH}"
TAKEDOWNS: Mapping[str, str] = {
    "hendrycks/competition_math": _MATH,
    "competition_math": _MATH,
    "lighteval/math": _MATH_COPY,
    "lighteval/math-hard": _MATH_COPY,
}
"""Datasets of the Hub, in lower case, that were taken down: by whom, when, and where it can be read. As known on
2026-11-26; a copy under another name is not found by this list."""


def refuse_licences(prepare: Prepare, package: Package) -> None:
    """Ends the packaging unless every source's text may be published.

    Raises:
        DataError: all faults in one line.
    """
    faults = licence_faults(prepare, package)
    if faults:
        raise DataError(f"licences: {'; '.join(faults)}")


def licence_faults(prepare: Prepare, package: Package) -> list[str]:
    """Why sources may not be published: each its key in params, its licence, why, and what to do."""
    return [fault for where, source in _sources(prepare) for fault in _faults(where, source, package)]


def hub_licence(licence: str) -> str:
    """A licence as a card names it: the Hub's identifier, or `other`."""
    return licence.lower() if licence.lower() in LICENCES else "other"


def _sources(prepare: Prepare) -> Iterator[tuple[str, Source | Pool]]:
    yield from ((f"prepare.train.{number} ({source.name})", source) for number, source in enumerate(prepare.train))
    if prepare.pool is not None:
        yield f"prepare.pool ({prepare.pool.path})", prepare.pool


def _faults(where: str, source: Source | Pool, package: Package) -> Iterator[str]:
    # The pool's responses are published in either mode.
    if package.ids_only and not isinstance(source, Pool):
        return
    way_out = "leave the pool out" if isinstance(source, Pool) else "set package.ids_only"
    taken = TAKEDOWNS.get(_hub_id(source).lower())
    licence = source.licence.lower()
    if taken:
        yield f"{where}: was taken down: {taken}; {way_out}"
    if licence not in LICENCES:
        yield f"{where}: {source.licence} is no licence that the Hub knows; state its identifier, or {way_out}"
    elif licence in UNSAID:
        yield f"{where}: its licence is {licence}: find out what it allows and state it, or {way_out}"
    elif licence in RESTRICTED and licence not in {name.lower() for name in package.accept_licences}:
        yield (
            f"{where}: {licence} bars commercial use or changed copies: add it to package.accept_licences, or {way_out}"
        )


def _hub_id(source: Source | Pool) -> str:
    match source:
        case HubSource():
            return source.hub_id
        case Pool(kind="hub"):
            return source.path
        case _:
            return ""
