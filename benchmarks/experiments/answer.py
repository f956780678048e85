"""The questions of the design, answered in sentences from the findings.

Guarantees: a difference is called shown where its p-value, a primary one's after Holm, is below one minus the
interval's mass, and not shown otherwise; without an interval neither is said; the figures stand beside the word. Grain:
one question.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks.experiments.afterwards import Afterthought
from benchmarks.experiments.analysis import Finding
from benchmarks.experiments.design import Design


def answer(design: Design, primary: Sequence[Finding], other: Sequence[Finding]) -> str:
    """Each question with its sentences."""
    level = 1 - design.bootstrap.interval
    parts = []
    for key, question in design.questions.items():
        mine = [one for one in (*primary, *other) if one.contrast.question == key]
        parts += [f"**{question}**", "\n".join(f"- {sentence(one, level)}" for one in mine) or "Nothing was measured."]
    return "\n\n".join(parts)


def sentence(finding: Finding, level: float) -> str:
    """What one contrast shows."""
    one = finding.interval
    figures = f"{points(one.mean)} points [{points(one.low)}, {points(one.high)}]"
    if isinstance(finding.contrast, Afterthought):
        kind = f"thought of afterwards, p {shown_p(one.p)}"
    elif finding.p_holm is None:
        kind = f"exploratory, p {shown_p(one.p)}"
    else:
        kind = f"primary, p {shown_p(finding.p_holm)} after Holm"
    return f"{finding.contrast.name}: {figures} ({kind}, {len(finding.by_base)} bases): {verdict(finding, level)}."


def verdict(finding: Finding, level: float) -> str:
    """`shown`, `shown the other way round`, `not shown`, or `too few bases to tell` where there is no interval."""
    p = finding.interval.p if finding.p_holm is None else finding.p_holm
    if math.isnan(p):
        return "too few bases to tell"
    if p >= level:
        return "not shown"
    return "shown" if finding.interval.mean > 0 else "shown the other way round"


def points(share: float) -> str:
    """A difference of shares in points."""
    return "–" if math.isnan(share) else f"{100 * share:+.1f}"


def shown_p(p: float) -> str:
    """A p-value."""
    return "–" if math.isnan(p) else f"{p:.3f}" if p >= 0.001 else "< 0.001"
