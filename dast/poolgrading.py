"""Grading a file of responses outside the pipeline: `dast grade`.

Guarantees: one row out for each response in, in order; a response whose query has no answer, or whose reference cannot
be graded against, is ungraded with its reason, never wrong and never left out; the output stands whole or not at all,
and overwrites no input; a place that cannot be written to is refused before anything is graded. Grain: one response.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from dast.answers import reference_answer
from dast.errors import CommandError, DataError
from dast.grading import Attempt, Grade, Grader, storable
from dast.params.sources import AnswerRule
from dast.queries import normalise
from dast.smallfiles import write_text
from dast.sources.rows import RawRow, file_rows, text_at, value_at

USUAL = {
    "query": ("query", "question", "problem"),
    "response": ("response", "completion", "responses", "completions", "output", "generation"),
    "answer": ("answer", "reference", "ground_truth", "final_answer"),
}
"""Columns that are looked for, in this order."""

COLUMNS = ("query", "response", "predicted", "verdict", "reason")
"""Columns of the output."""

Rule = Literal["auto"] | AnswerRule
_AUTO: tuple[AnswerRule, ...] = ("hash", "boxed", "whole")
_FORMATS = (".parquet", ".jsonl")


@dataclass(frozen=True)
class Pool:
    """Responses and what they are held against: one entry a response in each list."""

    queries: list[str]
    responses: list[str]
    answers: list[str | None]
    """None where no answer is known; `faults` says why."""
    faults: list[str | None]
    columns: Mapping[str, str]
    """Which column of the files was taken for what."""
    rules: Counter[str]
    """Reference answers by the rule that found them."""


def read_pool(pool: Path, answers: Path | None, named: Mapping[str, str], rule: Rule) -> Pool:
    """A pool with its reference answers.

    Args:
        pool: JSON lines or Parquet; a column that holds lists gives one response an element.
        answers: Queries and answers; None when the pool carries its own answers.
        named: Columns given by name, by `query`, `response` and `answer`; dotted paths reach into nested objects.
        rule: How an answer is read from its column; `auto` is `####`, then `\\boxed{}`, else the whole text.

    Raises:
        DataError: a file that cannot be read, or a column that is not there.
    """
    rows = _rows(pool)
    if not rows:
        raise DataError(f"{pool}: no rows; give a file with a response in each")
    wanted = ("query", "response") if answers else ("response", "answer")
    columns = {what: _column(rows, what, named, pool) for what in wanted}
    columns["query"] = columns.get("query") or _found(rows, "query", named) or ""
    rules: Counter[str] = Counter()
    known = _answers_by_query(answers, named, rule, rules) if answers else None
    found = Pool([], [], [], [], columns, rules)
    for row in rows:
        query = text_at(row.values, columns["query"]) if columns["query"] else ""
        answer, fault = (
            known.get(normalise(query), (None, "unknown_query"))
            if known is not None
            else _answer(text_at(row.values, columns["answer"]), rule, rules)
        )
        for response in _responses(row, columns["response"]):
            found.queries.append(query)
            found.responses.append(response)
            found.answers.append(answer)
            found.faults.append(fault)
    return found


def grade_pool(pool: Pool, grader: Grader, tolerance: float | None) -> pl.DataFrame:
    """Verdicts of a pool in its order (COLUMNS); `tolerance` is relative, None is exact."""
    attempts = [
        Attempt(answer, response, "recorded", query, tolerance)
        for answer, response, query in zip(pool.answers, pool.responses, pool.queries, strict=True)
        if answer is not None
    ]
    graded = iter(grader.grade(attempts))
    grades = [
        Grade(None, "ungraded", fault) if answer is None else next(graded)
        for answer, fault in zip(pool.answers, pool.faults, strict=True)
    ]
    return pl.DataFrame(
        {
            "query": [storable(query) for query in pool.queries],
            "response": [storable(response) for response in pool.responses],
            "predicted": [storable(grade.predicted) for grade in grades],
            "verdict": [grade.verdict for grade in grades],
            "reason": [grade.reason for grade in grades],
        },
        schema=dict.fromkeys(COLUMNS, pl.String),
    )


def write_verdicts(verdicts: pl.DataFrame, path: Path) -> None:
    """Writes a verdict table as Parquet or JSON lines, whole or not at all.

    Raises:
        CommandError: the system does not let it be written, e.g. for want of room.
    """
    partial = _partial(path)
    try:
        if path.suffix == ".jsonl":
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in verdicts.iter_rows(named=True))
            write_text(path, "".join(lines))
        else:
            verdicts.write_parquet(partial, compression="zstd")
            partial.replace(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        partial.unlink(missing_ok=True)
        raise _unwritable(path, error) from error


def check_output(path: Path, inputs: Iterable[Path]) -> None:
    """Refuses an output that could not be written, before anything is graded; makes its folder.

    Args:
        path: The output.
        inputs: Files that are read, which it may not overwrite.

    Raises:
        CommandError: another ending than `.parquet` or `.jsonl`, one of the inputs, a folder, or a place that may not
            be written to.
    """
    if path.suffix not in _FORMATS:
        raise CommandError(f"--out {path}: ends in neither {' nor '.join(_FORMATS)}; give one of the two")
    try:
        overwritten = next((one for one in inputs if path.exists() and one.exists() and path.samefile(one)), None)
        if overwritten is not None:
            raise CommandError(f"--out {path}: would overwrite {overwritten}, which is read; name another file")
        if path.is_dir():
            raise CommandError(f"--out {path}: is a folder; name a file, e.g. {path / f'verdicts{path.suffix}'}")
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = _partial(path)
        left_over = partial.exists()
        partial.open("ab").close()
        if not left_over:
            partial.unlink()
    except OSError as error:
        raise _unwritable(path, error) from error


def _partial(path: Path) -> Path:
    """Where an output stands until it is whole; the name is `write_text`'s."""
    return path.with_name(f".{path.name}.partial")


def _unwritable(path: Path, error: Exception) -> CommandError:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[0]
    return CommandError(f"--out {path}: cannot be written ({said}); name another place, or mend this one")


def counts(verdicts: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Rows by verdict and reason (`plain` where there is none), the commonest first."""
    rows = verdicts.group_by("verdict", pl.col("reason").fill_null("plain")).len()
    found: dict[str, dict[str, int]] = {}
    for verdict, reason, n in rows.sort(["verdict", "len", "reason"], descending=[False, True, False]).iter_rows():
        found.setdefault(verdict, {})[reason] = n
    return found


def _rows(path: Path) -> list[RawRow]:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    return list(file_rows(path, str(path)))


def _answers_by_query(
    path: Path, named: Mapping[str, str], rule: Rule, rules: Counter[str]
) -> dict[str, tuple[str | None, str | None]]:
    rows = _rows(path)
    query, answer = (_column(rows, what, named, path) for what in ("query", "answer"))
    found: dict[str, tuple[str | None, str | None]] = {}
    for row in rows:
        key = normalise(text_at(row.values, query))
        said = _answer(text_at(row.values, answer), rule, rules)
        if found.setdefault(key, said) != said:
            raise DataError(f"{row.place}: a query that came before, with another answer; keep one of the two")
    return found


def _answer(text: str, rule: Rule, rules: Counter[str]) -> tuple[str | None, str | None]:
    for chosen in _AUTO if rule == "auto" else (rule,):
        try:
            answer = reference_answer(text, chosen)
        except DataError:
            continue
        rules[chosen] += 1
        return answer, None
    return None, "reference_empty"


def _responses(row: RawRow, column: str) -> Iterator[str]:
    value = value_at(row.values, column)
    for one in value if isinstance(value, list) else [value]:
        # A response keeps its own white space, unlike other texts of a row.
        yield one if isinstance(one, str) else "" if one is None else json.dumps(one, ensure_ascii=False)


def _column(rows: Sequence[RawRow], what: str, named: Mapping[str, str], path: Path) -> str:
    found = _found(rows, what, named)
    if found is None:
        wanted = named.get(what) or f"{', '.join(USUAL[what][:-1])} or {USUAL[what][-1]}"
        present = ", ".join(dict.fromkeys(key for row in rows[:100] for key in row.values))
        raise DataError(f"{path}: no column {wanted} (its columns: {present}); name it with --columns {what}=NAME")
    return found


def _found(rows: Sequence[RawRow], what: str, named: Mapping[str, str]) -> str | None:
    candidates: Iterable[str] = [named[what]] if what in named else USUAL[what]
    return next((name for name in candidates if any(_has(row.values, name) for row in rows)), None)


def _has(values: Mapping[str, Any], name: str) -> bool:
    return value_at(values, name) is not None
