"""What benchmarks/gpu trains on, and the page that it makes of what it measured."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from benchmarks.gpu.cases import SMALL, Method, as_dict
from benchmarks.gpu.material import make_prompts, make_rows, make_tokenizer, mean_tokens
from benchmarks.gpu.page import page
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
    facts = {"step_s": 1.0, "tokens_per_s": 9.0, "row_tokens": 60.0, "answer_tokens": 40.0, "tokens": 9, "seconds": 1.0}
    facts |= {"allocated": used - 500, "reserved": used + 100, "used": used + 600}
    machine = {"gpu": "G", "memory": 1, "driver": "1", "operations_per_s": 1e9, "bytes_per_s": 1e9, "call_s": 1e-5}
    about = {"processor": "P", "system": "S", "torch": "2"}
    shapes = {"shapes": {size.name: asdict(SHAPE) for size in SMALL.sizes}}
    told = {"command": "c", "small": True, "date": "d", "about": about, "machine": machine, "material": shapes}
    return {**told, "cases": dict.fromkeys(as_dict(SMALL), facts) | cases}


@pytest.mark.parametrize(("used", "within"), [(840_000_000, "yes"), (1_200_000_000, "no"), (600_000_000, "no")])
def test_page_says_which_estimates_are_within_a_fifth(used: int, within: str) -> None:
    (line,) = [line for line in page(found(used)).split("## Seconds")[0].splitlines() if "| large sft |" in line]
    assert f"| {within} |" in line
    assert f"| {used / 1e9:.2f} |" in line


def test_page_keeps_what_failed_and_what_was_not_there() -> None:
    failed = {"large dpo": {"error": "gone"}, "large vllm": {"missing": "vllm is not there"}}
    told = page(found(10**9, **failed)).split("## Not measured")
    assert "| large dpo |" not in told[0]
    assert "gone" in told[1]
    assert "vllm is not there" in told[1]
