"""Tokens of texts by a policy's own tokenizer, without torch or transformers.

Guarantees: counts equal those of the tokenizer that the engines use, special tokens left out; a folder that holds no
`tokenizer.json` is counted by characters, and the log says so. Nothing is read before the first text. Grain: one text.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tokenizers import Tokenizer

from dast.engines.adapters import read_adapter, tokenizer_folder

log = logging.getLogger(__name__)

CHARACTERS_PER_TOKEN = 4
"""Rule of thumb for English text."""

_FILE = "tokenizer.json"


@dataclass(frozen=True)
class TokenCounter:
    """Counts one text when called; `many` counts a list at once, which is several times faster."""

    many: Callable[[Sequence[str]], list[int]]

    def __call__(self, text: str) -> int:
        return self.many([text])[0]


def token_counter(folder: Path) -> TokenCounter:
    """The counter of a policy's folder, or of its base's where it is an adapter without a tokenizer.

    Raises:
        ModelError: an adapter whose base is not there.
    """
    source = tokenizer_folder(folder, read_adapter(folder)) / _FILE

    @cache
    def opened() -> TokenCounter:
        return _by_file(source) if source.is_file() else _by_rule(source)

    return TokenCounter(lambda texts: opened().many(texts))


def _by_file(source: Path) -> TokenCounter:
    tokenizer = Tokenizer.from_file(str(source))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return TokenCounter(lambda texts: _counts(tokenizer, texts))


def _counts(tokenizer: Tokenizer, texts: Sequence[str]) -> list[int]:
    return [len(found.ids) for found in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]


def _by_rule(source: Path) -> TokenCounter:
    log.warning("%s is not there: tokens are counted as characters / %d", source, CHARACTERS_PER_TOKEN)
    return BY_CHARACTERS


BY_CHARACTERS = TokenCounter(lambda texts: [-(-len(text) // CHARACTERS_PER_TOKEN) for text in texts])
"""Characters divided by `CHARACTERS_PER_TOKEN`, rounded up."""
