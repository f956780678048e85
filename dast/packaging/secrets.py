"""The last look before anything leaves the machine: tokens, private keys, and what names this machine or its users.

Guarantees: every file of a folder is read, texts of Parquet tables column by column and small binary files too, and the
first secret ends it in one line that never shows the secret whole. Larger binary files (weights) are not read. An
absolute path is known by the folder that it begins with; one that begins with a name of nobody's list is not found.
Grain: one find.
"""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from dast.errors import DataError

_TREES = (
    *("root", "tmp", "mnt", "media", "opt", "srv", "usr", "var", "etc", "proc", "work", "workspace", "data", "scratch"),
    *("content", "kaggle", "private", "Volumes", "nfs", "run", "dev/shm", "app", "storage", "project", "projects"),
    *("shared", "cluster", "lustre", "gpfs", "fsx", "efs", "ceph", "beegfs", "dbfs"),
)
"""Folders at the top of a file system. A division such as `12/4` has no such name behind its stroke."""

_DRIVE_FOLDERS = (
    *("work", "workspace", "data", "tmp", "temp", "project", "projects", "scratch", "storage", "shared"),
    *("Work", "Workspace", "Data", "Tmp", "Temp", "Project", "Projects", "Windows", "ProgramData", "Program Files"),
)
"""Folders at the top of a drive: after `f:` any other name between strokes may be TeX (`f:\\alpha\\beta`)."""


@dataclass(frozen=True)
class Form:
    """How one kind of secret looks."""

    what: str
    marks: tuple[str, ...]
    """Each secret of this kind holds one of them. Texts are searched for all marks at once, which goes thirty times as
    fast as the patterns; few texts are left for those."""
    pattern: str


FORMS = (
    Form("a token of the Hugging Face Hub", ("hf_", "api_org_"), r"\b(?:hf|api_org)_[A-Za-z0-9]{30,}\b"),
    Form("a key of OpenAI's form", ("sk-",), r"\bsk-(?:[a-z0-9]{2,8}-)*[A-Za-z0-9_]{20,}[A-Za-z0-9_-]*"),
    Form("an AWS access key", ("AKIA", "ASIA"), r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    Form(
        "an AWS secret key",
        ("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", "aws_session_token", "AWS_SESSION_TOKEN"),
        r"(?i:aws_secret_access_key|aws_session_token)[\"']?\s*[=:]\s*[\"']?[A-Za-z0-9/+=]{40,}",
    ),
    Form(
        "a GitHub token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})",
    ),
    Form("a GitLab token", ("glpat-",), r"\bglpat-[A-Za-z0-9_-]{20,}"),
    Form("a Google API key", ("AIza",), r"\bAIza[0-9A-Za-z_-]{35}\b"),
    Form("a Slack token", ("xox",), r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    Form("a private key", ("PRIVATE KEY-----",), r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    Form(
        "a password in an address",
        ("://",),
        r"\b[a-z][a-z0-9+.-]{1,15}://[^\s/:@]{1,64}:[^\s/:@]{3,64}@[A-Za-z0-9]",
    ),
    Form(
        "a user's home folder",
        ("/home/", "/Users/", ":\\Users\\", ":\\\\Users\\\\"),
        r"(?<![\w.])(?:/home|/Users)/[A-Za-z0-9_.][A-Za-z0-9_.-]*|\b[A-Za-z]:\\\\?Users\\\\?\w[\w.-]*",
    ),
    Form(
        "an absolute path",
        tuple(f"/{tree}/" for tree in _TREES),
        rf"(?:^|[\s\"'`(=:,;\[{{|<>]|\\n)/(?:{'|'.join(_TREES)})/[A-Za-z0-9_.]",
    ),
    Form(
        "an absolute path",
        tuple(f":{stroke}{name}{stroke}" for name in _DRIVE_FOLDERS for stroke in ("\\", "\\\\")),
        rf"\b[A-Za-z]:(?P<stroke>\\\\?)(?:{'|'.join(_DRIVE_FOLDERS)})(?P=stroke)[\w.]",
    ),
    Form("the address of a file", ("file://",), r"\bfile://\S"),
)
"""Credentials by the forms that their issuers give them, and paths of a machine."""

_COMMON_NAMES = {"root", "user", "admin", "ubuntu", "debian", "runner", "jovyan", "localhost"}
_SHORTEST_NAME = 3
_SMALL_BYTES = 1 << 20
_SHOWN_CHARS = 6
_ROWS_AT_ONCE = 100_000


@dataclass(frozen=True)
class Found:
    """One secret: what it is, the text around it, and where (a line, or a column and row)."""

    what: str
    where: str
    text: str


def refuse_secrets(folder: Path) -> None:
    """Reads every file below `folder`, and ends at the first secret.

    Raises:
        DataError: the file, where in it, what it is, and what to do.
    """
    forms = (*FORMS, *_of_this_machine())
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found = next(_found_in(path, forms), None)
        if found is not None:
            raise DataError(
                f"{path.relative_to(folder).as_posix()}, {found.where}: {found.what} ({_masked(found.text)}); take it "
                "out of where it comes from (params, queries or responses), and run again"
            )


def _of_this_machine() -> Iterator[Form]:
    """What holds on this machine alone: its home and working folders, its user in a path or at a host, its name."""
    folders = tuple(sorted({str(Path.home()), str(Path.cwd())} - {"/", "/root"}))
    if folders:
        yield Form("a folder of this machine", folders, rf"(?<!\w)(?:{'|'.join(map(re.escape, folders))})(?!\w)")
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        user = ""
    if len(user) >= _SHORTEST_NAME and user not in _COMMON_NAMES:
        name = re.escape(user)
        # The bare word may be a person in a query, or the account on the Hub that the card names.
        yield Form("this machine's user name", (user,), rf"[~/\\]{name}[/\\@]|\b{name}@[a-z0-9-]+\b")
    host = socket.gethostname()
    if re.search(r"[0-9-]", host) and len(host) > _SHORTEST_NAME and host not in _COMMON_NAMES:
        yield Form("this machine's name", (host,), rf"\b{re.escape(host)}\b")


def _found_in(path: Path, forms: Sequence[Form]) -> Iterator[Found]:
    if path.suffix == ".parquet":
        return _in_table(path, forms)
    content = path.read_bytes() if path.stat().st_size <= _SMALL_BYTES or not _is_binary(path) else b""
    return _in_lines(content.decode("utf-8", errors="replace"), forms)


def _is_binary(path: Path) -> bool:
    with path.open("rb") as handle:
        return b"\0" in handle.read(_SMALL_BYTES)


def _in_lines(text: str, forms: Sequence[Form]) -> Iterator[Found]:
    for number, line in enumerate(text.split("\n"), start=1):
        if found := _first(line, forms):
            yield Found(found[0], f"line {number}", found[1])


def _in_table(path: Path, forms: Sequence[Form]) -> Iterator[Found]:
    """Texts of every column, those in lists and structs too."""
    marks = [mark for form in forms for mark in form.marks]
    scan = pl.scan_parquet(path)
    names = {name: kind for name, kind in scan.collect_schema().items() if _holds_text(kind)}
    n_rows = scan.select(pl.len()).collect().item() if names else 0
    for offset in range(0, n_rows, _ROWS_AT_ONCE):
        part = scan.slice(offset, _ROWS_AT_ONCE).select(list(names)).collect()
        for name, kind in names.items():
            texts = _texts(part[name], kind)
            for text, row in texts.filter(pl.col("text").str.contains_any(marks)).select("text", "row").iter_rows():
                if found := _first(text, forms):
                    yield Found(found[0], f"column {name}, row {offset + row + 1}", found[1])


def _first(text: str, forms: Sequence[Form]) -> tuple[str, str] | None:
    """What the text holds, and the text of it; None for nothing."""
    marked = (form for form in forms if any(mark in text for mark in form.marks))
    hits = ((form.what, hit[0]) for form in marked if (hit := re.search(form.pattern, text)))
    return next(hits, None)


def _holds_text(kind: pl.DataType) -> bool:
    if isinstance(kind, pl.List):
        return _holds_text(kind.inner)  # type: ignore[arg-type]
    if isinstance(kind, pl.Struct):
        return any(_holds_text(field.dtype) for field in kind.fields)  # type: ignore[arg-type]
    return kind == pl.String


def _texts(values: pl.Series, kind: pl.DataType) -> pl.DataFrame:
    """Every text of a column, with the row that it stands in."""
    rows = pl.DataFrame({"row": pl.int_range(len(values), eager=True), "text": values})
    while not isinstance(kind, pl.String):
        if isinstance(kind, pl.List):
            rows, kind = rows.explode("text", empty_as_null=False), kind.inner  # type: ignore[assignment]
        elif isinstance(kind, pl.Struct):
            fields = [field.name for field in kind.fields if field.dtype == pl.String]
            rows = pl.concat(
                [rows.select("row", text=pl.col("text").struct.field(name)) for name in fields], how="vertical"
            )
            kind = pl.String()
    return rows


def _masked(text: str) -> str:
    return repr(text.strip()[:_SHOWN_CHARS] + "…")
