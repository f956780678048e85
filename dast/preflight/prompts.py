"""The first prompt of each kind, as the engine would send it.

Guarantees: rendered by the engines' own rendering. Exemplars come from the reference solutions of the first queries,
all taken for one level: which will stand there is known only after sampling. Grain: one prompt a kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import polars as pl

from dast.engines.protocol import Message
from dast.engines.rendering import render
from dast.errors import DastError
from dast.exemplars import shelf_of
from dast.frames import frame
from dast.hints import hint, share_at
from dast.params.sections import Settings
from dast.policies.counting import TokenCounter
from dast.preflight.findings import Finding, Specimen
from dast.prompts import prompt_with, sampling_prompt, started
from dast.rollouts import wanted
from dast.tables import DIFFICULTY, SFT, TEST_QUERIES

N_LOOKED_AT = 200
"""Queries that exemplars and hints are looked for among: more takes seconds and shows nothing else."""


class Kind(NamedTuple):
    """A kind of prompt: its first one, and the most tokens of a response to it."""

    name: str
    messages: Sequence[Message]
    max_new_tokens: int


def kinds_of(settings: Settings, queries: pl.DataFrame, count: TokenCounter) -> Iterator[Kind | Finding]:
    """The kinds in use, first the plain one; a finding for one that no query has.

    Args:
        settings: of a round.
        queries: train queries (QUERIES), one at least.
        count: tokens by the base's tokenizer.
    """
    styles, some, augment = settings.prompt, queries.head(N_LOOKED_AT), settings.augment
    query = str(queries.item(0, "query"))
    yield Kind("plain", sampling_prompt(styles.base, query), settings.sample.decoding.max_new_tokens)
    if styles.tuned != styles.base:
        tuned = sampling_prompt(styles.tuned, query)
        yield Kind("plain, of a trained model", tuned, settings.sample.decoding.max_new_tokens)
    longest = augment.decoding.max_new_tokens
    if augment.ladder.matched.enabled:
        shown = _matched(settings, some, count)
        yield Kind("matched", shown, longest) if shown else _none("matched", "no solved query fits max_exemplar_tokens")
    if augment.ladder.hinted.enabled:
        begun = _hinted(settings, some)
        yield Kind("hinted", begun, longest) if begun else _none("hinted", "no start can be shown without the answer")


def shown(kinds: Sequence[Kind], tokenizer: Any, limit: int) -> Iterator[Finding | Specimen]:
    """Each prompt as sent, and whether it leaves its response room in `limit` tokens."""
    for kind in kinds:
        (item,) = wanted("q", "sample", [0], kind.messages)
        try:
            fits, refused = render([item], tokenizer, limit)
        except (DastError, ValueError) as error:
            yield Finding("error", f"prompt, {kind.name}", str(error))
            continue
        if refused:
            told = f"{refused[0][1].n_prompt_tokens:,} tokens leave no room; raise generation.max_model_tokens"
            yield Finding("error", f"prompt, {kind.name}", told)
            continue
        ((_, ids),) = fits
        yield _room(kind, len(ids), limit)
        yield Specimen(f"{kind.name}, {len(ids):,} tokens", tokenizer.decode(ids))


def _room(kind: Kind, n_tokens: int, limit: int) -> Finding:
    subject, told = f"prompt, {kind.name}", f"{n_tokens:,} tokens and {kind.max_new_tokens:,} of a response"
    if n_tokens + kind.max_new_tokens > limit:
        advice = "raise generation.max_model_tokens, or responses are cut off"
        return Finding("warning", subject, f"{told} are more than {limit:,}; {advice}")
    return Finding("ok", subject, f"{told} fit in {limit:,}")


def _matched(settings: Settings, queries: pl.DataFrame, count: TokenCounter) -> list[Message] | None:
    wish = settings.augment.ladder.matched
    level = str(wish.levels[0]) if wish.levels else "hard"
    references = wish.exemplars.model_copy(update={"source": "references"})
    levels = frame(DIFFICULTY, [_as_level(query_id, level) for query_id in queries.get_column("query_id")])
    no_tests, no_rows = frame(TEST_QUERIES, []), frame(SFT, [])
    if queries.get_column("solution").null_count() == queries.height:
        return None
    shelf = shelf_of(no_rows, queries, levels, no_tests, references, count, settings.augment.seed)
    for query_id, query in queries.select("query_id", "query").iter_rows():
        if found := shelf.matched(query_id, query, level):
            return prompt_with(settings.prompt.base, query, found)
    return None


def _as_level(query_id: str, level: str) -> dict[str, object]:
    unknown = dict.fromkeys(("pass_rate", "pass_rate_mean", "pass_rate_low", "pass_rate_high"))
    return {"query_id": query_id, "n_graded": 0, "n_correct": 0, **unknown, "decided": False, "level": level}


def _hinted(settings: Settings, queries: pl.DataFrame) -> list[Message] | None:
    share = share_at(0, settings.augment.ladder.hinted.start)
    for query, answer, solution in queries.select("query", "answer", "solution").iter_rows():
        start = hint(solution, answer, share) if solution is not None else None
        if start is not None:
            return started(sampling_prompt(settings.prompt.base, query), start)
    return None


def _none(name: str, why: str) -> Finding:
    return Finding("warning", f"prompt, {name}", f"none of the first {N_LOOKED_AT} queries has one: {why}")


def training_row(queries: pl.DataFrame) -> tuple[str, str]:
    """The first query and its solution, or its answer where it has none: what a training row holds."""
    query, answer, solution = queries.select("query", "answer", "solution").row(0)
    return str(query), str(solution if solution is not None else answer)
