"""What the tables of the page say, in words; numbers come from the measured rows. Grain: one paragraph a name."""

from __future__ import annotations

from benchmarks.allocation.found import Found
from benchmarks.allocation.studies import BUDGETS, N_WORLDS

SETTING = f"""Simulated queries whose true pass rates are known: 7,500 a world, a pilot of 8 rollouts each, then waves of
up to 4 rollouts a query; a query is capped at 512. The budget is an average of rollouts a query, pilot counted. Levels
are those of the default preset after the pilot. Yield is the sum of min(correct, 4) over the queries that start hard or
unsolved (pilot pass rate below 0.4), the pilot's correct ones counted; newly solved are queries without a correct
response in the pilot and with one at the end. The strategies are the library's own, in the round's own loop.
Each number is a mean over {N_WORLDS} worlds ± half its 95 % interval (Student's t). Rollout j of query i is drawn
beforehand, so all strategies see the same draws and differences are taken world by world. dast_budget believes the
prior that the pipeline would fit to the pilot, unless a table says otherwise. Shares are percent throughout."""

TARGETS = """Target, bound and `reached` (dast_budget at first_worth 1, prior fitted) are shares of the oracle's yield. The oracle knows the
rates and serves the highest first, each query until its quota; that is optimal, since a rollout of an open query brings
its rate, and of two rollouts made one after the other the one of the higher rate may come first without changing what
both bring, so that only the lowest rates are left for what the budget cuts off. The bound is what no strategy can
exceed in expectation that sees verdicts only, even if it knew the world's exact distribution of rates and looked after
every single rollout: by weak duality at most Σ V(λ) + λ × budget for every price λ, where V(λ) is a query's value when
each of its rollouts costs λ, solved exactly over all its states within the cap; the table takes the least over λ.
`rates unknown` is what that leaves between bound and oracle: nobody gets it after a pilot of 8. `left to the bound` is all that a
better strategy could still win."""

FITS = """The counts of the 7B (557, 523, 221) are not what any one distribution of fixed rates expects: the expected
logarithm of never-solved queries falls ever more slowly with the tries, yet it falls by 0.0039 a try from 65 to 81 and
by 0.0045 from 81 to 273. The difference is within the noise of the counts (34 newly solved where 39 would do), and it
leaves hardly any spread: nearly all of the unsolved would have one rate near 0.0045. Hence a narrow component near 0
(a + b = 300, its weight and mean by least squares of the counts' logarithms) beside a body that the counts do not
settle (assumed Beta(1, 0.6)). One Beta alone fits a little worse ({single}), with a mean of 0.29 that no 7B model of
that kind has. The tries may also come from different decoding settings. The 8B has one count, which settles one
number: a, with b = 0.6 assumed. The other worlds are shapes that a fitted Beta cannot take (two clusters, one part in
ten impossible), and one without many hard queries."""

READING = """vanilla and boundary have no quota. uniform (4 correct of each query) and dast (4 for hard and unsolved,
nothing further for the others) are one and the same here, since whoever is neither hard nor unsolved after 8 rollouts
has 4 correct ones already. prop2diff wants ceil(k × fail rate / highest fail rate): with k = 4 a query with 2 or 3 of 8
correct wants 3; 5 is the least k with which every hard query wants 4. The number behind dast_budget is first_worth;
2 is the default. `newly` counts queries, `waves` looks at the verdicts."""

DIFFERENCES = """Shares of the oracle's yield, world by world. An interval without 0 is a difference that is no luck."""
PRIORS = LOOKS = PILOTS = FORECAST = SPEED = ""


def answer(found: Found, usual: str) -> str:
    return ""


def curve(found: Found) -> str:
    return ""
