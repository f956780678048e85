"""Which graded rollouts may become training rows at all; those that may not leave here, each with one reason.

Guarantees: every rollout that came in either comes out or is counted under the first reason that holds for it; what the
grader could not judge, or refused, never comes out, whatever the settings. Grain: one rollout.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import polars as pl

from dast.building.equations import equations, false_equations
from dast.building.leaks import leaks
from dast.building.repetition import repeats
from dast.grading import REFUSED
from dast.params.build import Guards

WHOLE = ("stop", "recorded")
"""Finish reasons of a response that was not cut off."""

_GONE = ("query_id", "rollout_id", "why")


@dataclass(frozen=True)
class Passed:
    """What may be trained on: `text` is the response with single spaces, `whole` that it was not cut off."""

    rows: pl.DataFrame
    gone: pl.DataFrame
    """query_id, rollout_id and `why` of the others."""

    @property
    def left_out(self) -> Counter[str]:
        """How many left, by reason."""
        return Counter(self.gone["why"].to_list())


def passed(rollouts: pl.DataFrame, prompts: pl.DataFrame, guards: Guards, unfiltered: bool) -> Passed:
    """The rollouts that no guard leaves out, with `right`, `whole` and `text`.

    Args:
        rollouts: graded rollouts (GRADED) with their query's text (`query`) and `level`.
        prompts: what was sent (PROMPTS), for what a response may have copied.
        guards: which are looked at.
        unfiltered: every verdict is right.
    """
    right = pl.lit(True) if unfiltered else pl.col("verdict") == "correct"
    rows = rollouts.with_columns(text=spaced("response"), right=right, whole=pl.col("finish_reason").is_in(WHOLE))
    judged = rows.with_columns(why=_plain_reason(guards))
    gone = [judged.filter(pl.col("why").is_not_null()).select(_GONE)]
    rows = judged.filter(pl.col("why").is_null()).drop("why")
    for name, guard in _GUARDS.items():
        bad = guard(rows, guards, prompts)
        if bad is not None:
            gone.append(rows.filter(bad).with_columns(why=pl.lit(name)).select(_GONE))
            rows = rows.filter(~bad)
    return Passed(rows, pl.concat(gone))


def spaced(column: str) -> pl.Expr:
    """A text with every run of white space as one space: what two responses are told apart by."""
    # Single spaces, most of all white space, stay as they are: four times as fast as replacing each of them.
    return pl.col(column).str.replace_all(r"\s{2,}|[^\S ]", " ").str.strip_chars()


def _plain_reason(guards: Guards) -> pl.Expr:
    cut = ~pl.col("whole")
    if guards.truncated == "ignore":
        cut &= pl.col("finish_reason") != "length"
    return (
        pl.when(pl.col("verdict").is_in(("ungraded", "no_answer")))
        .then(pl.col("verdict").cast(pl.String))
        # Its last answer is right: refused as a target, it is no example of a wrong response either.
        .when(pl.col("reason") == REFUSED)
        .then(pl.lit(REFUSED))
        .when(pl.col("text") == "")
        .then(pl.lit("empty"))
        .when(cut)
        .then(pl.lit("truncated"))
    )


def _repetition(rows: pl.DataFrame, guards: Guards, prompts: pl.DataFrame) -> pl.Series | None:
    most = guards.repetition_rate
    if most is None:
        return None
    return pl.Series([repeats(text, most) for text in rows["text"]], dtype=pl.Boolean)


def _leak(rows: pl.DataFrame, guards: Guards, prompts: pl.DataFrame) -> pl.Series | None:
    return None if guards.leak_words is None else leaks(rows, prompts, guards.leak_words)


def _off_length(rows: pl.DataFrame, guards: Guards, prompts: pl.DataFrame) -> pl.Series | None:
    bounds = guards.length
    if bounds is None:
        return None
    length = pl.col("text").str.len_chars()
    usual = rows.filter("right").group_by("level").agg(usual=length.median())
    share = rows.join(usual, on="level", how="left", maintain_order="left").select(share=length / pl.col("usual"))
    return ~share["share"].is_between(bounds.shortest, bounds.longest).fill_null(True)


def _false_equation(rows: pl.DataFrame, guards: Guards, prompts: pl.DataFrame) -> pl.Series | None:
    if guards.equations == "ignore":
        return None
    found = rows.select(found=pl.when("right").then(equations(pl.col("text"))))["found"]
    false = false_equations(found.explode().drop_nulls().unique())
    refuted = found.list.eval(pl.element().is_in(pl.Series(false, dtype=pl.String).implode())).list.any()
    return refuted.fill_null(False)


_GUARDS = {"repetition": _repetition, "leak": _leak, "off_length": _off_length, "false_equation": _false_equation}
"""By the reason that its rows leave with, in the order in which they look."""
