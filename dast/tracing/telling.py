"""The life of a row as text for a terminal: one block a chapter, texts word for word. Grain: one row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dast.markdown import number

Told = Mapping[str, Any]
Block = tuple[str, Iterable[str]]

_WIDTH = 11
_SHOWN = 3
_DIGITS = 12

FATES: Mapping[str, str] = {
    "kept": "in the set",
    "incorrect": "wrong answer",
    "no_answer": "no answer found",
    "ungraded": "not graded",
    "duplicate": "has the text of another",
    "same_reasoning": "has another's equations in the same order",
    "over_keep": "right and different, but the level's number was full",
    "over_mix_or_rows": "left for the shares of levels or the size of the set",
    "no_level": "its query has no level",
    "references_alone": "the set is reference solutions alone",
    "contaminated": "has too much in common with a test query",
}
"""In words, for those that the guards of docs/building.md do not name."""


def told(story: Told) -> str:
    """The whole life."""
    blocks = [(title, [line for line in lines if line]) for title, lines in _blocks(story)]
    return "\n\n".join("\n".join([title, *(f"  {line}" for line in lines)]) for title, lines in blocks)


def _blocks(story: Told) -> Iterator[Block]:
    row = story["row"]
    ids = [_line(name, row[name]) for name in ("query_id", "rollout_id", "chosen_id", "rejected_id") if name in row]
    about = [_line(name, row[name]) for name in ("level", "origin", "n_alike") if row.get(name) is not None]
    yield f"{row['table']}:{row['place']} of {row['set']}", [*ids, *about]
    yield "source", _source(story["source"])
    for part in story["rollouts"]:
        yield f"{part['role']} {part['rollout_id']}", _rollout(part)
    yield "level", _level(story["level"])
    yield "further rollouts", _allocation(story["allocation"], story["rollouts"])
    yield "kept", _kept(story)
    yield "recorded by", _recorded(story["recorded"])
    if story["notes"]:
        yield "notes", story["notes"]


def _source(source: Told) -> Iterator[str]:
    if source["source"] is None:
        yield f"query {source['query_id']} is not among the queries here"
        return
    level = f", its level there {source['source_level']}" if source.get("source_level") else ""
    yield _line("from", f"{source['source']}: {source['place'] or 'not in the settings'} ({source['licence']}){level}")
    for name in ("query", "answer", "answer_digest", "solution"):
        if source.get(name) is not None:
            yield _line(name, source[name])


def _rollout(part: Told) -> Iterator[str]:
    yield _line("what", part["what"])
    if "prompt" not in part:
        return
    policy, settings = part["policy"], dict(part["settings"])
    print_ = f"; fingerprint {policy['fingerprint'][:_DIGITS]}…" if policy["fingerprint"] else ""
    yield _line("policy", f"{policy['name']}: {policy['what']}{print_}")
    digest = settings.pop("digest")
    listed = ", ".join(f"{key} {value}" for key, value in settings.items()) or "not at hand"
    yield _line("settings", f"{digest}: {listed}")
    yield from _prompt(part["prompt"])
    yield _line("response", part["response"])
    graded = f"{part['verdict']}{_reason(part['reason'])}, answer {part['predicted'] or 'none'}"
    tokens = "" if part["n_tokens"] is None else f", {number(part['n_tokens'])} tokens"
    yield _line("verdict", f"{graded}; ended by {part['finish_reason']}{tokens}")


def _reason(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def _prompt(prompt: Told) -> Iterator[str]:
    if prompt["messages"] is None:
        yield _line("prompt", f"{prompt['digest']}: its text is not here")
        return
    shown = [one["query_id"] or "no training query" for one in prompt["exemplars"]]
    yield _line("prompt", f"{prompt['digest']}{', worked in front: ' + ', '.join(shown) if shown else ''}")
    for message in prompt["messages"]:
        yield _line(f"  {message['role']}", message["content"])


def _level(level: Told | None) -> Iterator[str]:
    if level is None:
        yield "nothing was estimated of this query"
        return
    yield _line("level", f"{level['level'] or 'none'}, by the plain rollouts of {level['round']}")
    yield _line("pass rate", f"{level['n_correct']} of {level['n_graded']}")
    if level["pass_rate_mean"] is not None:
        ends = f"{level['pass_rate_low']:.3f} to {level['pass_rate_high']:.3f}"
        sure = "decided" if level["decided"] else "not decided"
        yield _line(
            "true rate", f"{level['pass_rate_mean']:.3f}, {100 * level['interval']:g} % interval {ends}; {sure}"
        )


def _allocation(spent: Told | None, parts: Iterable[Told]) -> Iterator[str]:
    if spent is None:
        yield "the round has no allocation of this query"
        return
    yield _line("strategy", f"{spent['strategy']}: {spent['formula']}")
    budget = spent["budget"]
    yield _line("budget", f"{budget['per_query']:g} {budget['unit']} a query on average; waves of {spent['wave_size']}")
    wanted = "as many correct responses as there may be" if spent["wanted"] is None else f"{spent['wanted']} correct"
    cap = "without a cap" if spent["cap"] is None else f"within {spent['cap']} rollouts"
    yield _line("target", f"{wanted}, {cap}")
    yield _line("came of it", f"{spent['spent']} rollouts, {spent['got']} correct: {spent['outcome']}")
    for part in parts:
        if turn := part.get("turn"):
            wave = f"wave {turn['wave']}" if turn["wave_is_exact"] else f"wave {turn['wave']} at the earliest"
            yield _line(
                part["role"],
                f"{turn['step']}, number {turn['nth']} of {turn['of']} further ones, {wave}; "
                f"before it {turn['n_before']} rollouts with {turn['got']} correct",
            )
        elif part.get("step") == "sample":
            yield _line(part["role"], "a plain rollout, which every query has: nobody allocated it")


def _kept(story: Told) -> Iterator[str]:
    kept, row = story["kept"], story["row"]
    siblings = {one["rollout_id"]: one for one in kept["siblings"]}
    if row.get("origin") == "reference":
        yield _line(
            "why", f"reference solutions are {100 * kept['reference_rate']:g} % of the set (build.reference_rate)"
        )
    for part in story["rollouts"]:
        if one := siblings.get(part["rollout_id"]):
            yield _line(part["role"], _standing(one, kept))
    if pair := kept["pair"]:
        most = f"{pair['n_pairs']} pairs of this query, at most {pair['most']}"
        yield _line("pair", f"rule {pair['rule']}: {pair['what']}")
        yield _line("", most + (f"; at most {pair['max_pairs']} in all" if pair["max_pairs"] else ""))
    if row["table"] != "dpo":
        yield _line("rule", _rule(kept))
    yield _line("guards", _guards(kept))
    yield _line("rollouts", f"{len(kept['siblings'])} of this query, and what became of them in sft:")
    for fate, count in kept["fates"].items():
        ids = [one["rollout_id"] for one in kept["siblings"] if one["fate"] == fate]
        more = f" and {count - _SHOWN} more" if count > _SHOWN else ""
        meaning = FATES.get(fate, "left out by this guard or rule")
        yield _line("", f"{count} {fate} ({meaning}): {', '.join(ids[:_SHOWN])}{more}")


def _standing(one: Told, kept: Told) -> str:
    if one["rank"] is None:
        as_other = f" as {one['same_as']}" if one["same_as"] else ""
        return f"{one['fate']}{as_other}"
    side = "wrong" if one["fate"] == "incorrect" else "right"
    n_different = sum(
        other["rank"] is not None and (other["fate"] == "incorrect") == (side == "wrong") for other in kept["siblings"]
    )
    place = f"number {one['rank'] + 1} of {n_different} different {side} responses"
    return f"{one['fate']}: {place}, given in {one['n_rows']} rollout{'s' * (one['n_rows'] != 1)}"


def _rule(kept: Told) -> str:
    first = "those given most often first" if kept["choose"] == "commonest" else "the commonest, then those least alike"
    alike = "text or equations" if kept["same_reasoning"] == "alike" else "text"
    right = "responses whatever their verdict" if kept["unfiltered"] else "right responses"
    return f"at most {kept['keep']} {right} of a query of its level, {first}, none with the {alike} of another"


def _guards(kept: Told) -> str:
    named = {name: value for name, value in kept["guards"].items() if value not in (None, "ignore")}
    listed = ", ".join(f"{name} {value}" for name, value in named.items()) or "none"
    return f"{listed}; hinted {'may' if kept['hinted']['sft'] else 'may not'} stand in sft"


def _recorded(recorded: Told) -> Iterator[str]:
    yield _line("commit", recorded["commit"] or f"none: {recorded['note']}")
    yield _line("table", recorded["path"] + (f", for DVC {recorded['digest']}" if recorded["digest"] else ""))


def _line(label: str, text: object) -> str:
    """A label and its text; further lines of the text stand below its first."""
    return f"{label:<{_WIDTH}} {text}".rstrip().replace("\n", "\n" + " " * (_WIDTH + 3))
