"""The real client of the Hub against its double: one commit, nothing twice, and one clear line for every refusal."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants

from dast.errors import PublishError
from dast.publishing.files import LocalFile, collect
from dast.publishing.hub import Repository
from dast.publishing.plan import Plan, Target, make_plan
from tests.hubdouble import Fault, Hub, serving
from tests.hubstate import Account, Repo
from tests.makers import ROOT

NAME = "ada/sums"
ALL_OF_IT = ["create", "preupload", "batch", "put", "put", "commit", "tag"]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Empty; `ada`, who is in `lab`, has a token that writes."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with serving() as served:
        yield served


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A card and two large files."""
    made = tmp_path / "hub"
    (made / "sft").mkdir(parents=True)
    (made / "README.md").write_text("---\ntags: [dast]\n---\n# Sums\n")
    (made / "sft" / "train-0.parquet").write_bytes(b"PAR1" + b"0" * 5000)
    (made / "sft" / "train-1.parquet").write_bytes(b"PAR1" + b"1" * 5000)
    return made


def target(name: str = NAME, tag: str | None = "v1", private: bool = False) -> Target:
    return Target(name, "dataset", private, tag)


def repository(hub: Hub, wanted: Target, token: str | bool = "token-of-ada") -> Repository:
    return Repository(HfApi(endpoint=hub.url, token=token), wanted)


def publish(hub: Hub, folder: Path, wanted: Target) -> str:
    """As the command does it; gives the revision."""
    found = repository(hub, wanted)
    found.refuse_strangers()
    return found.carry_out(make_plan(wanted, collect(folder, {}), found.look()), "r1")


def there(hub: Hub, name: str = NAME) -> dict[str, bytes]:
    """What the hub serves, but its own files."""
    files = hub.repos["dataset", name].files
    return {path: file.content for path, file in files.items() if path != ".gitattributes"}


def here(folder: Path) -> dict[str, bytes]:
    return {file.path: folder.joinpath(file.path).read_bytes() for file in collect(folder, {})}


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(PublishError) as caught:
        call()
    told = str(caught.value)
    assert "\n" not in told
    return told


def test_publish_new_repository_gets_every_file_in_one_commit_and_the_tag(hub: Hub, folder: Path) -> None:
    revision = publish(hub, folder, target())
    made = hub.repos["dataset", NAME]
    assert hub.sent() == ALL_OF_IT
    assert there(hub) == here(folder)
    assert (made.head, made.tags, made.titles) == (revision, {"v1": revision}, ["initial commit", "r1"])
    assert ".gitattributes" in made.files
    assert not made.private


def test_publish_again_sends_nothing(hub: Hub, folder: Path) -> None:
    revision = publish(hub, folder, target())
    hub.log.clear()
    assert publish(hub, folder, target()) == revision
    assert hub.sent() == []
    assert {status for _, _, status in hub.log} == {200}


def test_publish_change_sends_what_changed_and_removes_what_is_gone(hub: Hub, folder: Path) -> None:
    (folder / "data.json").write_text("{}")
    publish(hub, folder, target())
    (folder / "sft" / "train-0.parquet").unlink()
    (folder / "README.md").write_text("---\ntags: []\n---\n# Sums\n")
    hub.log.clear()
    hub.offered.clear()
    revision = publish(hub, folder, target(tag="v2"))
    assert hub.offered == ["README.md"]
    assert hub.sent() == ["preupload", "commit", "tag"]
    assert there(hub) == here(folder)
    assert hub.repos["dataset", NAME].tags["v2"] == revision


def test_publish_tag_that_marks_other_content_is_refused_before_anything_is_sent(hub: Hub, folder: Path) -> None:
    first = publish(hub, folder, target())
    (folder / "README.md").write_text("---\n---\nother\n")
    hub.log.clear()
    told = refusal(lambda: publish(hub, folder, target()))
    assert told == (
        "ada/sums: tag v1 marks other content (README.md, for one); nothing was uploaded, choose another tag"
    )
    assert hub.sent() == []
    assert hub.repos["dataset", NAME].tags == {"v1": first}


def test_publish_tag_on_an_older_equal_commit_brings_the_branch_back_and_stays(hub: Hub, folder: Path) -> None:
    first = publish(hub, folder, target())
    card = (folder / "README.md").read_text()
    (folder / "README.md").write_text(f"{card}more\n")
    publish(hub, folder, target(tag=None))
    (folder / "README.md").write_text(card)
    publish(hub, folder, target())
    assert there(hub) == here(folder)
    assert hub.repos["dataset", NAME].tags == {"v1": first}


def test_publish_commit_without_its_tag_gets_only_the_tag_later(hub: Hub, folder: Path) -> None:
    hub.faults = [Fault("POST", "/tag/", 503)]
    assert "tagging" in refusal(lambda: publish(hub, folder, target()))
    hub.log.clear()
    publish(hub, folder, target())
    assert hub.sent() == ["tag"]


def test_publish_private_is_private_and_a_public_one_is_not_published_to_as_private(hub: Hub, folder: Path) -> None:
    publish(hub, folder, target(private=True))
    assert hub.repos["dataset", NAME].private
    assert repository(hub, target(), token=False).look() is None
    hub.repos["dataset", NAME].private = False
    hub.log.clear()
    (folder / "README.md").write_text("---\n---\n")
    assert "is public" in refusal(lambda: publish(hub, folder, target(tag=None, private=True)))
    assert hub.sent() == []


def test_publish_gated_takes_its_owner_and_refuses_others(hub: Hub, folder: Path) -> None:
    hub.repos["dataset", NAME] = Repo("dataset", NAME, gated=True)
    publish(hub, folder, target())
    assert there(hub) == here(folder)
    hub.accounts["token-of-bob"] = Account("bob")
    told = refusal(repository(hub, target(), token="token-of-bob").look)
    assert told == "ada/sums: looking at it: gated, and this account is not let in; ask its owner, on its page"


def test_publish_stalled_hub_is_asked_again_by_the_client(hub: Hub, folder: Path) -> None:
    hub.faults = [Fault("POST", "/batch", 503), Fault("PUT", "/store/", "cut")]
    publish(hub, folder, target())
    assert there(hub) == here(folder)
    assert hub.sent().count("batch") == 2
    assert hub.sent().count("put") == 3
    assert len(hub.repos["dataset", NAME].titles) == 2


def test_publish_after_a_broken_commit_sends_no_large_file_again(hub: Hub, folder: Path) -> None:
    hub.faults = [Fault("POST", "/commit/", 503)]
    told = refusal(lambda: publish(hub, folder, target()))
    assert told.endswith("run the same command again: what has arrived is not sent twice")
    assert there(hub) == {}
    hub.log.clear()
    publish(hub, folder, target())
    assert hub.sent() == ["preupload", "batch", "commit", "tag"]
    assert there(hub) == here(folder)


def test_publish_killed_in_the_middle_of_a_file_goes_on_with_that_file(hub: Hub, folder: Path) -> None:
    publish(hub, folder, target(tag=None))
    for number in (2, 3):
        (folder / "sft" / f"train-{number}.parquet").write_bytes(b"PAR1" + bytes([number]) * 300_000)
    hub.log.clear()
    hub.faults = [Fault("PUT", "/store/", "hold")]
    code = (
        "import sys; from pathlib import Path; from tests.test_publishing_hub import *\n"
        "wanted = Target(NAME, 'dataset', False, None); found = Repository(HfApi(), wanted)\n"
        "found.carry_out(make_plan(wanted, collect(Path(sys.argv[1]), {}), found.look()), 'r1')"
    )
    settings = {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_ENDPOINT": hub.url, "HF_TOKEN": "token-of-ada"}
    environment = {"PATH": "", "PYTHONPATH": str(ROOT), **settings}
    client = subprocess.Popen([sys.executable, "-c", code, str(folder)], env=environment, stderr=subprocess.PIPE)
    assert hub.held.wait(60)
    wait_until(lambda: len(hub.objects) == 3)  # the other file arrives whole
    client.kill()
    client.communicate()
    hub.released.set()
    hub.log.clear()
    publish(hub, folder, target(tag=None))
    assert hub.sent() == ["preupload", "batch", "put", "commit"]
    assert there(hub) == here(folder)


def test_publish_commit_of_somebody_else_since_the_look_is_not_overwritten(hub: Hub, folder: Path) -> None:
    publish(hub, folder, target(tag=None))
    (folder / "README.md").write_text("---\n---\nmine\n")
    found = repository(hub, target())
    plan: Plan = make_plan(target(), collect(folder, {}), found.look())
    other = hub.repos["dataset", NAME].commit({}, "theirs")
    told = refusal(lambda: found.carry_out(plan, "r1"))
    assert told == ("ada/sums: uploading: somebody committed meanwhile; run the command again to see the new plan")
    assert hub.repos["dataset", NAME].head == other


@pytest.mark.parametrize(
    ("name", "token", "told"),
    [
        (
            NAME,
            "wrong",
            "ada/sums: who is asking: the Hub does not know this token; `hf auth login`, or set HF_TOKEN to",
        ),
        (NAME, "reads", "ada/sums: ada's token may only read; `hf auth login`, or set HF_TOKEN to one that writes"),
        ("bob/sums", "token-of-ada", "bob/sums: the token is ada's, which may write to ada, lab; name a repository of"),
    ],
)
def test_publish_wrong_account_is_refused_in_one_line(hub: Hub, name: str, token: str, told: str) -> None:
    hub.accounts["reads"] = Account("ada", role="read")
    assert refusal(repository(hub, target(name), token).refuse_strangers).startswith(told)
    assert len(hub.log) == 1


def test_publish_without_token_says_how_to_get_one(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    found = Repository(HfApi(endpoint=hub.url), target())
    assert refusal(found.refuse_strangers) == (
        "ada/sums: who is asking: no token; `hf auth login`, or set HF_TOKEN to one that may write"
    )


def test_publish_organisation_of_the_account_is_its_own(hub: Hub, folder: Path) -> None:
    publish(hub, folder, target("lab/sums"))
    assert there(hub, "lab/sums") == here(folder)


def test_publish_card_that_the_hub_refuses_is_told(hub: Hub, folder: Path) -> None:
    (folder / "README.md").write_text("no metadata\n")
    told = refusal(lambda: publish(hub, folder, target()))
    assert told == "ada/sums: uploading: Invalid metadata in README.md. - no metadata"
    assert "commit" not in hub.sent()


def test_publish_unreachable_hub_is_one_line(hub: Hub) -> None:
    found = Repository(HfApi(endpoint="http://127.0.0.1:9", token="t"), target())
    assert refusal(found.look).startswith("ada/sums: looking at it: ")


def test_collect_replaced_file_is_the_text_and_leaves_the_folder(folder: Path) -> None:
    before = here(folder)
    files: dict[str, LocalFile] = {file.path: file for file in collect(folder, {"README.md": "new\n"})}
    assert files["README.md"].content == b"new\n"
    assert here(folder) == before
