"""From graded rollouts to training sets: which responses are kept, and which are paired.

Rows leave the line here and nowhere else, each counted by its reason. Training prompts are always the plain prompt,
whatever stood in front when a response was drawn. Deterministic: which of several equal candidates is kept follows from
digests of their ids and the seed. Grain: one row a prompt-completion (SFT), one a chosen-rejected pair (DPO).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from dast.errors import DataError
from dast.grading import REFUSED
from dast.params.sections import Build, PromptStyle
from dast.prompts import completion, digest, plain_prompt
from dast.tables import DPO, LEVELS, SFT, frame
from dast.tiny.world import steps_right

WHOLE = ("stop", "recorded")
"""Finish reasons of a response that was not cut off."""


@dataclass
class Kept:
    """A response that may become a training row, and how many rollouts of its query gave the same text."""

    rollout_id: str
    response: str
    n_alike: int = 1


@dataclass
class Candidates:
    """What is left of a round's graded rollouts for training, by query; `left_out` counts the rest by reason."""

    right: dict[str, list[Kept]] = field(default_factory=dict)
    wrong: dict[str, list[Kept]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Built:
    """Both sets of a round, and its counts: `left_out` by reason, `levels` one row a level."""

    sft: pl.DataFrame
    dpo: pl.DataFrame
    left_out: Mapping[str, int]
    levels: Sequence[Mapping[str, object]]


def build_sets(
    *,
    queries: pl.DataFrame,
    graded: pl.DataFrame,
    difficulty: pl.DataFrame,
    previous: pl.DataFrame,
    style: PromptStyle,
    settings: Build,
    round_name: str,
) -> Built:
    """SFT and DPO sets of a round.

    Args:
        queries: train queries; their solutions are D_o (QUERIES).
        graded: every graded rollout of the round, the augmentation's included (GRADED).
        difficulty: levels of the round that `levels` names (DIFFICULTY).
        previous: SFT rows of the policy, joined when `settings.accumulate` (SFT).
        style: prompt of a tuned model.
        settings: what is kept.
        round_name: stands in every new row.
    """
    texts = dict(queries.select("query_id", "query").iter_rows())
    levels: dict[str, str | None] = dict(difficulty.select("query_id", "level").iter_rows())
    found = candidates(graded, settings)
    make = _RowMaker(texts, levels, style, round_name)
    own = make.own_rows(found, settings)
    if settings.accumulate:
        own += make.earlier_rows(previous, own, found.left_out)
    reference = make.reference_rows(queries, len(own), settings)
    kept = [] if settings.reference_rate == 1.0 else own
    sft, dpo = frame(SFT, kept + reference), frame(DPO, make.pair_rows(found, settings))
    return Built(sft, dpo, dict(found.left_out), _level_rows(sft, dpo, texts))


def candidates(graded: pl.DataFrame, settings: Build) -> Candidates:
    """Responses that may be trained on: whole, not empty, each text once a query, those given most often first.

    What a policy says often it rarely says by luck: of two right answers the commoner way is the safer one to keep.
    """
    found = Candidates()
    columns = ("query_id", "rollout_id", "response", "verdict", "reason", "finish_reason")
    seen: dict[tuple[str, str], Kept] = {}
    rows = list(graded.select(columns).iter_rows())
    for query_id, rollout_id, response, verdict, why, finish in sorted(
        rows, key=lambda row: (row[0], digest([settings.seed, row[1]]))
    ):
        text = " ".join(response.split())
        reason = _reason_to_leave_out(text, verdict, why, finish)
        if reason is None and (query_id, text) in seen:
            seen[query_id, text].n_alike += 1
            reason = "duplicate"
        if reason:
            found.left_out[reason] += 1
            continue
        seen[query_id, text] = Kept(rollout_id, response)
        side = found.right if verdict == "correct" or settings.unfiltered else found.wrong
        side.setdefault(query_id, []).append(seen[query_id, text])
    for kept in (*found.right.values(), *found.wrong.values()):
        kept.sort(key=lambda one: -one.n_alike)  # stable: ties stay in the order that the seed drew
    return found


def _reason_to_leave_out(text: str, verdict: str, why: str | None, finish: str) -> str | None:
    if verdict in ("ungraded", "no_answer"):
        return verdict
    # Its last answer is right: refused as a target, it is no example of a wrong response either.
    if why == REFUSED:
        return REFUSED
    if not text:
        return "empty"
    return None if finish in WHOLE else "truncated"


@dataclass
class _RowMaker:
    texts: Mapping[str, str]
    levels: Mapping[str, str | None]
    style: PromptStyle
    round_name: str

    def own_rows(self, found: Candidates, settings: Build) -> list[dict[str, Any]]:
        """Kept responses of this round, up to the level's number a query."""
        rows = []
        for query_id, kept in found.right.items():
            level = self.levels.get(query_id)
            if level is None:
                found.left_out["no_level"] += len(kept)
                continue
            most = settings.keep.at(level)
            found.left_out["over_keep"] += max(0, len(kept) - most)
            rows += [self._sft_row(query_id, one, "self") for one in kept[:most]]
        return rows

    def earlier_rows(
        self, previous: pl.DataFrame, own: Sequence[Mapping[str, Any]], left_out: Counter[str]
    ) -> list[dict[str, Any]]:
        """Rows of the policy's own set that say something new; their level is this round's."""
        seen = {(row["query_id"], row["completion"][0]["content"]) for row in own}
        rows = []
        for row in previous.filter(pl.col("origin") == "self").iter_rows(named=True):
            if (row["query_id"], row["completion"][0]["content"]) in seen or row["query_id"] not in self.texts:
                left_out["earlier_repeated"] += 1
            else:
                rows.append({**row, "level": self.levels.get(row["query_id"])})
        return rows

    def reference_rows(self, queries: pl.DataFrame, n_own: int, settings: Build) -> list[dict[str, Any]]:
        """Reference solutions, as many as make `reference_rate` of the set (or as there are)."""
        solved = queries.filter(pl.col("solution").is_not_null()).select("query_id", "solution")
        rows = sorted(solved.iter_rows(), key=lambda row: digest([settings.seed, row[0]]))
        rate = settings.reference_rate
        count = len(rows) if rate == 1.0 else round(n_own * rate / (1.0 - rate))
        return [self._sft_row(query_id, Kept("reference", text), "reference") for query_id, text in rows[:count]]

    def pair_rows(self, found: Candidates, settings: Build) -> list[dict[str, Any]]:
        """Preference pairs, up to the level's number a query: both lists walked in parallel, no pair twice."""
        rows = []
        for query_id in sorted(found.right.keys() & found.wrong.keys()):
            level = self.levels.get(query_id)
            if level is None:
                continue
            for chosen, rejected in _pairs(found.right[query_id], found.wrong[query_id], settings.pairs.at(level)):
                rows.append(self._dpo_row(query_id, chosen, rejected))
        return rows

    def _sft_row(self, query_id: str, kept: Kept, origin: str) -> dict[str, Any]:
        text = {"rollout_id": kept.rollout_id, "n_alike": kept.n_alike, "completion": completion(kept.response)}
        return {**self._about(query_id), **text, "origin": origin}

    def _dpo_row(self, query_id: str, chosen: Kept, rejected: Kept) -> dict[str, Any]:
        return {
            **self._about(query_id),
            "chosen_id": chosen.rollout_id,
            "rejected_id": rejected.rollout_id,
            "chosen": completion(chosen.response),
            "rejected": completion(rejected.response),
        }

    def _about(self, query_id: str) -> dict[str, Any]:
        prompt = plain_prompt(self.style, self.texts[query_id])
        return {"query_id": query_id, "level": self.levels.get(query_id), "round": self.round_name, "prompt": prompt}


def _pairs(right: Sequence[Kept], wrong: Sequence[Kept], most: int) -> Iterator[tuple[Kept, Kept]]:
    seen: set[tuple[str, str]] = set()
    for index in range(min(most, len(right) * len(wrong))):
        pair = right[index % len(right)], wrong[index % len(wrong)]
        key = (pair[0].rollout_id, pair[1].rollout_id)
        if key in seen:
            return
        seen.add(key)
        yield pair


def _level_rows(sft: pl.DataFrame, dpo: pl.DataFrame, texts: Mapping[str, str]) -> list[dict[str, object]]:
    rows = sft.with_columns(text=pl.col("completion").list.first().struct.field("content"))
    return [
        _level_row(level, rows.filter(pl.col("level") == level), dpo.filter(pl.col("level") == level), texts)
        for level in LEVELS
    ]


def _level_row(level: str, sft: pl.DataFrame, dpo: pl.DataFrame, texts: Mapping[str, str]) -> dict[str, object]:
    own = sft.filter(pl.col("origin") == "self")
    return {
        "level": level,
        "n_self": own.height,
        "n_reference": sft.height - own.height,
        "n_pairs": dpo.height,
        "mean_chars": own.select(pl.col("text").str.len_chars().mean()).item(),
        "lucky_rate": lucky_rate([(texts[row[0]], row[1]) for row in own.select("query_id", "text").iter_rows()]),
    }


def lucky_rate(kept: Sequence[tuple[str, str]]) -> float | None:
    """Share of kept (query, response) pairs with a wrong step; None where the steps are not known (real queries)."""
    verdicts = [_steps_right(query, response) for query, response in kept]
    known = [right for right in verdicts if right is not None]
    return sum(not right for right in known) / len(known) if known else None


def _steps_right(query: str, response: str) -> bool | None:
    try:
        return steps_right(query, response)
    except DataError:  # not a query of the built-in generator
        return None
