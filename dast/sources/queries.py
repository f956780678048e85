"""Queries of training and tests, read from their sources, checked, and freed of exact duplicates and of leaks.

Guarantees: every kept row has a query and an answer that can be graded; a text stands once in training and once in a
test set; no train query stands in a test set, whatever the sources are called; all counts add up. Grain: one query.
"""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from dast import frames, tables
from dast.answers import reference_answer
from dast.errors import DataError
from dast.grading import Grader
from dast.params.sources import FileSource, HubSource, Prepare, Source, TinySource
from dast.queries import Query, SourceQueries, Tally, normalise, query_id
from dast.references import reference_faults
from dast.sources.leaving import leave_duplicates, leave_tests
from dast.sources.rows import RawRow, file_rows, hub_rows, matches, missing_columns, text_at
from dast.tiny import world

log = logging.getLogger(__name__)

Counts = dict[str, dict[str, dict[str, int]]]


@dataclass(frozen=True)
class QueryTables:
    """The QUERIES table of training, a TEST_QUERIES table a test set, and counts by part and source."""

    train: pl.DataFrame
    tests: dict[str, pl.DataFrame]
    counts: Counts
    refused: list[dict[str, str]]
    """Rows whose reference answer failed its audit (REFUSED_COLUMNS)."""

    def without(self, query_ids: pl.Series, reason: str) -> QueryTables:
        """These train queries left out, each counted under the reason.

        Raises:
            DataError: none is left.
        """
        leaves = pl.col("query_id").is_in(query_ids.implode())
        kept, left = self.train.filter(~leaves), self.train.filter(leaves)
        if kept.is_empty():
            raise DataError(f"prepare.train: no query is left, all {left.height} are {reason}; add another source")
        n_left = dict(left.group_by("source").len().iter_rows())
        train = {
            name: {**counts, "kept": counts["kept"] - n_left.get(name, 0), reason: n_left.get(name, 0)}
            for name, counts in self.counts["train"].items()
        }
        return replace(self, train=kept, counts={**self.counts, "train": train})


REFUSED_COLUMNS = ("part", "source", "place", "answer", "reason")


def query_tables(prepare: Prepare, raw: Path, grader: Grader) -> QueryTables:
    """All queries of `prepare`; `raw` is the folder that file sources lie in; `grader` tries each reference answer.

    Raises:
        DataError: a source that cannot be read or gives no usable row, or train queries that stand in a test set while
            `train_in_tests` refuses them.
    """
    _check_names(prepare)
    train = {s.name: read_source(s, raw, f"prepare.train.{n}", grader) for n, s in enumerate(prepare.train)}
    tests = {
        t.source.name: read_source(t.source, raw, f"prepare.tests.{n}.source", grader)
        for n, t in enumerate(prepare.tests)
    }
    for read in tests.values():
        leave_duplicates([read])
    leave_tests(train, tests, prepare.train_in_tests)
    leave_duplicates(list(train.values()))
    counts = {part: _tell(part, read) for part, read in (("train", train), ("tests", tests))}
    rows = [row for s in prepare.train for row in _rows(s, train[s.name])]
    if not rows:
        raise DataError(f"prepare.train: no query is left ({counts['train']}); add a source that no test set holds")
    test_tables = {
        name: frames.frame(
            tables.TEST_QUERIES, [{**row, "test_set": name, "domain": t.domain} for row in _rows(t.source, read)]
        )
        for t, (name, read) in zip(prepare.tests, tests.items(), strict=True)
    }
    refused = [
        {"part": part, "source": name, **row}
        for part, reads in (("train", train), ("tests", tests))
        for name, read in reads.items()
        for row in read.refused
    ]
    return QueryTables(frames.frame(tables.QUERIES, rows), test_tables, counts, refused)


def read_source(source: Source, raw: Path, where: str, grader: Grader) -> SourceQueries:
    """The usable queries of one source, repetitions included; `where` is its key in params, for messages.

    Raises:
        DataError: the source cannot be read, a named column is nowhere, or no row can be used.
    """
    if isinstance(source, TinySource):
        queries = _tiny_queries(source, where)
        faults = reference_faults((query.answer for query in queries), grader)
        if faults:
            raise AssertionError(f"the generator gave answers that cannot be graded: {faults}")
        return SourceQueries(queries, Tally(len(queries)))
    read = _raw_rows(source, raw, where)
    rows = [row for row in read if matches(row.values, source.where)]
    _check_columns(rows, source, where)
    tally = Tally(len(rows))
    read_rows = list(_with_answer(rows, source, tally))
    faults = reference_faults((query.answer for query in read_rows), grader)
    refused = [
        {"place": query.place, "answer": query.answer, "reason": faults[query.answer]}
        for query in read_rows
        if query.answer in faults
    ]
    for row in refused:
        tally.drop("ungradable", f"{row['place']}: {row['reason']}")
    queries = [query for query in read_rows if query.answer not in faults]
    if not queries:
        raise DataError(f"{source.name}: none of its {len(rows)} rows can be used: {tally.told()}; see {where}.columns")
    return SourceQueries(queries, tally, refused)


def tiny_level(name: str) -> tuple[str, int] | None:
    """The generator's family and level behind a name: L1 to L10 by number, F1 to F6 in the other wording,
    H1 to H8 of large values, G1 to G3 of these in the other wording."""
    known = {f"L{level}": (family, level) for family in ("core", "long") for level in world.LEVELS[family]}
    for letter, family in (("F", "form"), ("H", "large"), ("G", "large_form")):
        known |= {f"{letter}{n}": (family, level) for n, level in enumerate(sorted(world.LEVELS[family]), start=1)}
    return known.get(name)


def _check_names(prepare: Prepare) -> None:
    for part, names in (("train", [s.name for s in prepare.train]), ("tests", [t.source.name for t in prepare.tests])):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DataError(f"prepare.{part}: two sources are named {twice[0]}; give each its own name")


def _tell(part: str, reads: Mapping[str, SourceQueries]) -> dict[str, dict[str, int]]:
    for name, read in reads.items():
        if read.tally.places:
            log.warning("%s %s: of %d rows left out %s", part, name, read.tally.n_read, read.tally.told())
    return {name: read.tally.counts() for name, read in reads.items()}


def _rows(source: Source, read: SourceQueries) -> Iterator[dict[str, Any]]:
    for query in read.queries:
        yield {
            "query_id": query_id(source.name, query.query),
            "source": source.name,
            "query": query.query,
            "answer": query.answer,
            "solution": query.solution,
            "source_level": query.source_level,
            "tolerance": None if isinstance(source, TinySource) else source.tolerance,
            "licence": source.licence,
        }


def _raw_rows(source: FileSource | HubSource, raw: Path, where: str) -> Iterator[RawRow]:
    if isinstance(source, FileSource):
        return file_rows(raw / source.path, source.path)
    return hub_rows(source.hub_id, source.config, source.split, source.revision, where)


def _check_columns(rows: Sequence[RawRow], source: FileSource | HubSource, where: str) -> None:
    if not rows:
        raise DataError(
            f"{source.name}: no rows{' that ' + where + '.where takes' if source.where else ''}; correct the source"
        )
    columns = source.columns
    wanted = [*columns.query, columns.answer, *(path for path in (columns.solution, columns.level) if path)]
    missing, present = missing_columns(rows, wanted)
    if missing:
        raise DataError(
            f"{source.name}: no row has {', '.join(missing)} (columns: {', '.join(present)}); correct {where}.columns"
        )


def _with_answer(rows: Iterable[RawRow], source: FileSource | HubSource, tally: Tally) -> Iterator[Query]:
    for row in rows:
        texts = [text_at(row.values, path) for path in source.columns.query]
        answer = _answer(row, source)
        if not all(texts):
            tally.drop("no_query", row.place)
            continue
        if not answer:
            tally.drop("no_answer", row.place)
            continue
        level = text_at(row.values, source.columns.level) if source.columns.level else ""
        query = " ".join(texts)
        yield Query(row.place, normalise(query), query, answer, _solution(row, source, answer), level or None)


def _answer(row: RawRow, source: FileSource | HubSource) -> str:
    try:
        return reference_answer(text_at(row.values, source.columns.answer), source.answer_rule)
    except DataError:
        return ""


def _solution(row: RawRow, source: FileSource | HubSource, answer: str) -> str | None:
    if source.columns.solution is None:
        return None
    text = text_at(row.values, source.columns.solution)
    if source.answer_rule == "hash":
        text = text.rpartition("####")[0] or text
    text = (re.sub(source.strip_pattern, "", text) if source.strip_pattern else text).strip()
    return text + (source.solution_end or "").replace("{answer}", answer) if text else None


def _tiny_queries(source: TinySource, where: str) -> list[Query]:
    rng = random.Random(source.seed)
    queries: list[Query] = []
    for name, n in source.counts.items():
        found = tiny_level(name)
        if found is None:
            raise DataError(
                f"{where}.counts.{name}: no such level in the built-in generator; use L1 to L10, F1 to F6, H1 to H8 or "
                "G1 to G3"
            )
        for problem in world.draw(*found, source.part, n, source.seed, source.answer_cap):
            style: world.Style = "worked" if rng.random() < source.worked_rate else "plain"
            solution = world.solution(problem, style)
            place = f"{source.name}:{len(queries) + 1}"
            queries.append(Query(place, normalise(problem.query), problem.query, problem.answer, solution, name))
    return queries
