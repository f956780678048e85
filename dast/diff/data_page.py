"""A comparison of data as blocks: a few lines of it for the summary, all of it with examples.

Guarantees: every number of the answer stands on the whole page, which says what it counts. Grain: one pair of rounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dast.diff.data import DataDiff
from dast.diff.page import Block, shown
from dast.diff.rows import REASONS
from dast.markdown import number, percent

_KINDS = {
    "newly_solved": "newly solved",
    "newly_lost": "newly lost",
    "easier": "easier",
    "harder": "harder",
    "same_level": "on the same level",
    "only_in_a": "gone",
    "only_in_b": "new",
}
_COVERED = {
    "solved_plain": "solved by plain rollouts",
    "solved": "solved by any rollout",
    "with_own_row": "with a response of its own among the training rows",
    "with_row": "with any training row",
}
_LEVELS_TABLE = "difficulty"


def data_summary(found: DataDiff) -> Block:
    """The few lines that a person wants first."""
    heading = f"Data, {found.labels[0]} to {found.labels[1]}"
    if found.same:
        counts = (
            f"{found.queries['n_queries']:,} queries, {found.sft['n_a']:,} training rows, {found.dpo['n_a']:,} pairs"
        )
        return Block(f"{heading}: the same ({counts})")
    moves = [] if _lacks_levels(found) else [_moves(found)]
    sentences = [*_missing(found), *moves, *_changed("training rows", found.sft), *_changed("pairs", found.dpo)]
    before, after = found.coverage
    plain, solved, own = (f"{before[f'n_{key}']:,} → {after[f'n_{key}']:,}" for key in list(_COVERED)[:3])
    covered = (
        f"a right answer: {solved} of {after['n_queries']:,} queries ({plain} by plain rollouts, {own} in the rows)"
    )
    moved = found.queries["same_level"] < found.queries["n_queries"] and not _lacks_levels(found)
    return Block(f"{heading}: different", [*sentences, covered], _matrix(found) if moved else [])


def data_blocks(found: DataDiff) -> Iterator[Block]:
    """All of it."""
    yield Block(f"Data, {found.labels[0]} to {found.labels[1]}", _missing(found))
    if not _lacks_levels(found):
        yield Block("Queries by level, before (rows) and after (columns)", [_moves(found)], _matrix(found), deep=True)
    yield Block("Queries with an answer", (), list(_coverage(found)), deep=True)
    sentences = [*_changed("training rows", found.sft), *_changed("pairs", found.dpo)]
    yield Block("Training rows", sentences, list(_reasons(found)), deep=True)
    note = "Rows by each side's own levels; tokens are those of correct plain rollouts, characters those of own rows."
    yield Block("Training rows and lengths by level", [note], list(_levels(found)), deep=True)
    if any(found.left_out):
        note = "Rollouts that build left out of the SFT set, by its reasons."
        yield Block("Left out by build", [note], list(_left_out(found)), deep=True)
    for kind, examples in found.examples.items():
        if examples:
            yield Block(
                f"Examples: {kind.replace('_', ' ')}", (), [_example(one) for one in examples], deep=True, tall=True
            )


def data_json(found: DataDiff) -> dict[str, Any]:
    """All of it for scripts."""
    sides = {"missing": found.missing, "coverage": found.coverage, "left_out": found.left_out}
    return {
        **dict(zip("ab", found.labels, strict=True)),
        "same": found.same,
        "levels": found.levels,
        "queries": found.queries,
        **{name: dict(zip("ab", both, strict=True)) for name, both in sides.items()},
        "sft": found.sft,
        "dpo": found.dpo,
        "by_level": found.by_level,
        "examples": found.examples,
    }


def _lacks_levels(found: DataDiff) -> bool:
    return any(_LEVELS_TABLE in missing for missing in found.missing)


def _missing(found: DataDiff) -> list[str]:
    return [
        f"{label} has no {', '.join(missing)}: no stage has written it"
        for label, missing in zip(found.labels, found.missing, strict=True)
        if missing
    ]


def _moves(found: DataDiff) -> str:
    told = [f"{found.queries[kind]:,} {name}" for kind, name in _KINDS.items() if found.queries[kind]]
    return f"{found.queries['n_queries']:,} queries: {', '.join(told)}"


def _changed(what: str, counts: Mapping[str, Any]) -> Iterator[str]:
    if not counts["n_added"] and not counts["n_dropped"]:
        yield f"{what}: the same {counts['n_a']:,}"
        return
    ends = ", ".join(f"{counts[f'n_{end}']:,} {end}" for end in ("kept", "added", "dropped"))
    yield f"{what} {counts['n_a']:,} → {counts['n_b']:,}: {ends}; overlap {percent(counts['overlap_rate'])}"
    reasons = [f"{end}: {_why(counts[end])}" for end in ("dropped", "added") if counts.get(end)]
    if reasons:
        yield f"  {'; '.join(reasons)}"


def _why(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in reasons.items())


def _matrix(found: DataDiff) -> list[dict[str, Any]]:
    return [
        {"": before, **{after: shown(count) for after, count in row.items()}} for before, row in found.levels.items()
    ]


def _coverage(found: DataDiff) -> Iterator[dict[str, str]]:
    before, after = found.coverage
    yield {"": "queries", "before": shown(before["n_queries"]), "after": shown(after["n_queries"])}
    for key, name in _COVERED.items():
        cells = (f"{shown(side[f'n_{key}'])} ({percent(side[f'{key}_rate'])})" for side in found.coverage)
        yield {"": name, **dict(zip(("before", "after"), cells, strict=True))}


def _reasons(found: DataDiff) -> Iterator[dict[str, str]]:
    for reason, meaning in REASONS.items():
        counts = [found.sft[end].get(reason, 0) for end in ("dropped", "added")]
        if any(counts):
            yield {
                "reason": reason.replace("_", " "),
                "dropped": shown(counts[0]),
                "added": shown(counts[1]),
                "meaning": meaning,
            }


def _levels(found: DataDiff) -> Iterator[dict[str, str]]:
    for row in found.by_level:
        yield {
            "level": row["level"],
            **{name: shown(row.get(f"n_{key}", 0)) for name, key in (("before", "rows_a"), ("after", "rows_b"))},
            **{name: shown(row.get(f"n_{name}", 0)) for name in ("kept", "added", "dropped")},
            **{
                f"{unit} {when}": number(row.get(f"mean_{unit}_{mark}"), 1)
                for unit in ("tokens", "chars")
                for mark, when in (("a", "before"), ("b", "after"))
            },
        }


def _left_out(found: DataDiff) -> Iterator[dict[str, str]]:
    before, after = found.left_out
    for reason in dict.fromkeys([*before, *after]):
        yield {"reason": reason, "before": shown(before.get(reason, 0)), "after": shown(after.get(reason, 0))}


def _example(one: Mapping[str, Any]) -> dict[str, str]:
    head = {"query": shown(one["query"]), "answer": shown(one["answer"])}
    if "text" in one:
        return {**head, "level": shown(one["level"]), "response": one["text"]}
    levels = {"level": f"{one['level_a']} → {one['level_b']}"}
    return {
        **head,
        **levels,
        "before": _graded(one, "a"),
        "after": _graded(one, "b"),
    }


def _graded(one: Mapping[str, Any], mark: str) -> str:
    return "–" if one[f"response_{mark}"] is None else f"{one[f'verdict_{mark}']}: {one[f'response_{mark}']}"
