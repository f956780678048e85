"""What a dataset's folder and card say, and what they may hold. Attribute docstrings give meaning and unit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dast.params.section import PositiveCount, Section, Text

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]


class Package(Section):
    """The dataset's folder and card."""

    title: Text
    author: Text
    language: list[Language]
    """Languages of queries and responses, by ISO 639 codes of two or three letters."""
    demonstration: Text | None
    """Why the dataset is not for training; null for one that is."""
    rounds: Literal["own", "lineage"]
    """`own`: this round's rows, as the split `train`; `lineage`: also those of the rounds that its policy came from,
    each round a split of its name."""
    ids_only: bool
    """Leaves out every text of the sources: ids, digests of answers, and our responses remain."""
    accept_licences: list[Text]
    """Licences that bar commercial use or changed copies and are accepted all the same, by the Hub's identifiers."""
    contaminated: Literal["refuse", "report"]
    """What happens when a training row's query or response is contaminated by a test query."""
    max_rows_per_file: PositiveCount
    max_file_mb: PositiveCount
    """Most megabytes of rows in a file, before compression; whichever of the two bounds gives more files counts."""
    row_group_mb: PositiveCount
    """About as many megabytes of rows in a row group, before compression: what a reader loads at once."""
