"""Ten rollouts of the first queries by the real engine, graded.

Guarantees: they are rollouts that `sample` wants of those queries anyway, and go through the store, so nothing is paid
twice. Grain: one pilot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from dast.grading import Grader, grade_rollouts
from dast.params.sections import Settings
from dast.preflight.findings import Finding, plural
from dast.prompts import sampling_prompt, style_for
from dast.recording import recording
from dast.rollouts import Recorder, wanted
from dast.store.blocks import Asker

N_PILOT = 10
"""Rollouts, one a query: enough to see that responses are read, end and can be graded."""

STAGE = "preflight"
"""Who asked, as the store lists it."""

FEW = 0.5
"""Share of a pilot that is more than chance among ten."""


@dataclass(frozen=True)
class Pilot:
    """What ten rollouts were like; `seconds` is what generating them took, when they were generated."""

    n_rollouts: int
    n_prompt_tokens: int
    n_tokens: int
    seconds: float
    n_truncated: int
    n_failed: int
    """Prompts that were too long, or requests that a server refused."""
    verdicts: Mapping[str, int]
    kept_tokens_per_s: float | None
    """Of whole batches with these settings that the store keeps; None where there are none."""

    @property
    def mean_tokens(self) -> float:
        """Tokens of a response."""
        return self.n_tokens / max(self.n_rollouts, 1)

    @property
    def mean_row_tokens(self) -> float:
        """Tokens of prompt and response."""
        return (self.n_prompt_tokens + self.n_tokens) / max(self.n_rollouts, 1)

    @property
    def tokens_per_s(self) -> float:
        """Generated tokens a second: of whole batches where they are known, else of ten responses at a time."""
        return self.kept_tokens_per_s or self.n_tokens / max(self.seconds, 1e-9)


def run_pilot(settings: Settings, model: Path, queries: pl.DataFrame, round_name: str) -> Pilot:
    """The pilot of the base, as the round's `sample` would ask.

    Raises:
        DastError: whatever would end `sample`: no engine, a model that cannot be loaded, a store that is written to.
    """
    asker = Asker("base", round_name, STAGE)
    with (
        Grader(settings.grading) as grader,
        recording(settings.generation, model, asker, settings.sample.seed, None) as recorder,
    ):
        return pilot_of(settings, queries, recorder, grader)


def pilot_of(settings: Settings, queries: pl.DataFrame, recorder: Recorder, grader: Grader) -> Pilot:
    """The pilot by an open recorder."""
    style, first = style_for(settings.prompt, "base"), queries.head(N_PILOT)
    items = [
        item
        for query_id, query in first.select("query_id", "query").iter_rows()
        for item in wanted(query_id, "sample", [0], sampling_prompt(style, query))
    ]
    graded = grade_rollouts(recorder.collect(items, settings.sample.decoding, "pilot rollouts"), queries, grader)
    cost = recorder.cost()
    return Pilot(
        n_rollouts=graded.height,
        n_prompt_tokens=cost["n_prompt_tokens"],
        n_tokens=cost["n_tokens"],
        seconds=float(cost["seconds"]),
        n_truncated=graded.filter(pl.col("finish_reason") == "length").height,
        n_failed=graded.filter(pl.col("finish_reason") == "error").height,
        verdicts=dict(graded.group_by(pl.col("verdict").cast(pl.String)).len().sort("verdict").iter_rows()),
        kept_tokens_per_s=_kept_speed(recorder),
    )


def _kept_speed(recorder: Recorder) -> float | None:
    kept = recorder.store.holdings() if recorder.store is not None else []
    whole = [one for one in kept if one.settings_digest in recorder.settings and one.stage != STAGE]
    seconds = sum(one.seconds for one in whole)
    return sum(one.n_tokens for one in whole) / seconds if seconds else None


def pilot_findings(pilot: Pilot) -> Iterator[Finding]:
    """What the pilot says, and what in it asks for a look before more is spent."""
    told = ", ".join(f"{count} {name}" for name, count in pilot.verdicts.items())
    told += f"; {pilot.mean_tokens:.0f} tokens on average, {pilot.n_truncated} truncated"
    speed = "in whole batches" if pilot.kept_tokens_per_s else f"{pilot.n_rollouts} at a time"
    told += f"; {pilot.tokens_per_s:,.0f} tokens/s {speed}"
    yield Finding("ok", "pilot", f"{plural(pilot.n_rollouts, 'rollout')}: {told}")
    yield from _alarms(pilot)


def _alarms(pilot: Pilot) -> Iterator[Finding]:
    many = FEW * pilot.n_rollouts
    if pilot.n_failed:
        yield Finding("error", "pilot", f"{pilot.n_failed} failed: prompts too long, or requests refused; see the log")
    if pilot.verdicts.get("ungraded", 0):
        told = f"{pilot.verdicts['ungraded']} ungraded; look at the reference answers, or raise grading.timeout_s"
        yield Finding("warning", "pilot", told)
    if pilot.n_truncated > many:
        told = f"{pilot.n_truncated} truncated; raise sample.decoding.max_new_tokens, or set a stop text"
        yield Finding("warning", "pilot", told)
    if pilot.verdicts.get("no_answer", 0) > many:
        told = f"{pilot.verdicts['no_answer']} state no answer that grading.extraction finds; see the prompt above"
        yield Finding("warning", "pilot", told)
