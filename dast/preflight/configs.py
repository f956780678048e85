"""A model's shape, from its config alone: parameters counted by building it without memory.

Guarantees: the count is that of the model that transformers would load, tied weights once, whatever its architecture;
no weights are read and none are made. Grain: one model.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from dast.errors import ModelError
from dast.preflight.findings import first_line
from dast.preflight.shapes import Shape


def shape_of(folder: Path) -> Shape:
    """The shape of the model whose config lies in `folder`.

    Raises:
        ModelError: no config, one that names code of its own, or no causal model.
    """
    try:
        config = AutoConfig.from_pretrained(folder)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
        text = config.get_text_config()
        heads = text.num_attention_heads
        width = getattr(text, "head_dim", None) or text.hidden_size // heads
        return Shape(
            n_parameters=sum(weights.numel() for weights in model.parameters()),
            n_layers=text.num_hidden_layers,
            hidden=text.hidden_size,
            feed_forward=_feed_forward(text),
            key_value=(getattr(text, "num_key_value_heads", None) or heads) * width,
            vocabulary=text.vocab_size,
            longest=getattr(text, "max_position_embeddings", None),
            tied=model.get_output_embeddings().weight is model.get_input_embeddings().weight,
        )
    except (OSError, ValueError, AttributeError, ImportError) as error:
        raise ModelError(f"{folder}: its config.json gives no model of a known shape: {first_line(error)}") from error


def _feed_forward(config: object) -> int:
    experts = getattr(config, "moe_intermediate_size", None)
    if experts:
        return int(experts) * int(getattr(config, "num_experts_per_tok", 1))
    inner = getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None)
    return int(inner or 4 * config.hidden_size)  # type: ignore[attr-defined]
