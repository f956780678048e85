"""The base model's folder, by `bootstrap.kind`.

Guarantees: what comes back is a usable policy folder or an error; what a hub or local base is made of is pinned by a
commit or a digest in params. A kind's imports are reached for that kind alone: `none` starts without torch. Grain: one
folder.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from dast.errors import ModelError, ParamsError
from dast.params.sources import Bootstrap
from dast.policies.folder import (
    Policy,
    check_model,
    check_tokenizer,
    folder_digest,
    has_chat_template,
    set_chat_template,
    write_policy,
)

log = logging.getLogger(__name__)


def make_base(bootstrap: Bootstrap, chat_template: str | None, folder: Path, *, raw: bool = False) -> Policy:
    """Fills `folder` with the base and its card; a template is set where the tokenizer has none, unless every prompt is
    `raw`.

    Raises:
        ParamsError: a field that this kind needs is null, or the local folder's digest is another.
        ModelError: the model cannot be had, or is not a usable one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    match bootstrap.kind:
        case "none":
            return write_policy(folder, name="base", kind="none")
        case "tiny":
            # torch: takes seconds to import, and other kinds need none of it.
            from dast.tiny.recipe import train_tiny

            train_tiny(bootstrap.tiny, folder)
        case "hub":
            _download(bootstrap, folder)
        case "local":
            _copy(bootstrap, folder)
    check_model(folder)
    if not raw:
        _settle_template(folder, chat_template)
    return write_policy(folder, name="base", kind=bootstrap.kind, source=bootstrap.source, revision=bootstrap.revision)


def _download(bootstrap: Bootstrap, folder: Path) -> None:
    source, revision = bootstrap.source, bootstrap.revision
    if source is None:
        raise ParamsError("bootstrap.source: null; name the model on the Hub, e.g. Qwen/Qwen2.5-1.5B-Instruct")
    if revision is None:
        raise ParamsError(
            f"bootstrap.revision: null; fill in the commit of {source} (a moving branch cannot be traced)"
        )
    from dast.policies.download import download_model

    log.info("downloading %s at %s", source, revision)
    download_model(source, revision, folder)


def _copy(bootstrap: Bootstrap, folder: Path) -> None:
    if bootstrap.source is None:
        raise ParamsError("bootstrap.source: null; name the folder that holds the model")
    source = Path(bootstrap.source)
    if not source.is_dir():
        raise ModelError(f"bootstrap.source: {source} is no folder; name the one that holds the model")
    check_tokenizer(source)
    found = folder_digest(source)
    if bootstrap.digest != found:
        said = "null" if bootstrap.digest is None else f"{bootstrap.digest}, but the folder has changed"
        raise ParamsError(
            f"bootstrap.digest: {said}; the digest of {source} is {found}: set it if this is the model you mean"
        )
    shutil.copytree(source, folder, dirs_exist_ok=True)


def _settle_template(folder: Path, chat_template: str | None) -> None:
    if not has_chat_template(folder):
        if chat_template is None:
            raise ModelError(
                f"{folder}: the tokenizer has no chat template and prompt.chat_template is null; write one there"
            )
        set_chat_template(folder, chat_template)
    elif chat_template is not None:
        log.warning("prompt.chat_template is not used: the tokenizer brings its own; set it to null")
