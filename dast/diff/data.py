"""What changed in the data of two rounds, as one answer.

Guarantees: every count is over all rows; `same` holds only where no query moved, no training row or pair changed, and
both answer the same queries. Grain: one pair of rounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dast.diff import queries, rows
from dast.diff.examples import query_examples, row_examples
from dast.diff.keyed import keyed
from dast.diff.material import Material
from dast.progress import Progress


@dataclass(frozen=True)
class DataDiff:
    """Plain values, as they go into JSON."""

    labels: tuple[str, str]
    missing: tuple[tuple[str, ...], tuple[str, ...]]
    """Tables that no stage of each side has written."""
    levels: dict[str, dict[str, int]]
    """Queries by the first side's level, then the second's."""
    queries: dict[str, int]
    """Queries by what became of their level."""
    coverage: tuple[dict[str, Any], dict[str, Any]]
    sft: dict[str, Any]
    dpo: dict[str, Any]
    by_level: list[dict[str, Any]]
    left_out: tuple[dict[str, int], dict[str, int]]
    """Rollouts that `build` left out of each side's SFT set, by its own reasons."""
    examples: dict[str, list[dict[str, Any]]]

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        sets = (self.sft, self.dpo)
        return (
            self.queries["n_queries"] == self.queries["same_level"]
            and not any(one[name] for one in sets for name in ("n_added", "n_dropped"))
            and self.coverage[0] == self.coverage[1]
        )


def compare_data(
    labels: tuple[str, str],
    first: Material,
    second: Material,
    left_out: tuple[dict[str, int], dict[str, int]],
    n_examples: int,
) -> DataDiff:
    """The whole comparison.

    Args:
        labels: What each side is called.
        first: Tables of the first side.
        second: Of the second.
        left_out: What `build` counted on each side.
        n_examples: Most examples of each kind; 0 for none.
    """
    with Progress(f"reading {labels[0]}, {labels[1]}, comparing", 4, "steps", delay_s=1.0) as progress:
        before = keyed(first)
        progress.advance(1)
        after = keyed(second)
        progress.advance(1)
        moves, found = queries.moved(before, after), rows.fates(before, after)
        progress.advance(1)
        examples = {}
        if n_examples:
            examples = query_examples(first, second, moves, n_examples)
            examples |= row_examples(first, second, found, n_examples)
        progress.advance(1)
    return DataDiff(
        labels=labels,
        missing=(first.missing, second.missing),
        levels=queries.matrix(moves),
        queries=queries.counted(moves),
        coverage=(queries.coverage(before), queries.coverage(after)),
        sft=rows.sft_counts(before, after, found),
        dpo=rows.dpo_counts(before, after),
        by_level=rows.by_level(before, after, found),
        left_out=left_out,
        examples=examples,
    )
