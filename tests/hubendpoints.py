"""The Hub's endpoints over `tests.hubstate`: what its clients ask, and who may see and write what."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.hubstate import Account, Body, Repo, Stored, folder_entry, is_large
from tests.loopback import Reply


@dataclass(frozen=True)
class Request:
    """What was asked."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    url: str
    """Of the double."""

    @property
    def json(self) -> Body:
        return dict(json.loads(self.body))


class Refused(Exception):
    """Ends a request with a status and the Hub's own code for the reason."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.reply = Reply(status, {"error": message}, X_Error_Code=code, X_Error_Message=message)


@dataclass
class Endpoints:
    """The state, and one method an endpoint."""

    accounts: dict[str, Account] = field(default_factory=lambda: {"token-of-ada": Account("ada", ("lab",))})
    repos: dict[tuple[str, str], Repo] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    offered: list[str] = field(default_factory=list)
    """Paths that clients said they would upload."""
    url: str = ""
    lock: Any = field(default_factory=threading.RLock)

    def reply(self, request: Request) -> Reply:
        with self.lock:
            try:
                for pattern, handle in ENDPOINTS.items():
                    method, _, path = pattern.partition(" ")
                    if request.method in method.split("|") and (match := re.fullmatch(path, request.path)):
                        return handle(self, request, *(unquote(part or "") for part in match.groups()))
                raise Refused(404, "", f"the double has no {request.method} {request.path}")
            except Refused as refused:
                return refused.reply

    # -- who --

    def asking(self, request: Request) -> Account | None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if given and given not in self.accounts:
            raise Refused(401, "", "Invalid credentials in Authorization header")
        return self.accounts.get(given)

    def repo(self, request: Request, kind: str, name: str, writes: bool = False) -> Repo:
        """The repository, if whoever asks may see it."""
        account, found = self.asking(request), self.repos.get((kind.rstrip("s") or "model", name))
        owned = account is not None and account.owns(name)
        if found is None or (found.private and not owned):
            raise Refused(404 if account else 401, "RepoNotFound", "Repository not found")
        if found.gated and not owned:
            raise Refused(403 if account else 401, "GatedRepo", f"Access to {kind} {name} is restricted")
        if writes and (account is None or not owned or account.role == "read"):
            raise Refused(403, "", "You don't have the required permissions to perform this action")
        return found

    def whoami(self, request: Request) -> Reply:
        account = self.asking(request)
        if account is None:
            raise Refused(401, "", "Invalid username or password.")
        auth = {"type": "access_token", "accessToken": {"displayName": "t", "role": account.role}}
        orgs = [{"type": "org", "name": name} for name in account.orgs]
        return Reply(200, {"type": "user", "name": account.name, "orgs": orgs, "auth": auth})

    # -- writing --

    def create(self, request: Request) -> Reply:
        asked, account = request.json, self.asking(request)
        name = f"{asked.get('organization') or (account.name if account else '')}/{asked['name']}"
        if account is None or account.role == "read" or not account.owns(name):
            raise Refused(
                403, "", f'You don\'t have the rights to create a {asked["type"]} under the namespace "{name}"'
            )
        if (asked["type"], name) in self.repos:
            raise Refused(409, "", "You already created this repo")
        self.repos[asked["type"], name] = Repo(asked["type"], name, private=asked.get("visibility") == "private")
        return Reply(200, {"url": f"{request.url}/{asked['type']}s/{name}", "name": name, "id": "1"})

    def validate(self, request: Request) -> Reply:
        sound = request.json["content"].startswith("---\n")
        return Reply(
            *(200, {"errors": [], "warnings": []}) if sound else (400, {"errors": [{"message": "no metadata"}]})
        )

    def preupload(self, request: Request, kind: str, name: str, revision: str) -> Reply:
        files = self.repo(request, kind, name, writes=True).files
        self.offered += [asked["path"] for asked in request.json["files"]]
        told = [
            {
                "path": asked["path"],
                "uploadMode": "lfs" if is_large(asked["path"], asked["size"]) else "regular",
                "shouldIgnore": False,
                "oid": files[asked["path"]].etag if asked["path"] in files else None,
            }
            for asked in request.json["files"]
        ]
        return Reply(200, {"files": told})

    def batch(self, request: Request, kind: str, name: str) -> Reply:
        self.repo(request, kind, name, writes=True)
        told = []
        for asked in request.json["objects"]:
            actions = {"upload": {"href": f"{request.url}/store/{asked['oid']}"}}
            told.append(asked if asked["oid"] in self.objects else {**asked, "actions": actions})
        return Reply(200, {"transfer": "basic", "objects": told})

    def put(self, request: Request, oid: str) -> Reply:
        if hashlib.sha256(request.body).hexdigest() != oid:
            raise Refused(400, "", "the content is not that of its digest")
        self.objects[oid] = request.body
        return Reply(200, {})

    def commit(self, request: Request, kind: str, name: str, revision: str) -> Reply:
        repo = self.repo(request, kind, name, writes=True)
        header, *operations = [json.loads(line) for line in request.body.splitlines()]
        if header["value"].get("parentCommit", repo.head) != repo.head:
            raise Refused(412, "", "A commit has happened since. Please refresh and try again.")
        files = dict(repo.files)
        for operation in operations:
            value = operation["value"]
            if operation["key"] == "file":
                files[value["path"]] = Stored(base64.b64decode(value["content"]), large=False)
            elif operation["key"] == "lfsFile":
                if value["oid"] not in self.objects:
                    raise Refused(400, "", "an LFS pointer points to nothing")
                files[value["path"]] = Stored(self.objects[value["oid"]], large=True)
            else:
                del files[value["path"]]
        oid = repo.commit(files, header["value"]["summary"])
        return Reply(200, {"success": True, "commitOid": oid, "commitUrl": f"{request.url}/{kind}/{name}/commit/{oid}"})

    def tag(self, request: Request, kind: str, name: str, revision: str) -> Reply:
        repo, wanted = self.repo(request, kind, name, writes=True), request.json["tag"]
        if wanted in repo.tags:
            raise Refused(409, "", "Tag reference exists already")
        repo.tags[wanted] = _known(repo, revision)
        return Reply(200, {})

    # -- reading --

    def about(self, request: Request, kind: str, name: str, revision: str) -> Reply:
        repo = self.repo(request, kind, name)
        return Reply(200, repo.about(_known(repo, revision or "main")))

    def refs(self, request: Request, kind: str, name: str) -> Reply:
        repo = self.repo(request, kind, name)
        heads = [{"name": "main", "ref": "refs/heads/main", "targetCommit": repo.head}]
        tags = [{"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": at} for tag, at in repo.tags.items()]
        return Reply(200, {"branches": heads, "tags": tags, "converts": []})

    def tree(self, request: Request, kind: str, name: str, revision: str, below: str) -> Reply:
        repo = self.repo(request, kind, name)
        recursive = request.query.get("recursive", ["false"])[0].lower() == "true"
        entries = list(repo.tree(_known(repo, revision), below.strip("/"), recursive))
        if below.strip("/") and not entries:
            raise Refused(404, "EntryNotFound", f"{below} does not exist")
        return Reply(200, entries)

    def paths(self, request: Request, kind: str, name: str, revision: str) -> Reply:
        repo = self.repo(request, kind, name)
        files = repo.commits[_known(repo, revision)]
        form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        wanted = parse_qs(request.body.decode())["paths"] if form else request.json["paths"]
        told = [files[path].entry(path) for path in wanted if path in files]
        folders = [path for path in wanted if any(one.startswith(f"{path}/") for one in files)]
        return Reply(200, [*told, *map(folder_entry, folders)])

    def resolve(self, request: Request, kind: str, name: str, revision: str, path: str) -> Reply:
        repo = self.repo(request, kind, name)
        commit = _known(repo, revision)
        file = repo.commits[commit].get(path)
        if file is None:
            raise Refused(404, "EntryNotFound", "Entry not found")
        headers = {"ETag": f'"{file.etag}"', "X_Repo_Commit": commit, "Accept_Ranges": "bytes"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if asked is None:
            return Reply(200, file.content, **headers)
        first, last = int(asked[1]), min(int(asked[2] or len(file.content)), len(file.content) - 1)
        part = file.content[first : last + 1]
        return Reply(206, part, **headers, Content_Range=f"bytes {first}-{last}/{len(file.content)}")


_REPO = r"/api/(models|datasets)/([^/]+/[^/]+)"
ENDPOINTS: dict[str, Callable[..., Reply]] = {
    "GET /api/whoami-v2": Endpoints.whoami,
    "POST /api/repos/create": Endpoints.create,
    "POST /api/validate-yaml": Endpoints.validate,
    rf"POST {_REPO}/preupload/([^/]+)": Endpoints.preupload,
    r"POST /(?:(datasets)/)?([^/]+/[^/]+)\.git/info/lfs/objects/batch": Endpoints.batch,
    "PUT /store/([0-9a-f]+)": Endpoints.put,
    rf"POST {_REPO}/commit/([^/]+)": Endpoints.commit,
    rf"POST {_REPO}/tag/([^/]+)": Endpoints.tag,
    rf"GET {_REPO}(?:/revision/([^/]+))?": Endpoints.about,
    rf"GET {_REPO}/refs": Endpoints.refs,
    rf"GET {_REPO}/tree/([^/]+)(/.*)?": Endpoints.tree,
    rf"POST {_REPO}/paths-info/([^/]+)": Endpoints.paths,
    r"GET|HEAD /(?:(datasets)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)": Endpoints.resolve,
}


def _known(repo: Repo, revision: str) -> str:
    found = repo.revision(revision)
    if found is None:
        raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
    return found
