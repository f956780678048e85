"""What a comparison says: a verdict, and a reason where the verdict is not plain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

VerdictName = Literal["correct", "incorrect", "no_answer", "ungraded"]
Outcome = tuple[VerdictName, str | None]


def first_of(outcomes: Sequence[Outcome], *verdicts: VerdictName) -> Outcome | None:
    """The first outcome with the first of these verdicts that any of them has."""
    return next((outcome for verdict in verdicts for outcome in outcomes if outcome[0] == verdict), None)
