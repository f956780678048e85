"""What the tables of the page say, in words; numbers come from the measured rows. Grain: one paragraph a name."""

from __future__ import annotations

from benchmarks.allocation.found import Found
from benchmarks.allocation.studies import BUDGETS, N_WORLDS

SETTING = f"""Simulated queries whose true pass rates are known: 7,500 a world, a pilot of 8 rollouts each, then waves
of up to 4 rollouts a query; a query is capped at 512. The budget is an average of rollouts a query,
pilot counted. Levels are those of the default preset after the pilot. Yield is the sum of min(correct,
4) over the queries that start hard or unsolved (pilot pass rate below 0.4), the pilot's correct ones
counted; newly solved are queries without a correct response in the pilot and with one at the end. The
strategies are the library's own, in the round's own loop. Each number is a mean over {N_WORLDS} worlds
± half its 95 % interval (Student's t). Rollout j of query i is drawn beforehand, so all strategies see
the same draws and differences are taken world by world. dast_budget believes the prior that the
pipeline would fit to the pilot, unless a table says otherwise. Shares are percent throughout."""

TARGETS = """Target, bound and `reached` (dast_budget at first_worth 1, prior fitted) are shares of the oracle's
yield. The oracle knows the rates and serves the highest first, each query until its quota; that is
optimal, since a rollout of an open query brings its rate, and of two rollouts made one after the other
the one of the higher rate may come first without changing what both bring, so that only the lowest
rates are left for what the budget cuts off. The bound is what no strategy can exceed in expectation
that sees verdicts only, even if it knew the world's exact distribution of rates and looked after every
single rollout: by weak duality at most Σ V(λ) + λ × budget for every price λ, where V(λ) is a query's
value when each of its rollouts costs λ, solved exactly over all its states within the cap; the table
takes the least over λ. `rates unknown` is what that leaves between bound and oracle: nobody gets it
after a pilot of 8. `left to the bound` is all that a better strategy could still win."""

FITS = """The counts of the 7B (557, 523, 221) are not what any one distribution of fixed rates expects: the
logarithm of the expected number falls ever more slowly with the tries, whatever the rates, yet it falls
by 0.0039 a try from 65 to 81 and by 0.0045 from 81 to 273. The difference is within the noise of the
counts (34 newly solved where 39 would do), and it leaves hardly any spread: nearly all of the unsolved
would have one rate near 0.0045. Hence a narrow component near 0 (a + b = 300, its weight and mean by
least squares of the counts' logarithms) beside a body that the counts do not settle (assumed Beta(1,
0.6)). One Beta alone fits a little worse ({single}), with a mean of 0.29. The tries may also come from
different decoding settings. The 8B has one count, which settles one number: a, with b = 0.6 assumed.
The other worlds are shapes that a fitted Beta cannot take (two clusters, one part in ten impossible),
and one with few unsolved ones."""

READING = """vanilla and boundary have no quota. uniform (4 correct of each query) and dast (4 for hard and unsolved,
nothing further for the others) are one and the same here, since whoever is neither hard nor unsolved
after 8 rollouts has 4 correct ones already. prop2diff wants ceil(k × fail rate / highest fail rate):
with k = 4 a query with 2 or 3 of 8 correct wants 3; 5 is the least k with which every hard query wants
4. The number behind dast_budget is first_worth; 3 is the default. `newly` counts queries, `waves` looks
at the verdicts."""

DIFFERENCES = """Shares of the oracle's yield, world by world. An interval without 0 is a difference that is no luck."""
PRIORS = """dast_budget alone asks for a prior. Cells: share of the oracle's yield / newly solved, at first_worth 1,
2 and 3. The fitted prior loses nothing against the exact one. A prior that hopes too much (Beta(1, 1),
Beta(2, 2)) spends on hopeless queries: two to nine points of yield at 12, up to three at 32, for more
newly solved. One that hopes too little (Beta(0.26, 0.6)) does as well or better on yield, and solves
fewer newly."""

LOOKS = """World Beta(0.45, 0.6), first_worth 3; each of the two parameters varied with the other at its default.
Larger waves go to all queries of a kind alike, so they move rollouts to the unsolved, whose first
response is worth 3 here. look_cost 0.1 (the default) costs two points of yield at 12, one at 16 and
none at 32 against looking whenever it helps, for a third fewer waves; at 0.5 dast_budget is back to
what dast newly solves. last_rate 0.02 (the default) costs 0.6 points at most, for half the waves at
12."""

PILOTS = """World Beta(0.45, 0.6). Which queries start hard depends on the pilot, so yield here is over all queries
whose true rate is below 0.4, whatever the pilot takes them for; `solved` are those with a correct
response at the end. Quota 4 for medium, too, and nothing further for easy ones. The oracle here needs
no pilot at all, so shares are lower than in the tables above. At 12 rollouts a query a pilot of 8
leaves too little: 2 or 4 bring six to seven points more. At 32 the pilot hardly matters. Levels from 2
or 4 rollouts are worse known (results/difficulty.md), and a smaller pilot gives a prior with more
error."""

FORECAST = """Share of rounds in which the total that came lies in the forecast's interval. Where the prior is of the
world's family, the intervals hold what they promise with the exact prior, and a little less with a
fitted one, since the fit's own error is not in the simulated rounds. In the world like a 7B no Beta
describes the rates: the fitted one expects many small rates where there is a narrow heap near 0.007, so
that fewer unsolved queries give in than is forecast, by about a third, and the interval, which knows
nothing of the prior's shape being wrong, misses. The total of hard queries is right there, too. So a
forecast of newly solved queries is an upper estimate where a model fails for good."""

SPEED = """Equal queries are planned for as one, so time hardly depends on their number. A forecast runs the round
a hundred times: about 4 s for 7,500 queries at 16 rollouts a query."""


def answer(found: Found, usual: str) -> str:
    """The findings in short."""
    key = {"part": "main", "world": usual, "measure": "share"}
    shares = {
        name: " / ".join(f"{100 * found.value(**key, budget=budget, strategy=name):.1f}" for budget in BUDGETS)
        for name in ("vanilla", "prop2diff, 4", "prop2diff, 5", "dast", "dast_budget, 1", "dast_budget, 3", "bound")
    }
    return f"""- World {usual}, share of the oracle's yield at 12 / 16 / 32 rollouts a query: vanilla
{shares["vanilla"]}, prop2diff {shares["prop2diff, 4"]} (k 5: {shares["prop2diff, 5"]}), dast
{shares["dast"]}, dast_budget {shares["dast_budget, 1"]} at first_worth 1 and {shares["dast_budget, 3"]}
at 3.
- The targets (93 / 93 / 96) are missed there, and nobody can reach them after a pilot of 8: no strategy without the
rates expects more than {shares["bound"]}. dast_budget is within half a point of that bound. In the other worlds the
targets are reached where the bound allows it with room, and missed where it does not; of what is missing, at most
one point is the strategy's.
- dast_budget is ahead of prop2diff and dast in every world and at every budget where rollouts are scarce, with
intervals far from 0 (table below); in the world `middle` at 16 and 32 there is enough for everybody and all that
want it get 100.
- More newly solved queries than vanilla: at first_worth 3, the default, in all worlds and at all budgets but three,
the 8B-like world at 12 and 16 and the two clusters at 12, where there are as many; in the first world it costs
4.2 / 2.2 / 0.7 points of yield against first_worth 1. dast solves more queries newly than that at 12 and 16: this is
the trade which first_worth sets, and for as many newly solved as dast has, dast_budget still has the higher yield
(curve below)."""


def curve(found: Found) -> str:
    """What the curve says."""
    rows = {
        budget: [
            name
            for name in found.distinct("strategy", part="curve", belief="fitted", measure="newly")
            if found.value(part="curve", belief="fitted", budget=budget, strategy=name, measure="newly")
            > found.value(part="main", world="Beta(0.45, 0.6)", budget=budget, strategy="vanilla", measure="newly")
            + 5.0
        ]
        for budget in BUDGETS
    }
    least = ", ".join(f"{names[0]} at {budget}" for budget, names in rows.items())
    return f"""World Beta(0.45, 0.6), `min_chance` 0. The dashed line is the bound again, for every worth w of a newly
solved query: of yield + (w − 1) × newly solved nobody expects more than its bound, so no point lies
above the least of these lines. dast_budget runs along it. Least first_worth with more newly solved than
vanilla: {least}. Steps in the table come from waves of four that go to all queries alike: all unsolved
ones get a wave, or none does."""
