"""The page of results, from made-up rows."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.experiments import tabulating
from benchmarks.experiments.afterwards import load_afterwards
from benchmarks.experiments.analysis import Finding, Interval
from benchmarks.experiments.answer import answer, sentence, verdict
from benchmarks.experiments.design import Run, load_design
from benchmarks.experiments.report import write_report, write_validation
from benchmarks.experiments.rows import Row, base_run
from benchmarks.experiments.studies import STUDIES
from dast.errors import DataError
from dast.tables import LEVELS

DESIGN = load_design()
AFTERWARDS = load_afterwards(STUDIES["cpu"].afterwards)
SETS = {"in_domain": 32, "wording": 12, "hard_wording": 16, "longer": 8}
ABOUT = {"design": DESIGN.digest, "settings": "s", "commit": "c", "machine": "m", "versions": {"torch": "2"}}
SECONDS = {"wall": 90.0, "cpu": 80.0}


def digits(rng: np.random.Generator, n: int, rate: float, trials: int) -> str:
    return "".join(map(str, rng.binomial(trials, rate, n)))


def made_tests(rng: np.random.Generator, rate: float) -> dict[str, Any]:
    return {name: {"sample": digits(rng, n, rate, 4), "greedy": digits(rng, n, rate, 1)} for name, n in SETS.items()}


def base_row(run: Run, rng: np.random.Generator) -> Row:
    tests = made_tests(rng, 0.3)
    for name, n in SETS.items():
        tests[name] |= {"levels": ("emhu" * n)[:n], "source_levels": " ".join(["L1", "L10"] * (n // 2)), "ids": "i"}
    return {**run._asdict(), **ABOUT, "seconds": SECONDS, "tests": tests}


def run_row(run: Run, rng: np.random.Generator, rate: float) -> Row:
    kept = {"n": 10, "n_self": 10, "n_queries": 5, "n_times": 20, "n_lucky": 1, "n_chars": 300}
    one = {
        "levels": dict.fromkeys(LEVELS, 5),
        "solved": {"easy": 5, "medium": 5, "hard": 4, "unsolved": 1},
        "steps": {"sample": {"n_rollouts": 80, "n_correct": 30, "n_prompt_tokens": 1000, "n_tokens": 2000}},
        "accepted": {"hard": {"sample": [2, 60], "matched": [1, 50]}},
        "kept": dict.fromkeys(LEVELS, kept),
        "n_pairs": 3,
        "n_trained": 80,
        "epochs": 2.5,
    }
    rounds = [{**one, "tests": made_tests(rng, rate)} for _ in range(3)]
    return {**run._asdict(), **ABOUT, "seconds": SECONDS, "rounds": rounds}


def made(arms: dict[str, float], n_bases: int = 4) -> list[Row]:
    rng = np.random.default_rng(1)
    found = []
    for base in range(n_bases):
        found.append(base_row(base_run(base, 1), rng))
        found += [
            run_row(Run(arm, budget, base, 1), rng, rate) for arm, rate in arms.items() for budget in ("K4", "K8")
        ]
    return found


def finding(mean: float, p: float, p_holm: float | None = None) -> Finding:
    return Finding(DESIGN.primary[0], Interval(mean, mean - 0.01, mean + 0.01, p), {1: mean, 2: mean}, 4, 100, p_holm)


def test_report_says_what_was_measured_and_names_it_primary(tmp_path: Path) -> None:
    rows = made({"vanilla": 0.3, "DAST-P+L": 0.8, "DAST-P": 0.6, "DAST-L": 0.5})
    write_report(DESIGN, AFTERWARDS, rows, tmp_path / "experiments", "Command: `the command`")
    text = (tmp_path / "experiments.md").read_text()
    assert "`the command`" in text
    for contrast in DESIGN.primary:
        assert f"- {contrast.name}: " in text
        assert f"{contrast.name}, K4 alone" in text
    assert text.count("(primary, p ") == 3
    own = next(one for one in AFTERWARDS.contrasts if one.round == 1)
    assert re.search(rf"- {re.escape(own.name)}: .*\(thought of afterwards, p ", text)
    assert all(f"- {note}\n" in text for note in AFTERWARDS.notes)
    (points,) = re.findall(r"DAST-P\+L against vanilla in domain: \+([\d.]+) points", text)
    assert 45 < float(points) < 55
    for name in ("rounds.svg", "contrasts.svg"):
        assert (tmp_path / "experiments" / name).read_text().startswith("<svg")


def test_report_without_rows_of_the_design_is_refused(tmp_path: Path) -> None:
    rows = [row | {"design": "other"} for row in made({"vanilla": 0.3})]
    with pytest.raises(DataError, match="no finished run"):
        write_report(DESIGN, AFTERWARDS, rows, tmp_path / "x", "c")


def test_validation_page_keeps_every_design_that_was_tried(tmp_path: Path) -> None:
    earlier = [row | {"design": "earlier"} for row in made({"vanilla": 0.3, "forgotten": 0.4}, 1)]
    write_validation(DESIGN, [*earlier, *made({"vanilla": 0.3}, 1)], tmp_path / "experiments")
    text = (tmp_path / "experiments_validation.md").read_text()
    assert text.index("## Design earlier") < text.index(f"## Design {DESIGN.digest}")
    assert "| forgotten |" in text


def test_spread_weighs_bases_alike() -> None:
    rows = {
        Run("a", "K8", base, data): {"value": value} for base, data, value in [(1, 1, 2.0), (1, 2, 4.0), (2, 1, 5.0)]
    }
    assert tabulating.spread(rows, lambda row: row["value"]) == "4.0 ± 1.0"
    assert tabulating.spread(rows, lambda row: None) == "–"


def test_tables_of_one_run_by_hand() -> None:
    run = Run("vanilla", "K8", 1, 1)
    row = run_row(run, np.random.default_rng(1), 0.5)
    row["rounds"][2]["tests"]["longer"] = {"sample": "40404040", "greedy": "10000000"}
    rows = {run: row, base_run(1, 1): base_row(base_run(1, 1), np.random.default_rng(2))}
    assert tabulating.accuracy(DESIGN, rows, "longer")[1]["r3"] == "50.0"
    assert tabulating.accuracy(DESIGN, rows, "longer")[1]["greedy r3"] == "12.5"
    (levels,) = tabulating.by_group(DESIGN, rows, "longer", "levels")
    assert [levels[level] for level in LEVELS] == ["100.0", "0.0", "100.0", "0.0"]
    (sources,) = tabulating.by_group(DESIGN, rows, "longer", "source_levels")
    assert (sources["L1"], sources["L10"]) == ("100.0", "0.0")
    assert list(sources)[-2:] == ["L1", "L10"]
    assert tabulating.costs(DESIGN, rows)[0]["generated tokens, k"] == "6"
    assert tabulating.luck(DESIGN, rows)[0]["all"] == "10.0"
    assert tabulating.lengths(DESIGN, rows)[0]["hard, matched"] == "50.0"
    assert tabulating.solved(DESIGN, rows)[0]["unsolved"] == "20.0"
    assert tabulating.training(DESIGN, rows)[0]["hard r1, %"] == "25.0"


def test_verdict_by_corrected_p_value_where_there_is_one() -> None:
    assert verdict(finding(0.1, 0.01, 0.03), 0.05) == "shown"
    assert verdict(finding(0.1, 0.03, 0.09), 0.05) == "not shown"
    assert verdict(finding(-0.1, 0.01), 0.05) == "shown the other way round"
    assert verdict(finding(0.1, math.nan), 0.05) == "too few bases to tell"


def test_sentence_holds_the_figures() -> None:
    told = sentence(finding(0.052, 0.004, 0.012), 0.05)
    assert told == (
        "DAST-P+L against vanilla in domain: +5.2 points [+4.2, +6.2] (primary, p 0.012 after Holm, 2 bases): shown."
    )


def test_answer_asks_every_question() -> None:
    text = answer(DESIGN, [finding(0.1, 0.01, 0.03)], [])
    assert all(f"**{question}**" in text for question in DESIGN.questions.values())
    assert text.count("Nothing was measured.") == len(DESIGN.questions) - 1
