"""What the checks look at: queries, and the folder that holds the base's config and tokenizer.

Guarantees: nothing is downloaded but a hub model's small files; queries are those that `prepare` wrote, or what it
would write where that needs no network. Grain: one project.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from dast.errors import DastError
from dast.frames import frame, read, read_all
from dast.grading import Grader
from dast.params.sections import Settings
from dast.params.sources import Bootstrap, FileSource, HubSource, Prepare
from dast.policies.folder import CARD
from dast.preflight.findings import Finding, plural
from dast.sources.queries import query_tables
from dast.tables import QUERIES, TEST_QUERIES

FetchSmall = Callable[[str, str, bool], Path]
"""Gives the folder with the small files (config, tokenizer) of a hub model at a commit; true for kept ones only."""


@dataclass(frozen=True)
class Places:
    """Where the line keeps what it writes; dvc.yaml says the same."""

    root: Path
    """Of the project."""
    data: Path
    raw: Path
    queries: Path
    models: Path

    @property
    def base(self) -> Path:
        """The base model's folder."""
        return self.models / "base"

    @property
    def train(self) -> Path:
        """The table of train queries."""
        return self.queries / "train.parquet"

    @property
    def tests(self) -> Path:
        """The folder of test sets."""
        return self.queries / "tests"


@dataclass(frozen=True)
class Queries:
    """Train queries (QUERIES) and test queries (TEST_QUERIES)."""

    train: pl.DataFrame
    tests: pl.DataFrame


def queries_of(settings: Settings, places: Places) -> tuple[Queries | None, Finding]:
    """The queries, and what is to say of them; None where they cannot be had yet."""
    subject = "queries"
    if places.train.is_file() and places.tests.is_dir():
        try:
            found = Queries(read(QUERIES, places.train), read_all(TEST_QUERIES, places.tests))
        except DastError as error:
            return None, Finding("warning", subject, f"{error}; run `dvc repro prepare`")
        return found, Finding("ok", subject, f"{_counts(found)}, as prepare wrote them")
    if lacking := list(dict.fromkeys(_lacking(settings.prepare, places.raw))):
        told = f"not counted: {', '.join(lacking)}; run `dvc repro prepare`, then this again"
        return None, Finding("info", subject, told)
    return _made(settings, places.raw)


def _made(settings: Settings, raw: Path) -> tuple[Queries | None, Finding]:
    try:
        with Grader(settings.grading) as grader:
            made = query_tables(settings.prepare, raw, grader)
    except DastError as error:
        return None, Finding("error", "queries", str(error))
    tests = pl.concat([frame(TEST_QUERIES, []), *made.tests.values()])
    found = Queries(made.train.sort("query_id"), tests)
    told = f"{_counts(found)}, as prepare would write them"
    if made.refused:
        told += f"; {plural(len(made.refused), 'reference answer')} cannot be graded against and will be left out"
    return found, Finding("warning" if made.refused else "ok", "queries", told)


def _counts(found: Queries) -> str:
    n_sets = found.tests.get_column("test_set").n_unique()
    return f"{found.train.height:,} to train, {found.tests.height:,} in {plural(n_sets, 'test set')}"


def _lacking(prepare: Prepare, raw: Path) -> Iterator[str]:
    for source in (*prepare.train, *(test.source for test in prepare.tests)):
        if isinstance(source, HubSource):
            yield f"{source.hub_id} is downloaded by prepare"
        elif isinstance(source, FileSource) and not (raw / source.path).exists():
            yield f"{source.path} is not there"


def look_folder(bootstrap: Bootstrap, base: Path, fetch: FetchSmall, *, reachable: bool) -> tuple[Path | None, Finding]:
    """A folder with the base's config and tokenizer, perhaps without weights; None where there is none yet.

    Args:
        bootstrap: where the base comes from.
        base: the folder that the line makes of it.
        fetch: see there.
        reachable: whether the Hub gives the model.
    """
    subject = "base model"
    if bootstrap.kind == "none":
        return None, Finding("ok", subject, "none is asked for")
    if (base / CARD).is_file():
        return base, Finding("ok", subject, f"{base} is there")
    match bootstrap.kind:
        case "local" if bootstrap.source and Path(bootstrap.source).is_dir():
            return Path(bootstrap.source), Finding("info", subject, f"{base} is not made yet; {bootstrap.source} is")
        case "hub" if bootstrap.source and bootstrap.revision:
            try:
                folder = fetch(bootstrap.source, bootstrap.revision, not reachable)
            except DastError as error:
                if reachable:
                    return None, Finding("warning", subject, f"config and tokenizer are not looked at: {error}")
                return None, Finding("info", subject, "config and tokenizer are not looked at, nor kept here")
            return folder, Finding("info", subject, f"{base} is not made yet; config and tokenizer are the Hub's")
    return None, Finding(
        "info", subject, f"{base} is not made yet; `dvc repro bootstrap` makes it, then run this again"
    )
