"""Trains the tiny base: a small Llama on the noisy corpus, in minutes on a CPU; a larger one wants a GPU.

Short problems come first: the format and the number facts are learned there at a fraction of the cost, and the long
chains then build on them. Every conversation is drawn afresh and used once; the loss is on the solutions alone.

Guarantees: the same settings give the same weights on one kind of CPU with one number of threads; what is saved loads
by ``AutoModelForCausalLM`` and ``AutoTokenizer``; sequences are what the tokenizer's own chat template renders.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from dast.tiny.corpus import Conversation, Noise, conversations
from dast.tiny.muon import Muon
from dast.tiny.tokenizer import NEWLINE, make_tokenizer

log = logging.getLogger(__name__)

SHORT_WEIGHTS = (4.0, 3.0, 2.0)
"""Weights of chains with 1, 2 and 3 steps in the first phase."""

WARMUP_STEPS = 30
LOWEST_RATE = 0.02
LOG_EVERY_S = 10.0
IGNORED = -100
_CHUNK_BATCHES = 16
"""Batches drawn at once and sorted by length, so that little is padded."""


@dataclass(frozen=True)
class BaseSettings:
    seed: int
    steps_short: int
    """Optimiser steps on chains of one to three steps."""
    steps_long: int
    """Optimiser steps after them, on chains of all lengths."""
    long_weights: tuple[float, ...]
    """Weights of chains with 1, 2, 3, ... steps in that phase, which decides how far self-training can go."""
    top: int
    """Largest value in a chain."""
    batch_size: int
    """Conversations a step."""
    learning_rate: float
    """Peak; it then falls linearly."""
    hidden_size: int
    layers: int
    heads: int
    noise: Noise


def train_base(settings: BaseSettings, out_dir: Path) -> LlamaForCausalLM:
    """Trains and saves model and tokenizer in ``out_dir``."""
    transformers_logging.disable_progress_bar()
    tokenizer = make_tokenizer()
    model = build_model(settings, tokenizer)
    log.info("base of %d parameters, %d steps", model.num_parameters(), settings.steps_short + settings.steps_long)
    _fit(model, settings, tokenizer)
    model.to("cpu").save_pretrained(out_dir)
    tokenizer.save_pretrained(out_dir)
    return model


def build_model(settings: BaseSettings, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    torch.manual_seed(settings.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        intermediate_size=2 * settings.hidden_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(config)


def _fit(model: LlamaForCausalLM, settings: BaseSettings, tokenizer: PreTrainedTokenizerFast) -> None:
    on_gpu = torch.cuda.is_available()
    model.to("cuda" if on_gpu else "cpu")
    optimizers = _optimizers(model, settings.learning_rate)
    total = settings.steps_short + settings.steps_long
    model.train()
    started = logged = time.monotonic()
    for step, (ids, labels) in enumerate(batches(settings, tokenizer)):
        scale = min(1.0, (step + 1) / WARMUP_STEPS) * max(LOWEST_RATE, 1 - step / total)
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = settings.learning_rate * scale
        if on_gpu:  # from pinned memory, or each copy would wait for all earlier steps
            ids, labels = (tensor.pin_memory().to("cuda", non_blocking=True) for tensor in (ids, labels))
        with torch.autocast("cuda", torch.bfloat16) if on_gpu else nullcontext():
            logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
        loss = functional.cross_entropy(logits.float().flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED)
        model.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        now = time.monotonic()
        if now - logged >= LOG_EVERY_S or step + 1 == total:
            logged = now
            left_s = (now - started) / (step + 1) * (total - step - 1)
            log.info("step %d of %d, loss %.3f, %.0f s left", step + 1, total, loss.item(), left_s)


def _optimizers(model: LlamaForCausalLM, learning_rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for the embedding and the norms."""
    matrices = [parameter for parameter in model.model.layers.parameters() if parameter.ndim == 2]
    muon = {id(matrix) for matrix in matrices}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in muon]
    return [
        Muon(matrices, learning_rate),
        torch.optim.AdamW(rest, learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True),
    ]


def batches(settings: BaseSettings, tokenizer: PreTrainedTokenizerFast) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Exactly ``steps_short`` batches of short chains, then ``steps_long`` of all lengths."""
    rng = random.Random(settings.seed)
    for steps, weights in ((settings.steps_short, SHORT_WEIGHTS), (settings.steps_long, settings.long_weights)):
        for first in range(0, steps, _CHUNK_BATCHES):
            n = min(_CHUNK_BATCHES, steps - first) * settings.batch_size
            drawn = list(conversations(rng, n, weights, settings.noise, settings.top))
            rows = sorted(encode(drawn, tokenizer), key=len)
            chunk = [rows[at : at + settings.batch_size] for at in range(0, n, settings.batch_size)]
            rng.shuffle(chunk)
            for batch in chunk:
                yield _tensors(batch, tokenizer)


def encode(drawn: Sequence[Conversation], tokenizer: PreTrainedTokenizerFast) -> list[list[int]]:
    """Token ids of each conversation, as the chat template renders it (which is slower by an order of magnitude)."""
    bos, eos = tokenizer.bos_token, tokenizer.eos_token
    texts = [f"{bos}{''.join(f'{query}{NEWLINE}{response}{eos}' for query, response in turns)}" for turns in drawn]
    encodings = tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    return [encoding.ids for encoding in encodings]


def _tensors(rows: Sequence[Sequence[int]], tokenizer: PreTrainedTokenizerFast) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids padded on the right, and labels that keep what follows a newline up to and with the end of the turn."""
    ids = torch.full((len(rows), max(map(len, rows))), tokenizer.pad_token_id)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
    newlines = (ids == tokenizer.convert_tokens_to_ids(NEWLINE)).int()
    ends = (ids == tokenizer.eos_token_id).int()
    opened = newlines.cumsum(1) - newlines
    closed = ends.cumsum(1) - ends
    return ids, torch.where(opened > closed, ids, IGNORED)
