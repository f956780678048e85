"""Whether the models and datasets that params name can be had: id, gate, commit; and a local folder's digest.

Guarantees: asks the Hub for facts alone, and downloads nothing; whatever it answers is a finding. Grain: one finding a
model or dataset.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from dast.params.sources import Bootstrap, HubSource, Prepare
from dast.policies.folder import folder_digest
from dast.preflight.findings import Finding, first_line

RepoKind = Literal["model", "dataset"]

_COMMIT = re.compile(r"[0-9a-f]{40}")


class Hub(Protocol):
    """The two calls of `huggingface_hub.HfApi` that are asked."""

    def auth_check(self, repo_id: str, *, repo_type: str) -> None:
        """Raises where the repository is not there, or not for this user."""

    def repo_info(self, repo_id: str, *, repo_type: str, revision: str | None) -> Any:
        """Its facts at a revision; `sha` is the commit."""


@dataclass(frozen=True)
class Wanted:
    """A repository that params name, and the key that names it."""

    key: str
    kind: RepoKind
    hub_id: str
    revision: str | None


def wanted_of(prepare: Prepare, bootstrap: Bootstrap) -> list[Wanted]:
    """Every model and dataset of the Hub that the line reads, each once."""
    placed = [(f"prepare.train.{n}", source) for n, source in enumerate(prepare.train)]
    placed += [(f"prepare.tests.{n}.source", test.source) for n, test in enumerate(prepare.tests)]
    found = [
        Wanted(key, "dataset", source.hub_id, source.revision)
        for key, source in placed
        if isinstance(source, HubSource)
    ]
    if prepare.pool is not None and prepare.pool.kind == "hub":
        found.append(Wanted("prepare.pool", "dataset", prepare.pool.path, prepare.pool.revision))
    if bootstrap.kind == "hub" and bootstrap.source is not None:
        found.append(Wanted("bootstrap", "model", bootstrap.source, bootstrap.revision))
    return list({(one.kind, one.hub_id, one.revision): one for one in reversed(found)}.values())[::-1]


def hub_findings(wanted: list[Wanted], hub: Hub) -> Iterator[Finding]:
    """What the Hub says of each."""
    for one in wanted:
        yield hub_finding(one, hub)


def hub_finding(one: Wanted, hub: Hub) -> Finding:
    """What the Hub says of a repository."""
    subject = f"{one.kind} {one.hub_id}"
    try:
        hub.auth_check(one.hub_id, repo_type=one.kind)
        sha = str(hub.repo_info(one.hub_id, repo_type=one.kind, revision=one.revision).sha)
    except GatedRepoError:
        page = f"https://huggingface.co/{'datasets/' if one.kind == 'dataset' else ''}{one.hub_id}"
        told = f"gated; accept its terms at {page}, then `hf auth login` or set HF_TOKEN to a token of that account"
        return Finding("error", subject, told)
    except RepositoryNotFoundError:
        told = f"not on the Hub, or private; correct defaults.{one.key}, or log in to an account that may read it"
        return Finding("error", subject, told)
    except RevisionNotFoundError:
        told = f"has no revision {one.revision}; fill a commit of its history into defaults.{one.key}.revision"
        return Finding("error", subject, told)
    except HfHubHTTPError as error:
        return Finding("warning", subject, f"not checked, the Hub answered: {first_line(error)}; try again later")
    except Exception as error:  # no network, or told to be offline: these have no common base class
        told = f"not checked, the Hub cannot be reached ({first_line(error)}); run this where it can"
        return Finding("warning", subject, told)
    if one.revision is None:
        return Finding("error", subject, f"defaults.{one.key}.revision is empty; its newest commit is {sha}")
    if _COMMIT.fullmatch(one.revision) is None:
        told = f"{one.revision} is no whole commit and may move; fill {sha} into defaults.{one.key}.revision"
        return Finding("warning", subject, told)
    return Finding("ok", subject, f"can be read at {one.revision[:12]}")


def folder_findings(bootstrap: Bootstrap) -> Iterator[Finding]:
    """Whether a local base is what its digest says; reads the whole folder (seconds a gigabyte)."""
    if bootstrap.kind != "local" or bootstrap.source is None:
        return
    subject, folder = f"model {bootstrap.source}", Path(bootstrap.source)
    if not folder.is_dir():
        yield Finding("error", subject, "no such folder; name the one that holds the model in bootstrap.source")
    elif (found := folder_digest(folder)) != bootstrap.digest:
        said = "empty" if bootstrap.digest is None else f"{bootstrap.digest[:12]}…, but the folder's is another"
        told = f"bootstrap.digest is {said}; set it to {found} if this is the model you mean"
        yield Finding("error", subject, told)
    else:
        yield Finding("ok", subject, f"is what bootstrap.digest {found[:12]}… says")
