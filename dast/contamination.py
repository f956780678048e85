"""Texts of training that have words in common with a test query or its reference solution: all of them, or n in a row.

Guarantees: texts are compared by words alone (in lower case; a number, a sign and a LaTeX command are a word each), so
that neither marks nor white space hide a copy; each text with an n-gram in common is told with its evidence, and only
those from the share on that params name are called contaminated, since a stock phrase is no copy. A solution of fewer
words than an n-gram is not looked at: `2+3=5` is everybody's. N-grams are compared by 64 bits of hash, which errs once
in millions of runs. Grain: one text and test set, the nearest text of the set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from dast.errors import DataError
from dast.frames import frame
from dast.params.evaluate import Contamination
from dast.tables import CONTAMINATION

_WORD = r"\p{Han}|\\?[[\p{L}\p{M}]--\p{Han}]+|\p{N}+(?:\.\p{N}+)?|[^\s\w.,;:?!，。；：？！、]"
"""In the syntax of polars: a Chinese character, a run of other letters or a LaTeX command, a number, or one sign."""
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that no bit of a word is lost: the polynomial is taken modulo 2^64."""
_TEXTS_AT_ONCE = 5_000
"""Bounds the memory: a text of a hundred words takes about 10 KB."""


def query_texts(queries: pl.DataFrame) -> pl.DataFrame:
    """Queries and their solutions (QUERIES) as texts for `found_in_tests`."""
    parts = [
        queries.select(_part(part), "query_id", rollout_id=pl.lit(""), text=part).filter(pl.col("text").is_not_null())
        for part in ("query", "solution")
    ]
    return pl.concat(parts)


def rollout_texts(rollouts: pl.DataFrame) -> pl.DataFrame:
    """Every response of rollouts (ROLLOUTS) as texts for `found_in_tests`."""
    return rollouts.select(_part("response"), "query_id", "rollout_id", text="response")


def response_texts(sft: pl.DataFrame, dpo: pl.DataFrame) -> pl.DataFrame:
    """The responses of both training sets (SFT, DPO), each once, as texts for `found_in_tests`."""
    sides = ((sft, "rollout_id", "completion"), (dpo, "chosen_id", "chosen"), (dpo, "rejected_id", "rejected"))
    texts = [
        rows.select(
            _part("response"),
            "query_id",
            pl.col(key).alias("rollout_id"),
            pl.col(turns).list.last().struct.field("content").alias("text"),
        )
        for rows, key, turns in sides
    ]
    return pl.concat(texts).unique(["query_id", "rollout_id"], keep="first", maintain_order=True)


def found_in_tests(texts: pl.DataFrame, tests: pl.DataFrame, wish: Contamination) -> pl.DataFrame:
    """Each text that shares words with a test set's query or solution, and with which (CONTAMINATION).

    `share` is of the text's own different n-grams, `test_share` of the test's text; `words` the first n-gram in common,
    or the start of a text that is the same.

    Args:
        texts: part, query_id, rollout_id and text.
        tests: test queries (TEST_QUERIES).
        wish: length of n-grams, and the share that makes a text contaminated.
    """
    long_enough = (pl.col("test_part") == "query") | (pl.col("words").list.len() >= wish.n_gram)
    theirs = _worded(_test_texts(tests)).filter(long_enough).with_row_index("at")
    places = _places(theirs, wish.n_gram)
    test_grams = places.select("at", "gram").unique()
    parts = (
        _found(_worded(part).with_row_index("at"), theirs, test_grams, wish)
        for part in texts.iter_slices(_TEXTS_AT_ONCE)
    )
    return pl.concat([frame(CONTAMINATION, []), *parts])


def counted(found: pl.DataFrame, n_texts: int, wish: Contamination) -> dict[str, Any]:
    """What was compared and by which settings; texts in all, and by test set those that are the same, share an n-gram,
    or are contaminated."""
    by_set = found.group_by("test_set").agg(
        n_exact=(pl.col("kind") == "exact").sum(), n_shared=pl.len(), n_contaminated=pl.col("contaminated").sum()
    )
    rows = by_set.sort("test_set").iter_rows(named=True)
    return {
        **wish.model_dump(mode="json"),
        "n_texts": n_texts,
        "n_contaminated": contaminated(found).height,
        "tests": {row.pop("test_set"): row for row in rows},
    }


def contaminated(found: pl.DataFrame) -> pl.DataFrame:
    """`part`, `query_id` and `rollout_id` of each contaminated text, once."""
    return found.filter("contaminated").select("part", "query_id", "rollout_id").unique().sort(pl.all())


def told(counts: Mapping[str, Any]) -> str:
    """The counts as one line of text."""
    sets = (
        f"{name}: {row['n_contaminated']} contaminated ({row['n_exact']} the same), {row['n_shared']} share an n-gram"
        for name, row in counts["tests"].items()
    )
    return f"{counts['n_texts']} texts against the tests: {'; '.join(sets) or 'no n-gram in common'}"


def refuse_contaminated(found: pl.DataFrame, wish: Contamination, evidence: str) -> None:
    """Passes when params do not refuse, or no text is contaminated.

    Raises:
        DataError: some are; names one of them and the file `evidence`, which lists them all.
    """
    rows = found.filter("contaminated").sort(CONTAMINATION.key)
    if rows.is_empty() or wish.action != "refuse":
        return
    one = rows.row(0, named=True)
    raise DataError(
        f"{contaminated(found).height} texts of training are contaminated, such as the "
        f"{one['part']} {one['query_id']} {one['rollout_id']}".rstrip()
        + f" by the {one['test_part']} {one['test_query_id']} of {one['test_set']} ({one['words']!r}); "
        f"{evidence} lists them: set contamination.action to drop or report, or raise contamination.min_share"
    )


def _part(name: str) -> pl.Expr:
    return pl.lit(name, CONTAMINATION.schema["part"]).alias("part")


def _test_texts(tests: pl.DataFrame) -> pl.DataFrame:
    """Each query and each solution of TEST_QUERIES."""
    parts = [
        tests.select(
            "test_set", test_query_id="query_id", test_part=pl.lit(part, CONTAMINATION.schema["test_part"]), text=part
        )
        for part in ("query", "solution")
    ]
    return pl.concat(parts).filter(pl.col("text").is_not_null())


def _worded(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(words=pl.col("text").str.to_lowercase().str.extract_all(_WORD)).drop("text")


def _same(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """Pairs of texts with all words the same; texts without words are none."""
    sides = [
        rows.select("at", key=pl.col("words").list.join(" ")).filter(pl.col("key") != "") for rows in (ours, theirs)
    ]
    return sides[0].join(sides[1], on="key", suffix="_test").select("at", "at_test", same=pl.lit(True))


def _found(ours: pl.DataFrame, theirs: pl.DataFrame, test_grams: pl.DataFrame, wish: Contamination) -> pl.DataFrame:
    """CONTAMINATION of some texts (`_worded`), against the different n-grams of the tests."""
    places = _places(ours, wish.n_gram)
    known = places.join(test_grams, on="gram", how="semi").group_by("at", "gram").agg(pl.col("start").min())
    pairs = (
        known.join(test_grams, on="gram", suffix="_test")
        .group_by("at", "at_test")
        .agg(n_shared=pl.len().cast(pl.Int32), start=pl.col("start").min())
        .join(_same(ours, theirs), on=["at", "at_test"], how="full", coalesce=True)
        .with_columns(pl.col("n_shared", "start").fill_null(0), pl.col("same").fill_null(False))
    )
    sizes = places.join(known, on="at", how="semi").group_by("at").agg(n_grams=pl.col("gram").n_unique())
    test_sizes = test_grams.group_by(at_test="at").agg(n_test_grams=pl.len())
    shares = (
        pairs.join(sizes, on="at", how="left")
        .join(test_sizes, on="at_test", how="left")
        .with_columns(
            share=pl.when("same").then(1.0).otherwise(pl.col("n_shared") / pl.col("n_grams")),
            test_share=pl.when("same").then(1.0).otherwise(pl.col("n_shared") / pl.col("n_test_grams")),
        )
        .with_columns(nearness=pl.max_horizontal("share", "test_share"))
        .join(theirs.select("test_set", "test_query_id", "test_part", at_test="at"), on="at_test")
    )
    order = ["same", "nearness", "n_shared", "test_query_id", "test_part"]
    nearest = shares.sort(order, descending=[True, True, True, False, False]).unique(["at", "test_set"], keep="first")
    kind = pl.when("same").then(pl.lit("exact")).otherwise(pl.lit("n_gram")).cast(CONTAMINATION.schema["kind"])
    return (
        nearest.join(ours, on="at")
        .with_columns(
            kind=kind,
            words=pl.col("words").list.slice(pl.col("start"), wish.n_gram).list.join(" "),
            contaminated=pl.col("nearness") >= wish.min_share,
        )
        .select(CONTAMINATION.schema.keys())
    )


def _places(rows: pl.DataFrame, n_gram: int) -> pl.DataFrame:
    """Every place where an n-gram begins: at (the text), gram (a hash) and start (words before it)."""
    flat = rows.select("at", "words").explode("words", empty_as_null=False)
    codes, at = flat["words"].hash(seed=1).to_numpy(), flat["at"].to_numpy()
    size = max(0, len(codes) - n_gram + 1)
    sums = np.zeros(size, dtype=np.uint64)
    for offset in range(n_gram):
        sums = sums * _MULTIPLIER + codes[offset : offset + size]
    begins, ends = at[:size], at[n_gram - 1 :][:size]
    start = np.arange(size, dtype=np.int64) - np.searchsorted(at, begins)
    return pl.DataFrame({"at": begins, "gram": sums, "start": start}).filter(begins == ends)
