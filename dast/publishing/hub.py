"""A repository of the Hub, by `huggingface_hub`: looking at it, and bringing it to a plan in one commit.

Guarantees: a commit holds the whole plan or nothing, and is refused where somebody else committed since the look; large
files that are on the Hub already are not sent again, so a broken upload goes on where it was; every refusal of the Hub
is one line. Large files go by Xet where `hf_xet` is installed, else by LFS: the client's affair. Grain: one repository.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.hf_api import RepoFile

from dast.errors import PublishError
from dast.publishing.plan import Plan, Remote, RemoteFile, Target, Tree

_AGAIN = "run the same command again: what has arrived is not sent twice"
_TOKEN = "`hf auth login`, or set HF_TOKEN"


@dataclass(frozen=True)
class Repository:
    """One repository, as the client's account sees it."""

    api: HfApi
    target: Target

    def refuse_strangers(self) -> None:
        """Holds the token's account against the repository's owner.

        Raises:
            PublishError: no token, a wrong one, one that may only read, or an account that does not own the repository.
        """
        with self._told("who is asking"):
            account: dict[str, Any] = self.api.whoami()
        owners = [account["name"], *(organisation["name"] for organisation in account.get("orgs", []))]
        owner = self.target.name.partition("/")[0]
        if owner not in owners:
            raise PublishError(
                f"{self.target.name}: the token is {account['name']}'s, which may write to {', '.join(owners)}; name a "
                f"repository of those, or {_TOKEN} to one of {owner}"
            )
        if account.get("auth", {}).get("accessToken", {}).get("role") == "read":
            raise PublishError(
                f"{self.target.name}: {account['name']}'s token may only read; {_TOKEN} to one that writes"
            )

    def look(self) -> Remote | None:
        """The repository as it stands; None where there is none, or none that the account may see.

        Raises:
            PublishError: the Hub does not answer, or refuses.
        """
        with self._told("looking at it"):
            try:
                about = self.api.repo_info(self.target.name, repo_type=self.target.kind)
            except GatedRepoError:
                raise
            except RepositoryNotFoundError:
                return None
            return Remote(str(about.sha), bool(about.private), self._tree(str(about.sha)), self._tagged())

    def carry_out(self, plan: Plan, message: str) -> str:
        """Brings the repository to the plan, and makes the tag; gives the commit that holds the plan's files.

        Raises:
            PublishError: the Hub does not answer, or refuses; nothing of the plan is to be seen then, or all of it but
                the tag.
        """
        revision = self._made() if plan.remote is None else plan.remote.head
        if plan.changes:
            with self._told("uploading"):
                done = self.api.create_commit(
                    *(self.target.name, _operations(plan)),
                    commit_message=message,
                    repo_type=self.target.kind,
                    parent_commit=revision,
                )
            revision = done.oid
        if plan.makes_tag:
            with self._told(f"tagging {revision[:12]}, which is committed"):
                self.api.create_tag(
                    self.target.name, tag=str(self.target.tag), revision=revision, repo_type=self.target.kind
                )
        return revision

    def _made(self) -> str:
        with self._told("making it"):
            self.api.create_repo(self.target.name, repo_type=self.target.kind, private=self.target.private)
            return str(self.api.repo_info(self.target.name, repo_type=self.target.kind).sha)

    def _tagged(self) -> Tree | None:
        if self.target.tag is None:
            return None
        refs = self.api.list_repo_refs(self.target.name, repo_type=self.target.kind)
        return self._tree(self.target.tag) if self.target.tag in {ref.name for ref in refs.tags} else None

    def _tree(self, revision: str) -> Tree:
        entries = self.api.list_repo_tree(
            self.target.name, repo_type=self.target.kind, revision=revision, recursive=True
        )
        return {entry.path: _remote_file(entry) for entry in entries if isinstance(entry, RepoFile)}

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        try:
            yield
        # HTTP, network, Xet and card faults have no common base class.
        except Exception as error:
            raise PublishError(f"{self.target.name}: {doing}: {_reason(error)}") from error


def _operations(plan: Plan) -> list[CommitOperationAdd | CommitOperationDelete]:
    removed = [change.path for change in plan.changes if change.how == "remove"]
    return [
        *(CommitOperationAdd(file.path, file.content) for file in plan.uploads),
        *(CommitOperationDelete(path, is_folder=False) for path in removed),
    ]


def _remote_file(entry: RepoFile) -> RemoteFile:
    if entry.lfs is None:
        return RemoteFile(entry.path, entry.size, entry.blob_id, large=False)
    return RemoteFile(entry.path, entry.lfs.size, entry.lfs.sha256, large=True)


def _reason(error: BaseException) -> str:
    """A refusal of the Hub, and what to do."""
    if isinstance(error, RuntimeError) and error.__cause__ is not None:
        return _reason(error.__cause__)  # of an upload the client tells the file, and behind it the fault
    if isinstance(error, LocalTokenNotFoundError):
        return f"no token; {_TOKEN} to one that may write"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set; unset it"
    if isinstance(error, GatedRepoError):
        return "gated, and this account is not let in; ask its owner, on its page"
    if isinstance(error, RepositoryNotFoundError):
        return "not on the Hub, or private and not this account's"
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    known = {
        401: f"the Hub does not know this token; {_TOKEN} to a valid one",
        403: f"this token may not do that; {_TOKEN} to one that may write there",
        409: "somebody made it meanwhile; run the command again to see what is there now",
        412: "somebody committed meanwhile; run the command again to see the new plan",
    }
    told = " ".join(str(error).split())[:200] or type(error).__name__
    return known.get(status or 0, told if isinstance(error, ValueError) else f"{told}; {_AGAIN}")
