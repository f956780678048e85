"""The measured rows, looked up by what they were measured on. Grain: one number a look-up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Row = Mapping[str, str]


class Found:
    """Rows of results/allocation.csv."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def rows(self, **wanted: object) -> list[Row]:
        """All that were measured on this, in the file's order."""
        return [row for row in self._rows if all(row[name] == str(one) for name, one in wanted.items())]

    def distinct(self, column: str, **wanted: object) -> list[str]:
        """Different entries of a column among them, in the file's order."""
        return list(dict.fromkeys(row[column] for row in self.rows(**wanted)))

    def value(self, **wanted: object) -> float:
        """The one row's number."""
        (row,) = self.rows(**wanted)
        return float(row["value"])

    def share(self, **wanted: object) -> str:
        """The one row's number in percent, with half its interval."""
        (row,) = self.rows(**wanted)
        return f"{100 * float(row['value']):.1f} ± {100 * float(row['half']):.1f}"

    def count(self, **wanted: object) -> str:
        """The one row's number, with half its interval."""
        (row,) = self.rows(**wanted)
        return f"{float(row['value']):,.0f} ± {float(row['half']):,.0f}"
