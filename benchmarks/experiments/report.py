"""The page of results: answer, contrasts, tables and plots, from the rows alone.

Guarantees: the page is a function of design and rows; every primary contrast stands in it, whichever way it came out,
and nothing else is called primary. Grain: one page.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.experiments import tabulating
from benchmarks.experiments.afterwards import Afterwards
from benchmarks.experiments.analysis import Finding, findings
from benchmarks.experiments.answer import answer, points, shown_p
from benchmarks.experiments.design import Contrast, Design, Run, planned
from benchmarks.experiments.plots import contrasts_plot, rounds_plot, svg
from benchmarks.experiments.rows import BASE, Row, usable
from dast.errors import DataError
from dast.markdown import table
from dast.smallfiles import write_text

Rows = Mapping[Run, Row]


def write_report(design: Design, afterwards: Afterwards, found: Iterable[Row], folder: Path, played: str) -> None:
    """Writes the page beside `folder`, with its name, and the plots in it.

    Raises:
        DataError: no row of this design.
    """
    rows = usable(found, design.digest)
    if not any(run.arm != BASE for run in rows):
        raise DataError("no finished run of this design yet; play some first")
    primary = findings(design, rows, design.primary, corrected=True)
    other = findings(design, rows, [*_each_budget(design.primary), *design.exploratory], corrected=False)
    later = findings(design, rows, afterwards.contrasts, corrected=False)
    text = page(design, rows, (primary, other, later), afterwards.notes, played, folder.name)
    write_text(folder.with_suffix(".md"), text)
    write_text(folder / "rounds.svg", svg(rounds_plot(design, rows)))
    write_text(folder / "contrasts.svg", svg(contrasts_plot(primary, other)))


def write_validation(design: Design, found: Iterable[Row], folder: Path) -> None:
    """Writes the page of the validation beside `folder`: what settings were chosen by, one design after the other."""
    found = list(found)
    parts = [
        "# Validation runs of the experiments",
        "Settings were chosen on these seeds, none of which is a test seed. Each design that was tried stands by its "
        "digest, in the order in which it was played; pass@1 in percent.",
    ]
    for digest in dict.fromkeys(row["design"] for row in found):
        rows = usable((row for row in found if row["design"] == digest), digest)
        parts.append(f"## Design {digest}")
        for name in _sets(rows):
            parts += [f"### {name}", table(tabulating.accuracy(design, rows, name))]
        parts += [
            *("### Cost", table(tabulating.costs(design, rows))),
            *("### Training sets", table(tabulating.training(design, rows))),
            *("### Right by luck", table(tabulating.luck(design, rows))),
        ]
    write_text(folder.with_name(f"{folder.name}_validation.md"), "\n\n".join(parts) + "\n")


def page(
    design: Design,
    rows: Rows,
    found: tuple[Findings, Findings, Findings],
    notes: Sequence[str],
    played: str,
    plots: str,
) -> str:
    """The page as Markdown.

    Args:
        design: What was fixed beforehand.
        rows: Of this design.
        found: Primary contrasts, exploratory ones, and those that were thought of afterwards.
        notes: What to know of the arms.
        played: The command.
        plots: Folder of the plots beside the page.
    """
    sets = _sets(rows)
    primary, other, later = found
    parts = [
        "# Does difficulty-awareness help?",
        _about(design, rows, played),
        "## Answer",
        answer(design, primary, [*other, *later]),
        _luck(design, rows),
        *(["## Primary contrasts", _PRIMARY, table([_line(one) for one in primary])] if design.primary else []),
        *_unmeasured(design, primary),
        f"![Contrasts]({plots}/contrasts.svg)",
        "## Exploratory contrasts",
        "Not fixed as primary, or at one budget alone; intervals as above, p-values uncorrected.",
        table([_line(one) for one in other]),
        *(["## Thought of afterwards", _AFTERWARDS, table([_line(one) for one in later])] if later else []),
        "## What to know of the arms",
        "\n".join(f"- {note}" for note in notes),
        "## Accuracy by round",
        "pass@1 in percent, mean over bases ± its standard error over bases. Arms with fewer blocks were played on the "
        "first of the bases only, so compare arms by the contrasts, which are paired.",
        f"![pass@1 by round]({plots}/rounds.svg)",
    ]
    for name in sets:
        parts += [f"### {name}", table(tabulating.accuracy(design, rows, name))]
    parts.append(f"## By level, after round {design.measure.round}")
    for name in sets:
        for group, said in (("levels", "by the base's level"), ("source_levels", "by the generator's level")):
            parts += [f"### {name}, {said}", table(tabulating.by_group(design, rows, name, group))]
    for heading, said, lines in _tables(design, rows):
        parts += [f"## {heading}", said, table(lines)]
    parts += ["## Arms", table([{"arm": name, "what": arm.about} for name, arm in design.arms.items()])]
    return "\n\n".join(parts) + "\n"


_PRIMARY = (
    "Fixed before any test seed was run. Difference of pass@1 in points, paired by query. Interval: nested bootstrap "
    "over bases, data seeds and queries, its percentiles widened for the number of bases (with five bases and fewer, a "
    "t interval with the draws' spread); p: the level at which that interval just excludes zero; Holm: corrected among "
    "the primary contrasts."
)
_AFTERWARDS = (
    "Not in the design: these contrasts were thought of when rows had been seen, to ask what else the ones above could "
    "mean. Intervals as above, p-values uncorrected; a question for another experiment rather than an answer."
)

Findings = Sequence[Finding]


def _tables(design: Design, rows: Rows) -> list[tuple[str, str, list[tabulating.Line]]]:
    return [
        (
            "What it cost",
            "A budget is a bound: an arm whose quotas are met spends less. Tokens are of all rounds together.",
            tabulating.costs(design, rows),
        ),
        (
            "What was trained on",
            "Rows and distinct queries of the set, pairs that could be made, passes over the set that the steps come "
            "to, and each level's share of one pass.",
            tabulating.training(design, rows),
        ),
        (
            "How far length control was played",
            tabulating.shown_exemplars.__doc__ or "",
            tabulating.shown_exemplars(design, rows),
        ),
        ("Solved", tabulating.solved.__doc__ or "", tabulating.solved(design, rows)),
        ("Right by luck", tabulating.luck.__doc__ or "", tabulating.luck(design, rows)),
        ("Length of what was accepted", tabulating.lengths.__doc__ or "", tabulating.lengths(design, rows)),
    ]


def _unmeasured(design: Design, primary: Sequence[Finding]) -> list[str]:
    measured = {one.contrast.name for one in primary}
    missing = [one.name for one in design.primary if one.name not in measured]
    return [f"Not measured yet, and counted with p = 1 in the correction: {'; '.join(missing)}."] if missing else []


def _luck(design: Design, rows: Rows) -> str:
    shares = ", ".join(f"{line['arm']} {line['budget']} {line['all']}" for line in tabulating.luck(design, rows))
    told = f"Of the different responses that an arm kept, percent with a wrong step: {shares}."
    return f"**What is right by luck?**\n\n{told}"


def _sets(rows: Rows) -> list[str]:
    return list(dict.fromkeys(name for run, row in rows.items() if run.arm == BASE for name in row["tests"]))


def _each_budget(contrasts: Sequence[Contrast]) -> list[Contrast]:
    return [
        one.model_copy(update={"name": f"{one.name}, {budget} alone", "budgets": [budget], "question": None})
        for one in contrasts
        for budget in one.budgets
        if len(one.budgets) > 1
    ]


def _about(design: Design, rows: Rows, played: str) -> str:
    runs = {run: row for run, row in rows.items() if run.arm != BASE}
    wanted = planned(design, "test")
    hours = {clock: sum(row["seconds"][clock] for row in rows.values()) / 3600 for clock in ("wall", "cpu")}
    machines = sorted({str(row["machine"]) for row in rows.values()})
    versions = sorted({", ".join(f"{k} {v}" for k, v in row["versions"].items()) for row in rows.values()})
    commits = sorted({str(row["commit"]) for row in rows.values()})
    return " · ".join(
        [
            played,
            f"{len(runs.keys() & set(wanted))} of {len(wanted)} runs",
            f"{hours['wall']:.1f} hours of processes with one thread each, {hours['cpu']:.1f} of them on the CPU",
            *machines,
            *versions,
            f"design {design.digest}, code at {', '.join(commits)}",
            time.strftime("%Y-%m-%d"),
        ]
    )


def _line(finding: Finding) -> dict[str, str]:
    cells = {
        "contrast": finding.contrast.name,
        "difference": points(finding.interval.mean),
        "interval": f"[{points(finding.interval.low)}, {points(finding.interval.high)}]",
        "p": shown_p(finding.interval.p),
    }
    if finding.p_holm is not None:
        cells["Holm"] = shown_p(finding.p_holm)
    return {
        **cells,
        "by base": " ".join(points(value) for value in finding.by_base.values()),
        "blocks": str(finding.n_blocks),
        "queries": str(finding.n_queries),
    }
