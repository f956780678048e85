"""Decodes one batch with transformers, in segments: rows that have ended leave the batch between two of them.

`generate` computes every row until the longest has ended, and a prompt once for each of its samples. Here a prompt is
computed once, and the batch shrinks as rows end. Greedy text is that of one `generate`; text above temperature zero
follows from batch and seed, but its draws are not those of one `generate`. Grain: one row a wanted response.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import Cache, GenerationConfig, StoppingCriteria

from dast.engines.cache import roomy_cache

SEGMENT_ENDED_RATE = 0.2
"""Share of rows that must have ended before they leave. Starting a segment costs about two tokens of a small model."""


@dataclass(frozen=True)
class Wish:
    """How one batch is to be decoded."""

    config: GenerationConfig
    """Sampling, end tokens and padding."""
    rooms: Sequence[int]
    """For each wanted response, its most tokens: a long prompt leaves room for fewer than the others of its batch."""
    ends: frozenset[int]
    """Tokens that end a row, padding among them: what follows is not looked at."""
    stop: StoppingCriteria | None
    """Tells which rows a text has ended."""


class Segment(StoppingCriteria):  # type: ignore[misc]
    """Ends `generate` for all rows as soon as enough of them have ended; `ended` tells which."""

    def __init__(self, wish: Wish, n_rows: int, device: torch.device) -> None:
        self._stop = wish.stop
        self._ends = torch.tensor(sorted(wish.ends), device=device)
        self._enough = max(1, round(n_rows * SEGMENT_ENDED_RATE))
        self.ended = torch.zeros(n_rows, dtype=torch.bool, device=device)

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        self.ended |= torch.isin(input_ids[:, -1], self._ends)
        if self._stop:
            self.ended |= self._stop(input_ids, scores)
        return torch.ones_like(self.ended) if int(self.ended.sum()) >= self._enough else self.ended


def decode(model: Any, prompts: torch.Tensor, mask: torch.Tensor, rows: Sequence[int], wish: Wish) -> list[list[int]]:
    """New tokens of each row, up to its end and perhaps some padding.

    Args:
        model: a causal model of transformers.
        prompts: token ids of the different prompts, padded on the left.
        mask: their attention mask.
        rows: for each wanted response, which prompt it answers.
        wish: how.
    """
    cache = roomy_cache(model.config)
    picked = torch.tensor(rows, device=prompts.device)
    ids, mask_of_rows = prompts[picked], mask[picked]
    if cache is None:
        return _by_room(model, ids, mask_of_rows, wish)
    if len(rows) > len(prompts) and prompts.shape[1] > 1:
        _read(model, prompts, mask, cache)
        cache.batch_select_indices(picked)
    return _segments(model, ids, mask_of_rows, cache, wish)


def _read(model: Any, prompts: torch.Tensor, mask: torch.Tensor, cache: Cache) -> None:
    """Fills the cache with all tokens of the prompts but the last, from which decoding starts."""
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    model(
        input_ids=prompts[:, :-1],
        attention_mask=mask[:, :-1],
        position_ids=positions[:, :-1],
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )


def _by_room(model: Any, ids: torch.Tensor, mask: torch.Tensor, wish: Wish) -> list[list[int]]:
    """For a cache that rows cannot leave: those with equally much room together."""
    written: list[list[int]] = [[] for _ in range(len(ids))]
    for room in sorted(set(wish.rooms)):
        rows = [row for row, own in enumerate(wish.rooms) if own == room]
        picked = torch.tensor(rows, device=ids.device)
        new = _generate(model, ids[picked], mask[picked], None, _up_to(room, wish), wish.stop)
        for row, tokens in zip(rows, new.tolist(), strict=True):
            written[row] = tokens
    return written


def _segments(model: Any, ids: torch.Tensor, mask: torch.Tensor, cache: Cache, wish: Wish) -> list[list[int]]:
    written: list[list[int]] = [[] for _ in range(len(ids))]
    alive, left = list(range(len(ids))), list(wish.rooms)
    while True:
        segment = Segment(wish, len(alive), ids.device)
        new = _generate(model, ids, mask, cache, _up_to(min(left), wish), segment)
        for row, tokens in zip(alive, new.tolist(), strict=True):
            written[row] += tokens
        left = [room - new.shape[1] for room in left]
        going = [place for place, ended in enumerate(segment.ended.tolist()) if not ended and left[place] > 0]
        if not going:
            return written
        alive, left = [alive[place] for place in going], [left[place] for place in going]
        picked = torch.tensor(going, device=ids.device)
        cache.batch_select_indices(picked)
        ids = torch.cat([ids, new], 1)[picked]
        mask = torch.cat([mask, torch.ones_like(new)], 1)[picked]


def _up_to(n_tokens: int, wish: Wish) -> GenerationConfig:
    return GenerationConfig(**{**wish.config.to_diff_dict(), "max_new_tokens": n_tokens})


def _generate(
    model: Any,
    ids: torch.Tensor,
    mask: torch.Tensor,
    cache: Cache | None,
    config: GenerationConfig,
    criterion: StoppingCriteria | None,
) -> torch.Tensor:
    output = model.generate(
        input_ids=ids,
        attention_mask=mask,
        past_key_values=cache,
        generation_config=config,
        stopping_criteria=[criterion] if criterion else None,
    )
    new: torch.Tensor = output[:, ids.shape[1] :]
    return new
