"""What a comparison says: a verdict, and a reason where the verdict is not plain."""

from __future__ import annotations

from typing import Literal

VerdictName = Literal["correct", "incorrect", "no_answer", "ungraded"]
Outcome = tuple[VerdictName, str | None]
