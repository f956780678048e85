"""Where sources are read, in words. Grain: one source."""

from __future__ import annotations

from dast.params.sources import FileSource, HubSource, Pool, Source, TinySource


def place_of(source: Source | Pool) -> str:
    """Where a source is read, in words."""
    match source:
        case TinySource():
            return f"the built-in generator, seed {source.seed}"
        case HubSource():
            return _on_hub(source.hub_id, source.config, source.split, source.revision)
        case FileSource():
            return f"the file `{source.path}`"
        case Pool(kind="hub"):
            return _on_hub(source.path, source.config, source.split, source.revision)
        case _:
            return f"the file `{source.path}`"


def _on_hub(hub_id: str, config: str | None, split: str | None, revision: str | None) -> str:
    return f"`{hub_id}` ({', '.join(part for part in (config, split) if part)}) at `{revision}`"
