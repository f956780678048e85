"""test_graded of r, its policy and the base (a rollout), test_levels (a query) → comparisons (a test set, group,
measure and other model); fails on a regression."""

import logging
from pathlib import Path

from dast.comparison import compare, held, refuse_regressions
from dast.entry import run
from dast.frames import read, read_all
from dast.params.project import load_settings
from dast.smallfiles import write_csv, write_json
from dast.tables import TEST_GRADED, TEST_LEVELS, TEST_QUERIES

log = logging.getLogger("gate")

COLUMNS = (
    *("test_set", "domain", "group", "value", "against", "measure", "n_queries", "difference", "low", "high"),
    *("p_value", "verdict", "gate"),
)


def main(
    *,
    params: Path,
    round_name: str,
    tests: Path,
    levels: Path,
    ours: Path,
    policy: str,
    theirs: Path,
    base: Path,
    plot: Path,
    gate: Path,
) -> None:
    chosen = load_settings(params)
    wish, intervals = chosen.gate, chosen.intervals
    asked, mine = read_all(TEST_QUERIES, tests), read(TEST_GRADED, ours)
    others = {"base": read(TEST_GRADED, base), policy: read(TEST_GRADED, theirs)}
    levelled = asked.select("test_set", "query_id", "domain").join(
        read(TEST_LEVELS, levels).select("test_set", "query_id", "level"), on=["test_set", "query_id"], how="left"
    )
    rows = [row for name, other in others.items() for row in compare(mine, other, levelled, name, intervals)]
    named = {"base": "base", "policy": policy}
    decided = held(mine, {named[it]: others[named[it]] for it in wish.against}, asked, wish, intervals, round_name)
    write_csv(plot, [*rows, *decided], COLUMNS)
    refuse_regressions(decided, wish, intervals, round_name)
    # A constant: the next round's sampling waits for it, and a changed evaluation does not change it.
    write_json(gate, {"passed": True})
    told = [row for row in rows if (row["group"], row["measure"]) == ("all", "pass@1")]
    told += [row for row in decided if row["gate"] == "accepted"]
    log.info(
        "%s",
        "; ".join(
            f"{row['test_set']} {row['measure']} against {row['against']}: {row['difference']:+.3f} "
            f"({row['gate'] or row['verdict']})"
            for row in told
        ),
    )


if __name__ == "__main__":
    run(main)
