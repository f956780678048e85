"""Model folders: weights and tokenizer as transformers saves them, and a card that says what they are.

Guarantees: a card's digest covers the name and content of every file but the card and README.md, which change nothing
that a model says; a folder that passes `check_model` has a model and a tokenizer; a fingerprint is known without
reading weights, and a folder that is no longer what its card says has none. Only files are looked at, so nothing heavy
is imported. Grain: one folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from dast.errors import DataError, ModelError
from dast.smallfiles import read_json, write_json, write_text

CARD = "policy.json"
_TOLD = (CARD, "README.md")
"""Files that say what a folder is, and are not what it is."""

_VOCABULARIES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt", "tekken.json")
_TEMPLATE_FILE = "chat_template.jinja"
_ADAPTER = "adapter_config.json"
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf")
"""Endings of files that a fingerprint checks by size alone."""
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Policy:
    """A model folder's card."""

    name: str
    """`base` or a round's name."""
    kind: str
    """How it came about: a bootstrap kind, or `trained`."""
    source: str | None
    """Hub id or folder that a base was taken from."""
    revision: str | None
    """Commit on the Hub."""
    parent: str | None
    """Policy that training started from; null for a base."""
    method: str | None
    """`sft` or `dpo`; null for a base."""
    digest: str
    """`folder_digest` of the folder."""
    files: Mapping[str, Mapping[str, Any]]
    """`n_bytes` and `digest` of each file, by name below the folder."""


def write_policy(
    folder: Path,
    *,
    name: str,
    kind: str,
    source: str | None = None,
    revision: str | None = None,
    parent: str | None = None,
    method: str | None = None,
) -> Policy:
    """Writes the card of a folder that is otherwise complete; reads every file for the digest (seconds a gigabyte)."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: _about(path) for name, path in _files(folder).items()}
    policy = Policy(name, kind, source, revision, parent, method, _digest_of(files), files)
    write_json(folder / CARD, asdict(policy))
    return policy


def read_policy(folder: Path) -> Policy:
    """The card of a model folder.

    Raises:
        ModelError: the folder has no card, or one with other fields.
    """
    try:
        content = read_json(folder / CARD)
    except DataError as error:
        raise ModelError(f"{folder}: no readable {CARD}; run the stage that writes this folder ({error})") from error
    known = {field.name for field in fields(Policy)}
    if set(content) != known:
        raise ModelError(
            f"{folder / CARD}: has the fields {sorted(content)}, not {sorted(known)}; run bootstrap or train again"
        )
    return Policy(**content)


def folder_digest(folder: Path) -> str:
    """64 hex digits of the files below `folder` but the card and README.md, by name and content; links are followed."""
    return _digest_of({name: _about(path) for name, path in _files(folder).items()})


def fingerprint(folder: Path) -> str:
    """64 hex digits that name what the folder generates: its card's digest, and its base's where it is an adapter.

    Weights are held against the card by name and size, everything else by content.

    Raises:
        ModelError: the folder has no card, or has changed since the card was written.
    """
    policy = read_policy(folder)
    files = _files(folder)
    changed = sorted(name for name in {*files, *policy.files} if not _is_as_said(name, files, policy.files))
    if changed:
        raise ModelError(
            f"{folder}: {', '.join(changed[:3])} changed after {CARD} was written; run the stage that writes the folder"
        )
    if _ADAPTER not in files:
        return policy.digest
    # `models/base` is named as seen from the project's root; the folder beside the adapter serves from elsewhere.
    named = Path(str(read_json(files[_ADAPTER]).get("base_model_name_or_path")))
    base = named if (named / CARD).is_file() else folder.parent / named.name
    return fingerprint_over(policy.digest, fingerprint(base))


def fingerprint_over(digest: str, base: str) -> str:
    """The fingerprint of an adapter, from the digest of its folder and the fingerprint of its base."""
    return hashlib.sha256(f"{digest}\n{base}".encode()).hexdigest()


def folder_bytes(folder: Path) -> int:
    """Size of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def check_model(folder: Path) -> None:
    """Refuses a folder that cannot be a policy.

    Raises:
        ModelError: no model, or no tokenizer.
    """
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder}: no config.json, so no transformers model; an adapter must be merged into its base first"
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelError(f"{folder}: no *.safetensors weights; save the model with save_pretrained")
    check_tokenizer(folder)


def check_tokenizer(folder: Path) -> None:
    """Refuses a folder without a tokenizer.

    Raises:
        ModelError: no tokenizer_config.json, or no vocabulary beside it.
    """
    if not (folder / "tokenizer_config.json").is_file() or not any((folder / name).is_file() for name in _VOCABULARIES):
        raise ModelError(f"{folder}: no tokenizer beside the model; save it there with tokenizer.save_pretrained")


def has_chat_template(folder: Path) -> bool:
    """Whether the folder's tokenizer brings a chat template of its own, in a file or in its config."""
    if (folder / _TEMPLATE_FILE).is_file():
        return True
    try:
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{folder / 'tokenizer_config.json'}: cannot be read as JSON; save the tokenizer again"
        ) from error
    return bool(config.get("chat_template"))


def set_chat_template(folder: Path, template: str) -> None:
    """Gives a tokenizer that has no chat template this one, in the file that transformers reads it from."""
    write_text(folder / _TEMPLATE_FILE, template)


def _files(folder: Path) -> dict[str, Path]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path for name, path in sorted(found.items()) if name not in _TOLD}


def _about(path: Path) -> dict[str, Any]:
    return {"n_bytes": path.stat().st_size, "digest": _file_digest(path)}


def _digest_of(files: Mapping[str, Mapping[str, Any]]) -> str:
    lines = (f"{name}\0{files[name]['digest']}\n" for name in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _is_as_said(name: str, files: Mapping[str, Path], said: Mapping[str, Mapping[str, Any]]) -> bool:
    if name not in files or name not in said or files[name].stat().st_size != said[name]["n_bytes"]:
        return False
    return name.endswith(_WEIGHTS) or _file_digest(files[name]) == said[name]["digest"]


def _file_digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
