"""What benchmarks/gpu trains on, and the page that it makes of what it measured."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
import torch

from benchmarks.gpu.cases import SMALL, Method, as_dict
from benchmarks.gpu.material import make_prompts, make_rows, make_tokenizer, mean_tokens
from benchmarks.gpu.measure import Watch
from benchmarks.gpu.page import page
from benchmarks.gpu.steps import times
from dast.preflight.shapes import Shape

SIZE = SMALL.sizes[0]
SHAPE = Shape(500_000, SIZE.layers, SIZE.hidden, SIZE.feed_forward, 64, SIZE.vocabulary, 4096, tied=True)


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_rows_render_to_the_tokens_that_they_are_said_to_have(method: Method) -> None:
    rows, tokenizer = make_rows(method, 6, SIZE, SMALL), make_tokenizer(SIZE.vocabulary)
    lengths = [
        len(tokenizer.apply_chat_template([*row["prompt"], *row[side]], tokenize=True, return_dict=True)["input_ids"])
        for row in rows.iter_rows(named=True)
        for side in (["completion"] if method == "sft" else ["chosen", "rejected"])
    ]
    assert max(lengths) == lengths[0] == SMALL.row_tokens
    assert mean_tokens(rows)[0] == pytest.approx(sum(lengths) / len(lengths))


def test_prompts_render_to_their_length() -> None:
    tokenizer = make_tokenizer(SIZE.vocabulary)
    first = make_prompts(SIZE, SMALL)[0]
    rendered = tokenizer.apply_chat_template(first, tokenize=True, add_generation_prompt=True, return_dict=True)
    assert len(rendered["input_ids"]) == SMALL.prompt_tokens


def found(used: int, **cases: Any) -> dict[str, Any]:
    """As measured, each case with its peak; others replace what was measured."""
    facts = {"row_tokens": 60.0, "answer_tokens": 40.0, "tokens": 9, "seconds": 1.0, "tokens_per_s": 9.0}
    facts |= {"steps_s": [9.0, 1.0, 2.0], "lengths": [[60], [64], [62], [63], [60], [62]]}
    facts |= {"foretold": {"bytes": 2 * used, "step_s": 3.0}}
    facts |= {"allocated": used - 500, "reserved": used + 100, "used": used + 600}
    machine = {"gpu": "G", "memory": 1, "driver": "1", "operations_per_s": 1e9, "bytes_per_s": 1e9, "call_s": 1e-5}
    about = {"processor": "P", "system": "S", "torch": "2"}
    shapes = {"shapes": {size.name: asdict(SHAPE) for size in SMALL.sizes}}
    told = {
        "command": "c",
        "small": True,
        "date": "d",
        "notes": {"time": ["Told by hand."]},
        "about": about,
        "machine": machine,
        "material": shapes,
    }
    return {**told, "cases": dict.fromkeys(as_dict(SMALL), facts) | cases}


@pytest.mark.parametrize(("used", "within"), [(840_000_000, "yes"), (1_200_000_000, "no"), (600_000_000, "no")])
def test_page_says_which_estimates_are_within_a_fifth(used: int, within: str) -> None:
    (line,) = [line for line in page(found(used)).split("## Seconds")[0].splitlines() if "| large sft |" in line]
    assert f"| {within} |" in line
    assert f"| {used / 1e9:.2f} |" in line


def test_times_are_of_lengths_that_the_process_has_had() -> None:
    found_ = times([5.0, 1.0, 3.0, 7.0], [[60], [64], [60], [64, 60], [64, 61], [61]])
    assert (found_.met, found_.new) == ([5.0, 1.0, 7.0], [3.0])
    assert (found_.met_s, found_.new_s) == (5.0, 3.0)


def test_page_keeps_new_lengths_apart_and_the_estimate_of_then() -> None:
    memory, seconds = page(found(840_000_000)).split("## Seconds")
    assert "\n\nTold by hand.\n\n" in seconds
    (line,) = [line for line in seconds.splitlines() if "| large sft |" in line]
    assert "| 2 | 1.500 (1.000 to 2.000) | 9.000 |" in line
    assert line.endswith("| 2.00 |")
    assert all(line.split("|")[-3] == " 2.00 " for line in memory.splitlines() if line.startswith("| large "))


def test_page_without_a_length_met_before_has_no_ratio() -> None:
    facts = {**found(10**9)["cases"]["large sft"], "lengths": [[1], [2], [3]]}
    (line,) = [
        line
        for line in page(found(10**9, **{"large sft": facts})).split("## Seconds")[1].splitlines()
        if "| large sft |" in line
    ]
    assert "| 0 | – | 2.000 |" in line


def test_watch_keeps_the_lengths_of_a_steps_batches() -> None:
    watch, model = Watch(), TakesIds()
    for widths in ((3, 5), (4,)):
        watch.step_begins(model)
        for width in widths:
            model(input_ids=torch.zeros(2, width))
    assert watch.lengths == [[3, 5], [4]]


class TakesIds(torch.nn.Module):
    """A model that does nothing."""

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return input_ids


def test_page_keeps_what_failed_and_what_was_not_there() -> None:
    failed = {"large dpo": {"error": "gone"}, "large vllm": {"missing": "vllm is not there"}}
    told = page(found(10**9, **failed)).split("## Not measured")
    assert "| large dpo |" not in told[0]
    assert "gone" in told[1]
    assert "vllm is not there" in told[1]
