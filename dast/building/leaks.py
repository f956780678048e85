"""A prompt's exemplars that turn up in the response: a quoted query, a copied solution, or another query after its own.

Queries of exemplars are cut into blocks of so many words: a response that quotes twice as many in a row holds a whole
block. A solution counts as a whole, since its phrases may be anybody's; so do the words in front of a query
(`Question:`), which begin another one. What the query itself says is no sign, nor are the words behind it (`Answer:`),
which a response may repeat before its own answer. Grain: one rollout.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from dast.engines.protocol import RAW, Message

_ROLES = ("user", "assistant")
_LEAST_LETTERS = 4
"""Letters of the words in front of a query that are a sign by themselves."""


def leaks(rows: pl.DataFrame, prompts: pl.DataFrame, n_words: int) -> pl.Series:
    """Whether each response holds text of the exemplars in its prompt.

    Args:
        rows: rollouts with `prompt_digest`, their query's text as `query`, and `text`, the response with single spaces.
        prompts: what was sent (PROMPTS); a prompt that is not listed showed no exemplars.
        n_words: words of a block, and fewest words of a solution.
    """
    asked = rows.select("prompt_digest", "query").unique().join(prompts, on="prompt_digest")
    found = [
        {"prompt_digest": key, "query": query, "block": block}
        for key, query, messages in asked.select("prompt_digest", "query", "messages").iter_rows()
        for block in _signs(messages, query, n_words)
    ]
    kinds = {"prompt_digest": pl.String, "query": pl.String, "block": pl.String}
    numbered = rows.select("prompt_digest", "query", "text").with_row_index("at")
    pairs = numbered.join(pl.DataFrame(found, schema=kinds), on=["prompt_digest", "query"])
    held = pairs.filter(pl.col("text").str.contains(pl.col("block"), literal=True))
    return numbered["at"].is_in(held["at"].unique().implode())


def _signs(messages: Sequence[Message], query: str, n_words: int) -> set[str]:
    """Texts that only a leak brings into a response."""
    queries, solutions, head = _shown(messages, query)
    if not queries:
        return set()
    copied = [text for text in map(_spaced, solutions) if len(text.split()) >= n_words]
    framing = [text for text in (_spaced(head),) if sum(map(str.isalpha, text)) >= _LEAST_LETTERS]
    quoted = [block for text in queries for block in _blocks(text, n_words)]
    own = _spaced(query)
    return {text for text in (*quoted, *copied, *framing) if text not in own}


def _blocks(text: str, n_words: int) -> Iterator[str]:
    words = text.split()
    for start in range(0, len(words) - n_words + 1, n_words):
        yield " ".join(words[start : start + n_words])


def _shown(messages: Sequence[Message], query: str) -> tuple[Sequence[str], Sequence[str], str]:
    """Queries and solutions of the exemplars, and the words in front of the query.

    In a raw prompt query and solution are one text, and count as a query.
    """
    asked = [place for place, turn in enumerate(messages) if turn["role"] in ("user", RAW)][-1]
    before, _, _ = messages[asked]["content"].rpartition(query)
    if messages[asked]["role"] == RAW:
        *exemplars, head = before.split("\n\n")
        return exemplars, [], head
    by_role = {role: [turn["content"] for turn in messages[:asked] if turn["role"] == role] for role in _ROLES}
    return by_role["user"], by_role["assistant"], before


def _spaced(text: str) -> str:
    return " ".join(text.split())
