"""How much of what was sampled serves again when a round's settings change, against all that could.

    python -m benchmarks.reuse            the default world, K = 8 to begin with (about 6 minutes)
    python -m benchmarks.reuse --short    few queries and a base that is hardly trained

writes benchmarks/results/reuse.md. In a temporary copy of the project, `dvc repro augment@r1` runs with each change in
turn. What could serve again is counted from the tables alone: of each prompt and set of settings, as many rollouts as
the store held before. The store's own count of rollouts says what was generated.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.machine import measured_on, table
from dast.frames import read
from dast.presets import compose
from dast.smallfiles import write_text
from dast.store.keeping import Store
from dast.tables import GRADED, ROLLOUTS

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "reuse.md"
Params = dict[str, Any]
Key = tuple[str, str]
"""A prompt and the settings that it was drawn by."""


def main(arguments: Sequence[str]) -> None:
    short = "--short" in arguments
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(["git", "clone", "-q", str(ROOT), name], check=True)
        params = beginning(short)
        for what, change in CHANGES.items():
            change(params["defaults"])
            rows.append({"what": what, **measured(folder, params)})
        params = beginning(short)
        rows.append({"what": "back to the beginning", **measured(folder, params)})
    write_text(RESULT, report(rows, " ".join(["python -m benchmarks.reuse", *arguments])))


def beginning(short: bool) -> Params:
    params: Params = dict(compose([], ROOT / "presets"))
    defaults = params["defaults"]
    defaults["sample"]["n_rollouts"] = 8
    defaults["augment"]["budget"]["per_query"] = 14.0
    params["rounds"] = {"r1": params["rounds"]["r1"]}
    if short:
        defaults["bootstrap"]["tiny"].update(steps_short=120, steps_long=1)
        counts = defaults["prepare"]["train"][0]["counts"]
        defaults["prepare"]["train"][0].update(counts={level: n // 10 for level, n in counts.items()}, answer_cap=0.5)
    return params


def more_draws(defaults: Params) -> None:
    defaults["sample"]["n_rollouts"] = 12


def more_queries(defaults: Params) -> None:
    source = defaults["prepare"]["train"][0]
    source["counts"] = {level: round(1.1 * n) for level, n in source["counts"].items()}


def other_quotas(defaults: Params) -> None:
    defaults["augment"]["quota"].update(medium=6, hard=6, unsolved=8)
    defaults["augment"]["budget"]["per_query"] = 16.0


def even_spread(defaults: Params) -> None:
    defaults["augment"]["strategy"] = "vanilla"


def no_exemplars(defaults: Params) -> None:
    defaults["augment"]["ladder"]["matched"]["enabled"] = False


CHANGES: dict[str, Callable[[Params], None]] = {
    "beginning: K = 8": lambda defaults: None,
    "K = 12": more_draws,
    "a tenth more queries": more_queries,
    "other quotas, a larger budget": other_quotas,
    "another strategy: no length control": no_exemplars,
    "another strategy: budget spread evenly": even_spread,
}
"""Each is laid over those before it."""


def measured(folder: Path, params: Params) -> dict[str, Any]:
    """Rollouts wanted, those that could serve again, and those that did."""
    with (folder / "params.yaml").open("w") as handle:
        YAML().dump(params, handle)
    before, held = in_store(folder)
    start = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name != "DAST_STORE"}
    environment |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-m", "dvc", "repro", "-q", "augment@r1"], cwd=folder, env=environment, check=True)
    seconds = time.monotonic() - start
    data = folder / "data" / "r1"
    wanted = Counter(
        key
        for name, kind in (("rollouts", ROLLOUTS), ("augmented", GRADED))
        for key in read(kind, data / f"{name}.parquet").select("prompt_digest", "settings_digest").iter_rows()
    )
    generated = in_store(folder)[0] - before
    return {
        "wanted": wanted.total(),
        "possible": sum(min(count, held[key]) for key, count in wanted.items()),
        "generated": generated,
        "seconds": seconds,
    }


def in_store(folder: Path) -> tuple[int, Counter[Key]]:
    """How many rollouts are kept, and how many of each prompt and set of settings."""
    held: Counter[Key] = Counter()
    with Store(folder / ".dvc" / "rollouts") as store:
        for batch in store.batches():
            held.update((prompt, batch.sampler.digest) for prompt in batch.rows.get_column("prompt_digest"))
    return held.total(), held


def report(rows: Sequence[dict[str, Any]], command: str) -> str:
    lines = [
        [
            row["what"],
            f"{row['wanted']:,}",
            f"{row['possible']:,}",
            f"{row['wanted'] - row['generated']:,}",
            f"{(row['wanted'] - row['generated']) / row['possible']:.3f}" if row["possible"] else "–",
            f"{row['generated']:,}",
            f"{row['seconds']:.0f}",
        ]
        for row in rows
    ]
    heads = ["settings", "rollouts wanted", "could serve again", "did", "share", "generated", "seconds of `dvc repro`"]
    return (
        "\n\n".join(
            [
                "# Rollouts that serve again",
                measured_on(command, ["torch", "transformers", "polars", "dvc"]),
                "Stages `sample`, `score` and `augment` of round r1, with each change laid over those before it. Ideal "
                "is a share of 1: of each prompt and set of settings, every rollout that the store held is used before "
                "one is generated. The first row's seconds hold the training of the base.",
                table(heads, lines),
            ]
        )
        + "\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
