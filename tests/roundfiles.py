"""Small files of a base and rounds, as the stages write them, for the tests that read them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from dast.params.project import Project, load_project
from dast.params.writing import yaml_text
from dast.smallfiles import write_csv, write_json, write_text
from tests.makers import ROOT

LEVELS = ("easy", "medium", "hard", "unsolved")
VERDICTS = ("correct", "incorrect")
AUDIT = {
    **{f"n_{name}": 0 for name in ("checkers_disagree", "refused_yet_equal", "boxes_differ", "boxes_differ_refused")},
    "n_pairs": 40,
    "n_checked": 38,
    "n_disagree": 1,
    "n_accepted_yet_different": 1,
    "n_ungraded": 2,
}
MIX = {"r1": (200, 150, 250, 320), "r2": (480, 200, 140, 100), "r3": (600, 160, 100, 60)}


@cache
def _default() -> Project:
    return load_project(ROOT / "presets" / "default.yaml")


def write_base(metrics: Path) -> None:
    """The base: evaluated, nothing sampled."""
    write_json(metrics / "base" / "prepare.json", {"tiny": {"read": 920, "kept": 920}})
    write_json(metrics / "base" / "gate.json", {"passed": True})
    _write_evaluation(metrics / "base", 0.1)


def write_round(metrics: Path, name: str, policy: str, *, evaluated: bool = True) -> None:
    """A round of the default params; without training and evaluation where `evaluated` is false."""
    folder, order = metrics / name, list(MIX).index(name)
    settings = _default().settings_of(name)
    settings["round"].update({"policy": policy, "init": policy})
    settings["sample"] = {**settings["sample"], "seed": 11 + order}
    write_text(folder / "params.yaml", yaml_text(settings))
    write_json(folder / "sample.json", {"n_queries": 920, "n_rollouts": 3680, "n_tokens": 150_000, "seconds": 9.5})
    counts = dict(zip(LEVELS, MIX[name], strict=True))
    found = {"n_rollouts": 3680, "mean_pass_rate": 0.3 + 0.2 * order, "levels": counts, "audit": AUDIT}
    write_json(folder / "difficulty.json", found)
    write_csv(folder / "audit_sample.csv", [_pair_row("sampled"), _pair_row("accepted_yet_different")])
    write_csv(folder / "lengths.csv", [_length_row(level, verdict) for level in LEVELS for verdict in VERDICTS])
    moves = [] if policy == "base" else _move_rows(policy, counts)
    write_csv(folder / "transitions.csv", moves, ("since", "before", "after", "n_queries", "expected", "sd"))
    kinds = [(level, verdict) for level in LEVELS for verdict in VERDICTS]
    write_json(
        folder / "rollouts.json",
        {
            "counts": [{"level": level, "verdict": verdict, "n_rollouts": 460} for level, verdict in kinds],
            "rollouts": [_rollout(*kind, f"{name} {number}") for kind in kinds for number in range(2)],
        },
    )
    write_csv(folder / "levels.csv", [_level_row(level, count) for level, count in counts.items()])
    histogram = [{"pass_rate": step / 4, "n_queries": 100 + 40 * step * order + 60 * (4 - step)} for step in range(5)]
    write_csv(folder / "pass_rate.csv", histogram)
    write_csv(folder / "allocation.csv", [_allocation_row(level, count) for level, count in counts.items()])
    write_json(folder / "augment.json", {"n_spent": 3600, "strategy": "dast", "formula": "quotas by level"})
    write_csv(folder / "forecast.csv", [_forecast_row(level, count) for level, count in counts.items()])
    write_csv(folder / "ladder.csv", [_ladder_row(level, count) for level, count in counts.items()])
    write_csv(folder / "build.csv", [_build_row(level, count) for level, count in counts.items()])
    write_json(folder / "build.json", {"n_sft": 1500, "left_out": {"over_cap": 12}})
    if evaluated:
        curve = [_curve_row(step, order) for step in range(1, 13)]
        extra = [{**row, "reward": 0.1} for row in curve] if name == "r3" else curve
        write_csv(folder / "train.csv", extra)
        write_json(folder / "train.json", {"method": "sft", "steps": 120, "loss_first": 0.9, "loss_last": 0.1})
        _write_evaluation(folder, 0.5 + 0.15 * order)
        write_csv(
            folder / "comparisons.csv",
            [_comparison_row("base", 0.4), _comparison_row(policy, 0.1), _comparison_row("base", 0.5, "hard")],
        )
        write_json(folder / "gate.json", {"passed": True})


def _curve_row(step: int, order: int) -> dict[str, float]:
    pairs = {"reward_accuracy": 0.5 + 0.03 * step, "logps_chosen": step - 20.0, "logps_rejected": -step - 20.0}
    return {"step": 10 * step, "loss": 1.2 / (step + order), "learning_rate": 5e-4, **pairs}


def write_line(metrics: Path) -> None:
    """A base and three rounds, each sampled by the one before."""
    write_base(metrics)
    for name, policy in (("r1", "base"), ("r2", "r1"), ("r3", "r2")):
        write_round(metrics, name, policy)


def _write_evaluation(folder: Path, accuracy: float) -> None:
    rows: list[dict[str, object]] = []
    for test_set, domain, drop in (("in_domain", "in", 0.0), ("wording", "out", 0.1), ("longer", "out", 0.3)):
        groups = [("all", "all", 0.0)]
        groups += [("source_level", f"L{level}", 0.04 * level) for level in range(1, 9)] if domain == "in" else []
        groups += [("level", level, 0.1 * index) for index, level in enumerate(LEVELS)] if domain == "in" else []
        for group, value, harder in groups:
            rows += _measured((test_set, domain, group, value), max(0.01, accuracy - drop - harder))
    write_csv(folder / "accuracy.csv", rows)
    write_csv(folder / "responses.csv", [_response_row(name) for name in ("in_domain", "wording", "longer")])
    write_json(folder / "evaluate.json", {"in_domain": {"pass@1": accuracy, "greedy": accuracy + 0.03}})


def _measured(place: Sequence[str], accuracy: float) -> list[dict[str, object]]:
    head = dict(zip(("test_set", "domain", "group", "value"), place, strict=True))
    measures = (("pass@1", accuracy, 0.02), ("pass@4", accuracy + 0.1, 0.02), ("greedy", accuracy + 0.03, 0.025))
    rows: list[dict[str, object]] = [
        {**head, "n_queries": 320, "measure": name, "estimate": estimate, "se": error, **_ends(estimate, 2 * error)}
        for name, estimate, error in measures
    ]
    return [
        *rows,
        {**head, "n_queries": 320, "measure": "guess", "estimate": 0.05, **dict.fromkeys(("se", "low", "high"))},
    ]


def _ends(middle: float, half: float) -> dict[str, object]:
    return {"low": middle - half, "high": middle + half}


def _response_row(test_set: str) -> dict[str, object]:
    counts = {"n_rollouts": 1280, "n_ungraded": 0, "ungraded_rate": 0.0, "no_answer_rate": 0.0125, "n_truncated": 32}
    lengths = {"truncated_rate": 0.025, "mean_tokens": 41.25, "mean_tokens_correct": None}
    return {"test_set": test_set, "domain": "in", "decoding": "sample", **counts, **lengths}


def _level_row(level: str, count: int) -> dict[str, object]:
    return {
        "level": level,
        "n_queries": count,
        "n_decided": count // 2,
        "n_rollouts": 4 * count,
        "n_correct": 2 * count,
        "mean_tokens": 30.5,
        "mean_chars": 90.25,
    }


def _allocation_row(level: str, count: int) -> dict[str, object]:
    wanted = {"easy": 1, "medium": 4, "hard": 4, "unsolved": 4}[level] * count
    return {
        "level": level,
        "n_queries": count,
        "wanted": wanted,
        "spent": 8 * count,
        "spent_tokens": 300 * count,
        "got": wanted // 2,
        "n_newly_solved": count // 10 if level == "unsolved" else 0,
    }


def _move_rows(since: str, counts: dict[str, int]) -> list[dict[str, object]]:
    """Half of each level stays, the rest becomes easy; noise alone would move a tenth."""
    cells = {
        (before, after): (n // 2 if before == after != "easy" else n - n // 2 if after == "easy" != before else 0)
        for before, n in counts.items()
        for after in LEVELS
    }
    cells["easy", "easy"] = counts["easy"]
    expected = {place: counts[place[0]] * (0.7 if place[0] == place[1] else 0.1) for place in cells}
    easier = sum(n for (before, after), n in cells.items() if before != after)
    total = sum(counts.values())
    rows = [(*place, n, expected[place], 2.0) for place, n in cells.items()]
    rows += [("all", "easier", easier, 0.15 * total, 5.0), ("all", "same", total - easier, 0.7 * total, 6.0)]
    rows += [("all", "harder", 0, 0.15 * total, 5.0)]
    names = ("before", "after", "n_queries", "expected", "sd")
    return [{"since": since, **dict(zip(names, row, strict=True))} for row in rows]


def _rollout(level: str, verdict: str, text: str) -> dict[str, object]:
    texts = {
        "query": f"Query {text}?",
        "answer": "4",
        "response": f"So {text}\n#### 4",
        "predicted": "4",
        "reason": None,
    }
    counts = {"n_tokens": 12, "n_correct": 1, "n_graded": 4}
    about = {"query_id": f"id {text}", "step": "sample", "finish_reason": "stop"}
    return {"level": level, "verdict": verdict, **about, **texts, **counts}


def _pair_row(kind: str) -> dict[str, object]:
    said = {"answer": "1/2", "predicted": "0.5", "verdict": "correct", "reason": None, "crosscheck": "different"}
    return {"kind": kind, **said, "n_rollouts": 3}


def _length_row(level: str, verdict: str) -> dict[str, object]:
    chars = {"mean_chars": 50.5, "median_chars": 40.0 + 10 * LEVELS.index(level), "q90_chars": 90.0}
    tokens = {"n_known_tokens": 0, "mean_tokens": None, "median_tokens": None, "q90_tokens": None}
    return {"level": level, "verdict": verdict, "n_rollouts": 10, **chars, **tokens}


def _forecast_row(level: str, count: int) -> dict[str, object]:
    return {"level": level, "measure": "spent", "expected": 8.5 * count, "low": count, "high": 9 * count, "actual": 8}


def _ladder_row(level: str, count: int) -> dict[str, object]:
    counts = {"n_queries": count, "n_rollouts": 4 * count, "n_tokens": 99, "n_correct": count, "n_queries_solved": 7}
    lengths = {"mean_tokens_correct": 31.5, "median_tokens_correct": 30, "mean_chars_correct": None}
    return {"step": "matched", "level": level, **counts, **lengths}


def _build_row(level: str, count: int) -> dict[str, object]:
    return {
        "level": level,
        "n_self": count,
        "n_reference": 0,
        "asked_rate": None,
        "got_rate": 0.25,
        "mean_chars": 95.5,
        "mean_tokens": 24.5,
        "lucky_rate": None if level == "unsolved" else 0.05,
        "n_pairs": count // 2,
        "bias_chars": 3.5,
        "bias_tokens": 1.25,
        "chosen_longer_rate": 0.5,
    }


def _comparison_row(against: str, difference: float, level: str | None = None) -> dict[str, object]:
    return {
        "test_set": "in_domain",
        "domain": "in",
        "group": "level" if level else "all",
        "value": level or "all",
        "against": against,
        "measure": "pass@1",
        "n_queries": 320,
        "difference": difference,
        "low": difference - 0.03,
        "high": difference + 0.03,
        "p_value": 0.0005,
        "verdict": "better",
        "gate": "",
    }
