"""The tables that a person wants first, as Markdown.

Guarantees: a table whose stages have not run says so. Grain: one page over all rounds.
"""

from __future__ import annotations

from collections.abc import Sequence

from dast.markdown import table
from dast.report.sections import Section

NOTHING = "Nothing yet."


def summary_text(sections: Sequence[Section]) -> str:
    """The whole page: every table of the sections that is not long."""
    blocks = ["# Report"]
    for block in (block for section in sections for block in section.blocks if not block.long):
        blocks += [f"## {block.title}", block.note if block.rows else NOTHING, table(block.rows)]
    return "\n\n".join(block for block in blocks if block) + "\n"
