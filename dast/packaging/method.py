"""The part of a dataset's card that says how it was made: steps, policy, grader, allocation, building.

Guarantees: every number is one of the settings or of the line's own counts. Grain: one text a round.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version

from dast.allocation.registry import strategy_of
from dast.markdown import number, percent
from dast.packaging.facts import CardFacts
from dast.params.augment import Augment, Step
from dast.params.build import Build
from dast.params.section import per_level
from dast.params.sections import Difficulty, Grading
from dast.tables import LEVELS

_ALIKE = ("vanilla", "uniform")
"""Strategies that do not look at how hard a query is."""
_GRADER = ("dast", "math-verify", "sympy")


def making(facts: CardFacts) -> list[str]:
    """Blocks of the card: the idea in plain words, then the steps in order with their numbers."""
    sample, difficulty = facts.recipe.sample, facts.recipe.difficulty
    taken = "taken from the pool, at most" if facts.recorded else "sampled,"
    steps = [
        f"**Plain rollouts**: {taken} {sample.n_rollouts} a query. Policy: {_policy(facts)}.",
        f"**Grading**: {_grading(facts.recipe.grading)}",
        f"**Difficulty**: {_difficulty(difficulty)}",
        f"**Augmentation**: {_augmentation(facts)}",
        f"**Building**: {_building(facts)}",
    ]
    return [_plainly(facts), "\n".join(f"{index}. {step}" for index, step in enumerate(steps, start=1))]


def _plainly(facts: CardFacts) -> str:
    sampled = "the model answered each query several times"
    answers = "several recorded answers to each query are at hand" if facts.recorded else sampled
    keep = facts.recipe.build.keep
    harder = ", more of hard ones, so that training is not mostly on what is known already" * (keep.hard > keep.easy)
    kept = (
        "All answers are kept, right or wrong: a control"
        if facts.recipe.build.unfiltered
        else f"Of the right answers a few are kept of each query{harder}"
    )
    return (
        f"In plain words: {answers}, and a program checked each final answer. How many of a query's answers are right "
        f"says how hard it is for who wrote them. {_tries(facts)} {kept}. A right and a wrong answer to one query make "
        "a preference pair."
    )


def _tries(facts: CardFacts) -> str:
    """Who gets further tries, in plain words."""
    augment = facts.recipe.augment
    if facts.recorded:
        return "More answers would be worth most at hard queries; the recording has none."
    shown = ", or one with worked problems of their kind in front" if augment.ladder.matched.enabled else ""
    alike = augment.strategy in _ALIKE
    whose = "Every query is" if alike else "Queries that need them, above all hard ones and those never solved, are"
    return f"{whose} given more tries, within a budget: with the same prompt{shown}."


def audits(facts: CardFacts) -> list[str]:
    """What the grader's audit found, one line for the plain and one for the further rollouts."""
    parts = {"plain": facts.told["score"].get("audit"), "further": facts.told["augment"].get("audit")}
    return [
        f"Audit of the grades of {name} rollouts: a second, separately written path looked at "
        f"{number(found['n_checked'])} of {number(found['n_pairs'])} different pairs of reference and final answer, "
        f"and disagrees on {number(found['n_disagree'])} ({number(found['n_accepted_yet_different'])} accepted though "
        f"different, {number(found['n_refused_yet_equal'])} refused though equal)."
        for name, found in parts.items()
        if found and found["n_pairs"]
    ]


def _grading(grading: Grading) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in _GRADER)
    return (
        f"the final answer of each response (found by the rules {names(grading.extraction)}, in this order) was "
        f"compared with the reference, exactly, by the project's own algebra, Math-Verify and SymPy ({versions}). A "
        "failure of the grader is `ungraded` and counts nowhere."
    )


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
    total = number(augment.budget.per_query * rows.height)
    budget = (
        f"Budget: {augment.budget.per_query:g} {unit} a query on average, {total} in all, plain rollouts included; "
        f"{number(spent)} rollouts{f' with {number(tokens)} generated tokens' if tokens else ''} were spent."
    )
    solved = facts.told["augment"].get("n_newly_solved")
    gain = f" {number(solved)} queries that no plain rollout had solved were solved." if solved else ""
    how = "Nothing was sampled beyond the pool, whatever was wanted." if facts.recorded else _ladder(augment)
    return f"strategy `{augment.strategy}`: {strategy_of(augment).formula}. {how} {budget}{gain}"


def _ladder(augment: Augment) -> str:
    ladder = augment.ladder
    parts = []
    if ladder.matched.enabled:
        n_exemplars = ladder.matched.exemplars.n_exemplars
        parts.append(
            f"{_moved_on(ladder.more)}queries of the levels {names(ladder.matched.levels)} had solved exemplars of "
            f"their own level in front, {n_exemplars} at most (length control)"
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
    prints = [] if facts.recorded else facts.fingerprints()
    digest = f", SHA-256 of its files {names(prints)}" if prints else ""
    if facts.policy == "base":
        return base + digest
    return f"the model that round `{facts.policy}` trained{digest}; the base is {base}"


def names(listed: Iterable[str]) -> str:
    """Names as code, with commas; a dash for none."""
    return ", ".join(f"`{name}`" for name in listed) or "–"
