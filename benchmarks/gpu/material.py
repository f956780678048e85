"""Models of random weights with a tokenizer of made-up words, and rows of random words of a stated length.

Guarantees: nothing is fetched; a row renders to exactly the tokens that it was made for. Grain: one policy folder, one
table.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from benchmarks.gpu.cases import Method, Scale, Size, facts_of
from dast.frames import frame
from dast.policies.folder import check_model, write_policy
from dast.tables import DPO, SFT
from dast.tiny.tokenizer import BOS, CHAT_TEMPLATE, EOS, PAD, UNK

SPECIAL = (PAD, BOS, EOS, UNK)
TURN_TOKENS = 2
"""Of a rendered row beside its words: one in front, one at the end."""


def make_tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """A word a token: w4, w5, … fill the vocabulary up."""
    words = {word: index for index, word in enumerate([*SPECIAL, *(f"w{n}" for n in range(len(SPECIAL), vocabulary))])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNK,
        chat_template=CHAT_TEMPLATE,
    )


def make_policy(size: Size, folder: Path) -> None:
    """Saves model, in bfloat16 as trained ones are, and tokenizer."""
    tokenizer = make_tokenizer(size.vocabulary)
    special = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        network = LlamaForCausalLM(LlamaConfig(**facts_of(size), **special, max_position_embeddings=4096))
    network.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_policy(folder, name="base", kind="local")
    check_model(folder)


def make_rows(method: Method, n_rows: int, size: Size, scale: Scale) -> pl.DataFrame:
    """A table SFT or DPO; the first row is as long as any."""
    words, lengths = random.Random(1), random.Random(2)
    n_prompt = scale.row_tokens // 4

    def answer(index: int) -> list[dict[str, str]]:
        whole = scale.row_tokens - (lengths.randrange(scale.row_tokens // 8) if index else 0)
        return [_turn("assistant", whole - TURN_TOKENS - n_prompt, size, words)]

    def rows() -> Iterator[dict[str, Any]]:
        for index in range(n_rows):
            about = {"query_id": f"q{index:05}", "level": "medium", "round": "r1"}
            about["prompt"] = [_turn("user", n_prompt, size, words)]
            if method == "sft":
                yield {**about, "rollout_id": "0", "origin": "self", "n_alike": 1, "completion": answer(index)}
            else:
                ids = {"chosen_id": "0", "rejected_id": "1"}
                yield {**about, **ids, "chosen": answer(index), "rejected": answer(index)}

    return frame(SFT if method == "sft" else DPO, rows())


def make_prompts(size: Size, scale: Scale) -> list[list[dict[str, str]]]:
    """Prompts for evaluation; the first is as long as any, the others down to seven eighths."""
    words, lengths = random.Random(3), random.Random(4)
    lacks = [0, *(lengths.randrange(scale.prompt_tokens // 8) for _ in range(scale.prompts - 1))]
    return [[_turn("user", scale.prompt_tokens - 1 - lack, size, words)] for lack in lacks]


def mean_tokens(rows: pl.DataFrame) -> tuple[float, float]:
    """Mean tokens of a sequence, and of its answer; a pair is two sequences."""
    sides = [name for name in ("completion", "chosen", "rejected") if name in rows.columns]
    answers = [_words(turns) + 1 for side in sides for turns in rows[side]]
    prompts = [_words(turns) + TURN_TOKENS - 1 for turns in rows["prompt"]]
    answer = sum(answers) / len(answers)
    return answer + sum(prompts) / len(prompts), answer


def _words(turns: Iterable[dict[str, str]]) -> int:
    return sum(len(turn["content"].split()) for turn in turns)


def _turn(role: str, n_words: int, size: Size, words: random.Random) -> dict[str, str]:
    content = " ".join(f"w{words.randrange(len(SPECIAL), size.vocabulary)}" for _ in range(n_words))
    return {"role": role, "content": content}
