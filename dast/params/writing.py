"""Params as YAML text.

Guarantees: equal mappings give equal bytes, in the mapping's own order; what is written reads back as the same values,
floats as floats by YAML 1.1 and 1.2 readers alike; block style, one value a line, texts of several lines as they read.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter

_WIDTH = 1_000_000
"""Characters a line: a folded text is hard to read and to diff."""


class Representer(RoundTripRepresenter):  # type: ignore[misc]  # ruamel has no types
    """Plain values, with floats and long texts as this module promises."""


def _float(representer: RoundTripRepresenter, value: float) -> ScalarNode:
    digits = repr(value)
    mantissa, mark, exponent = digits.partition("e")
    # YAML 1.1 reads 1e-05 as text, and 1.0e-05 as a number.
    text = f"{mantissa}.0e{exponent}" if mark and "." not in mantissa else digits
    return representer.represent_scalar(
        "tag:yaml.org,2002:float", {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(text, text)
    )


def _text(representer: RoundTripRepresenter, value: str) -> ScalarNode:
    # ruamel 0.19.1 leaves a next-line character (U+0085) in single quotes, where reading folds it to a space.
    style = "|" if _reads_as_block(value) else None if value.isprintable() else '"'
    return representer.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _reads_as_block(value: str) -> bool:
    """Whether a literal block gives the text back: no trailing space on a line, nothing that must be escaped."""
    lines = value.split("\n")
    plain = all(line.isprintable() and line == line.rstrip() for line in lines)
    return len(lines) > 1 and plain and bool(lines[0]) and not lines[0].startswith(" ")


def _none(representer: RoundTripRepresenter, value: None) -> ScalarNode:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


Representer.add_representer(type(None), _none)
Representer.add_representer(float, _float)
Representer.add_representer(str, _text)


def yaml_text(content: Mapping[str, Any]) -> str:
    """The mapping as YAML, ending in a newline."""
    yaml = YAML(typ="rt", pure=True)
    yaml.Representer = Representer
    yaml.width = _WIDTH
    yaml.default_flow_style = False
    buffer = io.StringIO()
    yaml.dump(_plain(content), buffer)
    return buffer.getvalue()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _plain(below) for key, below in value.items()}
    return [_plain(below) for below in value] if isinstance(value, list | tuple) else value
