"""The training sets of a large round: a million graded rollouts, held against reading and writing the same tables.

    python -m benchmarks.building               20,000 queries with 50 rollouts each (about 4 minutes)
    python -m benchmarks.building 2000          fewer queries

writes benchmarks/results/building.md. Each part runs in a process of its own, so that its memory is its own; the time
to make up the texts is left out.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import polars as pl
from ruamel.yaml import YAML

from benchmarks.machine import measured_on, table
from dast.frames import frame, write
from dast.params.project import load_yaml, merge
from dast.prompts import digest
from dast.smallfiles import read_json, write_text
from dast.tables import DIFFICULTY, GRADED, PROMPTS, QUERIES, SFT, TEST_QUERIES
from stages.build import main as build

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "building.md"
K, N_MATCHED = 40, 10
N_EXEMPLARS = 4
N_TESTS = 5_000
CORRECT_RATE = 0.4
REPEATED_RATE = 0.1
"""Of the rollouts, those that give an earlier response of their query word for word."""
NAMES = ("Tom", "Ann", "Ben", "Sue", "Max", "Eva", "Leo", "Mia")
THINGS = ("apples", "coins", "books", "cards", "shells", "stamps", "tickets", "bottles")
SAID = (
    "First we look at what {name} has on day {day}: {step}, so there are {value} {thing} now.",
    "On day {day} the number of {thing} changes, and it becomes {step}. That leaves {value} of them.",
    "Then, since the problem says what happens on day {day}, we compute {step} and write down {value} {thing}.",
    "Day {day}: <<{step}>>{value} {thing} are left for {name} after that.",
    "Next, take the {thing} from before and apply the change of day {day}, which gives {step} as the new count.",
)
WORDS = ["".join(random.Random(7 * n).choices("abcdefghijklmnopqrstuvwxyz", k=2 + n % 7)) for n in range(3000)]
N_WORDS = 30
"""Words of no meaning in each response, the commonest ones most often (Zipf), so that texts compress as prose does."""
_CUMULATED = list(accumulate(1 / (rank + 1) for rank in range(len(WORDS))))
INPUTS = ("queries", "graded", "augmented", "prompts", "augmented_prompts", "difficulty", "previous")
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "all": {
        "choose": "diverse",
        "pair_rule": "nearest_length",
        "level_rates": {"easy": 0.25, "medium": 0.25, "hard": 0.25, "unsolved": 0.25},
        "reference_rate": 0.1,
        "guards": {"equations": "leave_out", "length": {"shortest": 0.2, "longest": 5.0}},
    },
}


def main(arguments: Sequence[str]) -> None:
    n = int(arguments[0]) if arguments else 20_000
    folder = Path(tempfile.mkdtemp(prefix="building-", dir=ROOT / ".dvc"))
    try:
        make(folder, n)
        found = {name: measured(name, folder) for name in PARTS}
        sizes = {name: (folder / f"{name}.parquet").stat().st_size / 1e6 for name in INPUTS}
        chars = pl.read_parquet(folder / "graded.parquet")["response"].str.len_chars()
    finally:
        shutil.rmtree(folder)
    about = {"n": n, "input_mb": sum(sizes.values()), "mean_chars": chars.mean()}
    write_text(RESULT, report(found, about, " ".join(["python -m benchmarks.building", *arguments])))


def measured(name: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.building", name, str(folder)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def part(name: str, folder: Path) -> dict[str, Any]:
    """Seconds and peak memory of one part, and what it says of itself."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.monotonic()
    told = PARTS[name](folder)
    seconds, usage = time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mb": usage.ru_maxrss / 1024, **told}


def copied(folder: Path) -> dict[str, Any]:
    """Reads every input and writes it again."""
    for name in INPUTS:
        pl.read_parquet(folder / f"{name}.parquet").write_parquet(folder / "copy.parquet", compression="zstd")
    return {}


def passed(folder: Path) -> dict[str, Any]:
    """Reads every input, and reads and writes the sets that the build made: its reading and writing alone."""
    kept = [pl.read_parquet(folder / f"{name}.parquet") for name in INPUTS]
    for name in ("sft", "dpo"):
        pl.read_parquet(folder / f"{name}.parquet").write_parquet(folder / "copy.parquet", compression="zstd")
    return {"n_rollouts": kept[1].height + kept[2].height}


def built_with(name: str) -> Callable[[Path], dict[str, Any]]:
    def run(folder: Path) -> dict[str, Any]:
        inputs = {one: folder / f"{one}.parquet" for one in INPUTS}
        build(
            params=folder / f"{name}.yaml",
            round_name="r1",
            **inputs,
            tests=folder / "tests",
            contamination=folder / "contamination.parquet",
            sft=folder / "sft.parquet",
            dpo=folder / "dpo.parquet",
            metrics=folder / "build.json",
            plot=folder / "build.csv",
        )
        told = read_json(folder / "build.json")
        return {key: told[key] for key in ("n_rollouts", "n_sft", "n_dpo", "left_out")}

    return run


PARTS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "default": built_with("default"),
    "all": built_with("all"),
    "passed": passed,
    "copied": copied,
}
TITLES = {
    "passed": "bare polars: read the inputs, write the sets",
    "copied": "bare polars: read the inputs, write them again",
    "default": "stage `build`, default settings",
    "all": "stage `build`, every guard, diverse choice, mix, pairs by length",
}


def make(folder: Path, n: int) -> None:
    """Every input of the stage, with `n` queries, and one params file for each of SETTINGS."""
    rng = random.Random(1)
    problems = [_problem(rng, number) for number in range(n)]
    write(QUERIES, frame(QUERIES, [one["query"] for one in problems]), folder / "queries.parquet")
    other = random.Random(2)  # of its own, so that the rounds stay what they were
    held = [{**_problem(other, n + number)["query"], "test_set": "held", "domain": "in"} for number in range(N_TESTS)]
    write(TEST_QUERIES, frame(TEST_QUERIES, held), folder / "tests" / "held.parquet")
    write(DIFFICULTY, frame(DIFFICULTY, [_difficulty(rng, one) for one in problems]), folder / "difficulty.parquet")
    write(SFT, frame(SFT, []), folder / "previous.parquet")
    asked = {"graded": ("sample", K), "augmented": ("matched", N_MATCHED)}
    for name, (step, count) in asked.items():
        shown = problems if step == "matched" else []
        prompts = {one["query"]["query_id"]: _prompt(rng, one, shown) for one in problems}
        keys = {query_id: digest(messages) for query_id, messages in prompts.items()}
        sent = {keys[query_id]: messages for query_id, messages in prompts.items()}
        rows = [{"prompt_digest": key, "messages": messages} for key, messages in sent.items()]
        prefix = "" if name == "graded" else "augmented_"
        write(PROMPTS, frame(PROMPTS, rows), folder / f"{prefix}prompts.parquet")
        parts = [
            frame(GRADED, _rollouts(rng, problems[start : start + 1000], step, count, keys))
            for start in range(0, n, 1000)
        ]
        write(GRADED, pl.concat(parts), folder / f"{name}.parquet")
    raw = load_yaml(ROOT / "presets" / "default.yaml")["defaults"]
    for name, changes in SETTINGS.items():
        with (folder / f"{name}.yaml").open("w", encoding="utf-8") as handle:
            YAML(typ="safe", pure=True).dump(merge(raw, {"build": changes}), handle)


def _problem(rng: random.Random, number: int) -> dict[str, Any]:
    name, thing = rng.choice(NAMES), rng.choice(THINGS)
    value = start = rng.randint(2, 60)
    steps = []
    for _ in range(rng.randint(3, 6)):
        operand = rng.randint(2, 9)
        sign = rng.choice("+-*" if value < 200 else "+-")
        after = {"+": value + operand, "-": value - operand, "*": value * operand}[sign]
        steps.append((f"{value} {sign} {operand}", after))
        value = after
    told = " ".join(f"On day {day} it is {step}." for day, (step, _) in enumerate(steps))
    text = f"{name} has {start} {thing}. {told} How many {thing}?"
    query = {"query_id": digest(number), "source": "s", "query": text, "answer": str(value)}
    solution = " ".join(f"{step} = {after}." for step, after in steps) + f" #### {value}"
    rest = {"solution": solution, "source_level": None, "tolerance": None, "licence": "MIT"}
    return {"query": {**query, **rest}, "name": name, "thing": thing, "steps": steps}


def _difficulty(rng: random.Random, problem: Mapping[str, Any]) -> dict[str, Any]:
    rate = rng.random()
    level = "easy" if rate > 0.7 else "medium" if rate > 0.4 else "hard" if rate > 0.1 else "unsolved"
    about = {"n_graded": K, "n_correct": round(rate * K), "pass_rate": rate, "pass_rate_mean": rate}
    about |= {"pass_rate_low": max(0.0, rate - 0.1), "pass_rate_high": min(1.0, rate + 0.1), "decided": True}
    return {"query_id": problem["query"]["query_id"], "level": level, **about}


def _prompt(rng: random.Random, problem: Mapping[str, Any], shown: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    exemplars = rng.sample(shown, N_EXEMPLARS) if shown else []
    turns = [
        turn
        for one in exemplars
        for turn in (
            {"role": "user", "content": one["query"]["query"]},
            {"role": "assistant", "content": one["query"]["solution"]},
        )
    ]
    return [*turns, {"role": "user", "content": problem["query"]["query"]}]


def _rollouts(
    rng: random.Random, problems: Sequence[Mapping[str, Any]], step: str, count: int, keys: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    for problem in problems:
        query_id = problem["query"]["query_id"]
        said: list[tuple[str, str, bool]] = []
        for index in range(count):
            if not said or rng.random() > REPEATED_RATE:
                right = rng.random() < CORRECT_RATE
                said.append((*_response(rng, problem, right), right))
            response, predicted, right = said[-1]
            length = rng.random() < 0.02
            yield {
                "query_id": query_id,
                "rollout_id": digest([query_id, step, index]),
                "step": step,
                "sample_index": index,
                "prompt_digest": keys[query_id],
                "settings_digest": "s",
                "policy": "base",
                "response": response,
                "n_prompt_tokens": 60,
                "n_tokens": len(response) // 4,
                "n_hint_tokens": 0,
                "finish_reason": "length" if length else "stop",
                "predicted": predicted,
                "reason": None,
                "verdict": "correct" if right else "incorrect",
            }


def _response(rng: random.Random, problem: Mapping[str, Any], right: bool) -> tuple[str, str]:
    """Steps in one of several wordings, each written in one of two ways, with a slip in a wrong response."""
    slip = -1 if right else rng.randrange(len(problem["steps"]))
    off, lines, value = 0, [], 0
    for day, (step, after) in enumerate(problem["steps"]):
        off += rng.randint(1, 3) if day == slip else 0
        value = after + off
        written = f"({step})" if rng.random() < 0.3 else step
        lines.append(
            rng.choice(SAID).format(
                name=problem["name"], thing=problem["thing"], day=day, step=f"{written} = {value}", value=value
            )
        )
    said = " ".join(rng.choices(WORDS, cum_weights=_CUMULATED, k=N_WORDS))
    return " ".join(lines) + f" {said}. The answer is #### {value}", str(value)


def report(found: Mapping[str, Mapping[str, Any]], about: Mapping[str, Any], command: str) -> str:
    rows = found["default"]["n_rollouts"]
    heads = ("part", "seconds", "of them, CPU", "against reading and writing", "peak memory, MB", "SFT rows", "pairs")
    lines = [
        [
            TITLES[name],
            f"{one['seconds']:.1f}",
            f"{one['cpu_seconds']:.1f}",
            f"{one['seconds'] / found['passed']['seconds']:.1f} ×",
            f"{one['peak_mb']:,.0f}",
            *(f"{one[key]:,}" if key in one else "" for key in ("n_sft", "n_dpo")),
        ]
        for name, one in sorted(found.items(), key=lambda entry: list(TITLES).index(entry[0]))
    ]
    left = "; ".join(
        f"{TITLES[name]}: " + ", ".join(f"{why} {count:,}" for why, count in found[name]["left_out"].items() if count)
        for name in SETTINGS
    )
    blocks = [
        "# Building",
        measured_on(command, ("polars",)),
        f"{rows:,} graded rollouts of {about['n']:,} queries, {about['mean_chars']:.0f} characters on average, "
        f"{100 * CORRECT_RATE:.0f} % of them correct, one in five behind {N_EXEMPLARS} exemplars; the inputs are "
        f"{about['input_mb']:,.0f} MB on disk. Asked for: a million rollouts in 60 s and 4 GiB on two cores. Memory is "
        "the peak of a process of its own. CPU seconds are those of all threads; the load of the machine was "
        f"{os.getloadavg()[0]:.1f} at the end, so seconds hold what other work took.",
        table(heads, lines),
        f"Left out: {left}.",
    ]
    return "\n\n".join(blocks) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in PARTS:
        sys.stdout.write(json.dumps(part(sys.argv[1], Path(sys.argv[2]))))
    else:
        main(sys.argv[1:])
