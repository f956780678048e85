"""What a dataset's card states for programs as well as for people: its round, its settings, the commit that made it.

Guarantees: what `made_with` and `FIRST_COMMIT` write, `read_card` reads back, so a folder that was downloaded says by
itself what its rows were made with. Grain: one card.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dast.markdown import verbatim
from dast.params.project import parse_yaml

FIRST_COMMIT = "first recorded by commit `{commit}`"
"""How `dast publish` names the commit."""

_MADE_WITH = (
    "In a clone of the project, with these settings for round `{round}` (policy `{policy}`, levels from `{levels}`):"
)
_FENCED = re.compile(r"<summary>Settings</summary>\n\n(`{3,})yaml\n(.*?)\n\1\n", re.DOTALL)


@dataclass(frozen=True)
class Stated:
    """What a card says of itself."""

    round: str
    policy: str
    levels: str
    settings: Mapping[str, Any]
    commit: str | None
    """None before the folder was published."""


def made_with(round_name: str, policy: str, levels: str, settings: str) -> list[str]:
    """Blocks of the card: the command, and the settings as YAML."""
    return [
        _MADE_WITH.format(round=round_name, policy=policy, levels=levels),
        verbatim(f"dvc repro package@{round_name}", "sh"),
        f"<details><summary>Settings</summary>\n\n{verbatim(settings.rstrip(), 'yaml')}\n\n</details>",
    ]


def read_card(text: str) -> Stated | None:
    """What a card says of itself; None for a card that was not written here.

    Raises:
        ParamsError: its settings are not a mapping in YAML any more.
    """
    made, fenced = _pattern(_MADE_WITH).search(text), _FENCED.search(text)
    if made is None or fenced is None:
        return None
    recorded = _pattern(FIRST_COMMIT).search(text)
    settings = parse_yaml(fenced[2], "its settings", "take the card as it was published")
    return Stated(**made.groupdict(), settings=settings, commit=recorded["commit"] if recorded else None)


def _pattern(said: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^`]+)", re.escape(said)))
