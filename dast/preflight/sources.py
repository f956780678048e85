"""What can be told wrong before anything runs: params, revisions to fill, files that a source names.

Guarantees: reads params and looks at file names; opens no data and no network. Grain: one fault a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dast.params.project import Project
from dast.params.sources import Bootstrap, FileSource, HubSource, Pool, Prepare


def source_faults(project: Project, raw: Path) -> list[str]:
    """Faults of the sources that valid params still may have.

    Args:
        project: The params.
        raw: Folder that paths of file sources are relative to.
    """
    return [*_prepare_faults(project.defaults.prepare, raw), *_bootstrap_faults(project.defaults.bootstrap)]


def _prepare_faults(prepare: Prepare, raw: Path) -> Iterator[str]:
    placed = [(f"train.{index}", source) for index, source in enumerate(prepare.train)]
    placed += [(f"tests.{index}.source", test.source) for index, test in enumerate(prepare.tests)]
    for place, source in placed:
        key = f"defaults.prepare.{place}"
        if isinstance(source, FileSource):
            yield from _file_faults(f"{key}.path", raw / source.path)
        elif isinstance(source, HubSource) and source.revision is None:
            yield _to_fill(f"{key}.revision", source.hub_id)
    if prepare.pool is not None:
        yield from _pool_faults(prepare.pool, raw)


def _pool_faults(pool: Pool, raw: Path) -> Iterator[str]:
    if pool.kind == "file":
        yield from _file_faults("defaults.prepare.pool.path", raw / pool.path)
    elif pool.revision is None:
        yield _to_fill("defaults.prepare.pool.revision", pool.path)


def _bootstrap_faults(bootstrap: Bootstrap) -> Iterator[str]:
    needed = {"hub": ("source", "revision"), "local": ("source", "digest")}.get(bootstrap.kind, ())
    for key in needed:
        if getattr(bootstrap, key) is None:
            yield f"defaults.bootstrap.{key}: empty; kind {bootstrap.kind} needs it"


def _file_faults(key: str, path: Path) -> Iterator[str]:
    if not path.exists():
        yield f"{key}: no file {path}; put it there, or name another"


def _to_fill(key: str, hub_id: str) -> str:
    return f"{key}: empty; fill in the commit of {hub_id} to use (its page on the Hub, Files, History)"
