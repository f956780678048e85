"""The part of a dataset's card that says how it was made: steps, policy, prompt, settings.

Guarantees: prompts and settings stand verbatim; what is not known (what a recorded response was asked) is said to be
so. Grain: one text a round.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from dast.allocation.registry import strategy_of
from dast.markdown import number, percent, verbatim
from dast.packaging.facts import CardFacts
from dast.params.augment import Augment, Step
from dast.params.build import Build
from dast.params.decoding import Decoding
from dast.params.section import per_level
from dast.params.sections import Difficulty
from dast.prompts import sampling_prompt, style_for
from dast.tables import LEVELS

_SHOWN_SETTINGS = 3


def making(facts: CardFacts) -> list[str]:
    """Blocks of the card: the steps in order, then prompt and settings."""
    sample, difficulty, augment = facts.recipe.sample, facts.recipe.difficulty, facts.recipe.augment
    taken = "taken from the pool, at most" if facts.recorded else "sampled,"
    steps = [
        f"**Plain rollouts**: {taken} {sample.n_rollouts} a query. Policy: {_policy(facts)}.",
        "**Grading**: the final answer of each response was compared with the reference by Math-Verify and SymPy. "
        "A failure of the grader is `ungraded` and counts nowhere.",
        f"**Difficulty**: {_difficulty(difficulty)}",
        f"**Augmentation**: {_augmentation(facts)}",
        f"**Building**: {_building(facts)}",
    ]
    listed = "\n".join(f"{index}. {step}" for index, step in enumerate(steps, start=1))
    decoding = [_decoding("Plain rollouts", sample.decoding), _decoding("Augmentation", augment.decoding)]
    return [listed, *_prompting(facts), *([] if facts.recorded else decoding)]


def _difficulty(difficulty: Difficulty) -> str:
    prior = (
        "one fitted to these queries (empirical Bayes)"
        if difficulty.prior.kind == "fitted"
        else f"Beta({difficulty.prior.a:g}, {difficulty.prior.b:g})"
    )
    which = {
        "point": "the observed pass rate over plain rollouts gives the level",
        "posterior": "the level is the one that the true pass rate most probably lies in",
    }[difficulty.rule]
    return (
        f"{which}: easy above {difficulty.easy_above:g}, medium from {difficulty.medium_from:g}, hard below; unsolved "
        "when no rollout is correct. The cut-points are this project's choice. Posterior means, intervals of "
        f"{percent(difficulty.interval, 0)} and `decided` (a level more probable than {difficulty.decided_above:g}) "
        f"are those of a binomial with a Beta prior, {prior}."
    )


def _building(facts: CardFacts) -> str:
    build = facts.recipe.build
    kept = "responses **whatever their verdict (a control)**" if build.unfiltered else "different correct responses"
    chosen = "those least alike" if build.choose == "diverse" else "those given most often"
    alike = " or equations" if build.same_reasoning == "alike" else ""
    return (
        f"{kept} at most a query: {per_level(build.keep)}; {chosen} first, none with the text{alike} of another. "
        f"{_guards(build)} {_mix(build)} Pairs at most a query: {per_level(build.pairs)}, by the rule "
        f"`{build.pair_rule}`."
    )


def _guards(build: Build) -> str:
    guards = build.guards
    looked = {
        "cut off by the token limit": guards.truncated == "leave_out",
        f"more than {percent(guards.repetition_rate, 0)} of whose runs of four words repeat": guards.repetition_rate
        is not None,
        f"with {guards.leak_words} words in a row of an exemplar's query": guards.leak_words is not None,
        "with an equation between numbers that does not hold": guards.equations == "leave_out",
        "far off their level's median length": guards.length is not None,
        "hinted": not build.hinted.sft,
    }
    named = [what for what, is_on in looked.items() if is_on]
    return f"Left out: responses {'; '.join(named)}." if named else "No correct response was left out for its form."


def _mix(build: Build) -> str:
    rates = build.level_rates
    levels = ", ".join(f"{level} {percent(rates.at(level), 0)}" for level in LEVELS) + "; " if rates else ""
    size = f", at most {number(build.max_rows)} rows" if build.max_rows else ""
    return f"The mix asked for in `sft`: {levels}{percent(build.reference_rate, 0)} reference solutions{size}."


def _augmentation(facts: CardFacts) -> str:
    augment, rows = facts.recipe.augment, facts.rows["allocation"]
    spent, tokens = (int(rows[name].sum()) for name in ("spent", "spent_tokens"))
    unit = "rollouts" if augment.budget.unit == "rollouts" else "generated tokens"
    budget = (
        f"Budget: {augment.budget.per_query:g} {unit} a query on average, plain rollouts included; {number(spent)} "
        f"rollouts with {number(tokens)} generated tokens were spent in all."
    )
    bound = " Nothing was sampled beyond the pool, whatever was wanted." if facts.recorded else ""
    return f"strategy `{augment.strategy}`: {strategy_of(augment).formula}. {_ladder(augment)} {budget}{bound}"


def _ladder(augment: Augment) -> str:
    ladder = augment.ladder
    parts = []
    if ladder.matched.enabled:
        n_exemplars = ladder.matched.exemplars.n_exemplars
        parts.append(
            f"{_moved_on(ladder.more)}queries of the levels {names(ladder.matched.levels)} had up to {n_exemplars} "
            "solved exemplars of their own level in front (length control)"
        )
    if ladder.decoding.enabled:
        parts.append(f"queries of the levels {names(ladder.decoding.levels)} were drawn by another decoding")
    if ladder.hinted.enabled:
        parts.append(
            f"unsolved queries of the levels {names(ladder.hinted.levels)} were started with the reference solution's "
            "first steps (`hinted`), which counts as no yield"
        )
    return f"Ladder: {'; '.join(parts)}." if parts else "Plain prompts throughout."


def _moved_on(plain: Step) -> str:
    whens = [] if plain.most is None else [f"after {plain.most} more plain rollouts"]
    whens += (
        [f"when a further plain one was correct with probability below {plain.min_chance:g}"]
        if plain.min_chance
        else []
    )
    return f"{' or '.join(whens)}, " if plain.enabled and whens else ""


def _policy(facts: CardFacts) -> str:
    bootstrap = facts.recipe.bootstrap
    base = {
        "tiny": f"a tiny model that this project trains from scratch (seed {bootstrap.tiny.seed})",
        "hub": f"`{bootstrap.source}` at revision `{bootstrap.revision}`",
        "local": f"a local model with digest `{bootstrap.digest}`",
        "none": "none, the responses were recorded elsewhere",
    }[bootstrap.kind]
    return base if facts.policy == "base" else f"the model that round `{facts.policy}` trained; the base is {base}"


def _prompting(facts: CardFacts) -> list[str]:
    messages = sampling_prompt(style_for(facts.recipe.prompt, facts.policy), "{query}")
    if facts.recorded:
        return [
            "### Prompt and settings",
            "The responses were recorded: what was asked, and by which settings, is not known.",
        ]
    settings = facts.rows["settings"]
    shown = [verbatim(_pretty(text), "json") for text in settings["settings"].head(_SHOWN_SETTINGS)]
    more = settings.height - len(shown)
    return [
        "### Prompt and settings",
        "The prompt, verbatim; `{query}` stands for the query:",
        *(f"{message['role']}:\n\n{verbatim(message['content'], 'text')}" for message in messages),
        "Settings as recorded" + (f" ({more} more in the config `settings`):" if more > 0 else ":") if shown else "",
        *shown,
    ]


def _decoding(what: str, decoding: Decoding) -> str:
    limit = decoding.top_k or "no limit"
    return (
        f"{what}: temperature {decoding.temperature:g}, top-p {decoding.top_p:g}, top-k {limit}, "
        f"at most {decoding.max_new_tokens} new tokens."
    )


def names(listed: Iterable[str]) -> str:
    """Names as code, with commas; a dash for none."""
    return ", ".join(f"`{name}`" for name in listed) or "–"


def _pretty(text: str) -> str:
    return json.dumps(json.loads(text), indent=1, ensure_ascii=False, sort_keys=True)
