"""A closed word-level tokenizer for the tiny world, with one token for every number from 0 to 99.

One token a number and a month is what makes the base affordable: with digits the format was not learned in the time.

Guarantees: text of the world survives encoding and decoding unchanged; the tokenizer itself adds no special token, the
chat template renders the one ``bos``; a prompt is rendered as a token prefix of prompt and response, and nothing is
added for generation, so a model sees at inference what it saw in training.
"""

from __future__ import annotations

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from dast.tiny.world import GAINS, ITEMS, LOSSES, MONTHS, NAMES, TIMES

PAD, BOS, EOS, UNK = "<pad>", "<s>", "</s>", "<unk>"
NEWLINE = "\n"

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{{ message['content'] + eos_token }}{% else %}{{ message['content'] + '\\n' }}{% endif %}{% endfor %}"
)
"""Each assistant turn ends in ``eos``, every other turn in a newline; exemplars are earlier turns."""


def make_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordLevel(_vocabulary(), unk_token=UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"####|[A-Za-z]+|[0-9]{1,2}|[^\sA-Za-z0-9]|\n"), "isolated"),
            pre_tokenizers.Split(Regex(r"[^\S\n]+"), "removed"),
        ]
    )
    # Spaces are not tokens: one stands before every word and before "####", and between either of these and a number.
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace(Regex(r"^(?=[A-Za-z]|####)"), " "),
            decoders.Fuse(),
            decoders.Replace(Regex(r"(?<=[A-Za-z#])(?=[0-9])"), " "),
            decoders.Replace("\n ", "\n"),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNK,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def _vocabulary() -> dict[str, int]:
    numbers = [str(n) for n in range(100)]
    words = [*MONTHS, *NAMES, *ITEMS, *GAINS, *LOSSES, *TIMES.values(), "has", "How", "many"]
    tokens = [PAD, BOS, EOS, UNK, *numbers, *".?;=+-*", NEWLINE, "####", *words]
    return {token: index for index, token in enumerate(tokens)}
