"""The engine for an endpoint, against a loopback server that fails on purpose."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dast.engines.endpoint import FAILURES_OF_A_DEAD_SERVER, KEY_VARIABLE
from dast.engines.protocol import RAW, Item, Response
from dast.engines.server import ServerEngine
from dast.errors import EngineError, ModelError
from dast.params.engines import Server
from dast.prompts import prompt_digest, started
from tests.loopback import Body, Loopback, Reply, answer, fault, serving
from tests.makers import default_settings
from tests.tiny_models import save_tiny_model

GENERATION = default_settings().generation
DECODING = default_settings().sample.decoding.model_copy(update={"max_new_tokens": 9})
BASE = Path("models/base")


def engine(loopback: Loopback, model: Path = BASE, **changes: Any) -> ServerEngine:
    quick: dict[str, Any] = {
        "url": loopback.url,
        "api": "chat",
        "concurrency": 4,
        "backoff_s": 0.001,
        "timeout_s": 20.0,
    }
    server = GENERATION.server.model_copy(update=quick | changes)
    return ServerEngine(GENERATION.model_copy(update={"server": server}), model)


def items(n: int, k: int = 1) -> list[Item]:
    messages = [[{"role": "user", "content": f"Tom has {i} coins."}] for i in range(n)]
    return [Item(f"q{i}", "sample", j, prompt_digest(m), m) for i, m in enumerate(messages) for j in range(k)]


def found(engine: ServerEngine, asked: list[Item], **decoding: Any) -> dict[tuple[str, int], Response]:
    wish = DECODING.model_copy(update=decoding)
    done = [((item.query_id, item.sample_index), response) for item, response in engine.generate(asked, wish, 100)]
    assert len(dict(done)) == len(done) == len(asked)
    return dict(done)


def number(body: Body) -> int:
    return int(body["messages"][-1]["content"].split()[2])


def failing(*replies: Reply, only: int | None = None) -> Any:
    """A handler that gives each request these replies first, and then a response."""

    def handle(body: Body, n_before: int) -> Reply:
        if (only is None or number(body) == only) and n_before < len(replies):
            return replies[n_before]
        return answer(f"r{number(body)}", chat=True)

    return handle


def test_server_chat_sends_messages_and_gives_each_item_its_response() -> None:
    with serving(failing()) as loopback:
        given = found(engine(loopback), items(3, 2), stop=["\n"], temperature=0.7)
    assert {key: response.text for key, response in given.items()} == {
        (f"q{i}", j): f"r{i}" for i in range(3) for j in range(2)
    }
    assert set(given.values()) == {Response(f"r{i}", 3, 2, "stop") for i in range(3)}
    assert {body["path"] for body in loopback.bodies} == {"/v1/chat/completions"}
    assert {(b["model"], b["temperature"], b["max_tokens"], *b["stop"]) for b in loopback.bodies} == {
        ("base", 0.7, 9, "\n")
    }
    assert sorted(body["seed"] for body in loopback.bodies) == list(range(100, 106))
    assert not any("top_k" in body for body in loopback.bodies)


def test_server_completions_sends_the_tokens_that_the_policy_makes(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "r1")
    with serving(lambda body, _: answer(" ".join(map(str, body["prompt"])))) as loopback:
        asked = engine(loopback, folder, api="completions")
        long = [Item("long", "sample", 0, "d", [{"role": "user", "content": "Tom has 3 coins. " * 200}])]
        given = found(asked, [*items(2), *long], top_k=7, max_new_tokens=1000)
    tokenizer = asked._tokenizer
    ids = tokenizer.apply_chat_template(items(2)[1].messages, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert given["q1", 0].text == " ".join(map(str, ids))
    assert (given["long", 0].finish_reason, given["long", 0].n_tokens) == ("error", 0)
    assert len(loopback.bodies) == 2
    assert {(body["model"], body["top_k"]) for body in loopback.bodies} == {("r1", 7)}
    assert {body["max_tokens"] + len(body["prompt"]) for body in loopback.bodies} == {GENERATION.max_model_tokens}


def test_server_started_response_is_asked_to_be_continued(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "r1")
    plain = items(1)[0]
    turns = started(plain.messages, "Sep 9*3=27;")
    asked = [plain, Item("q1", "hinted", 0, prompt_digest(turns), turns)]
    with serving(lambda body, _: answer(" Oct", chat="messages" in body)) as loopback:
        found(engine(loopback), asked)
        chat = {len(body["messages"]): body for body in loopback.bodies}
        loopback.bodies.clear()
        by_tokens = engine(loopback, folder, api="completions")
        given = found(by_tokens, asked)
    assert (chat[2]["continue_final_message"], chat[2]["add_generation_prompt"]) == (True, False)
    assert not chat[1].keys() & {"continue_final_message", "add_generation_prompt"}
    ids = by_tokens._tokenizer("Sep 9*3=27;", add_special_tokens=False)["input_ids"]
    assert max((body["prompt"] for body in loopback.bodies), key=len)[-len(ids) :] == ids
    assert given["q1", 0].text == " Oct"


@pytest.mark.parametrize(
    "replies",
    [
        [fault(429, "slow down", Retry_After="0"), fault(429, "slow down")],
        [fault(500, "oh"), fault(503, "loading")],
        [Reply(200, b"not json"), Reply(200, {"choices": []})],
        [Reply(200, {"choices": [{"text": "half"}]}, cut=True)],
    ],
    ids=["429", "5xx", "unreadable", "cut"],
)
def test_server_passing_troubles_are_waited_out(replies: list[Reply]) -> None:
    with serving(failing(*replies)) as loopback:
        given = found(engine(loopback), items(6))
    assert {response.finish_reason for response in given.values()} == {"stop"}
    assert len(loopback.bodies) == 6 * (1 + len(replies))


def test_server_request_without_answer_in_time_is_sent_again() -> None:
    late = threading.Event()

    def handle(body: Body, n_before: int) -> Reply:
        if n_before == 0:
            late.wait(20)
        return answer("r", chat=True)

    with serving(handle) as loopback:
        given = found(engine(loopback, timeout_s=0.3), items(2))
        late.set()
    assert {response.text for response in given.values()} == {"r"}


def test_server_as_many_requests_at_a_time_as_allowed() -> None:
    together = threading.Barrier(3)
    n_now, most, lock = 0, 0, threading.Lock()

    def handle(body: Body, n_before: int) -> Reply:
        nonlocal n_now, most
        with lock:
            n_now += 1
            most = max(most, n_now)
        together.wait(20)
        with lock:
            n_now -= 1
        return answer("r", chat=True)

    with serving(handle) as loopback:
        found(engine(loopback, concurrency=3), items(9))
    assert most == 3


@pytest.mark.parametrize(
    "reply",
    [
        fault(400, "This model's maximum context length is 512 tokens"),
        fault(422, "this prompt is not to our taste"),
        fault(500, "this prompt breaks the server"),
    ],
    ids=["too_long", "refused", "broken"],
)
def test_server_one_request_that_fails_is_an_error_row_to_be_asked_for_again(reply: Reply) -> None:
    with serving(failing(*[reply] * 9, only=2)) as loopback:
        asked = engine(loopback, max_attempts=3, concurrency=1)
        given = found(asked, items(6))
    assert given.pop(("q2", 0)) == Response("", None, None, "error")
    assert {response.finish_reason for response in given.values()} == {"stop"}


def test_server_too_long_prompts_alone_are_rows_and_no_fault_of_the_params() -> None:
    with serving(lambda *_: fault(400, "maximum context length exceeded")) as loopback:
        given = found(engine(loopback), items(12))
    assert set(given.values()) == {Response("", None, None, "error")}


def test_server_half_a_sign_does_not_cost_the_rows_beside_it() -> None:
    with serving(lambda *_: answer("so \ud83d", chat=True)) as loopback:
        given = found(engine(loopback), items(2))
    assert {response.text for response in given.values()} == {"so ?"}


def test_server_chat_without_room_for_any_prompt_is_refused() -> None:
    with serving(failing()) as loopback, pytest.raises(EngineError, match="max_new_tokens: 512 leaves no room"):
        found(engine(loopback), items(2), max_new_tokens=GENERATION.max_model_tokens)


def test_server_chat_takes_no_raw_prompt() -> None:
    raw = Item("q", "sample", 0, "d", [{"role": RAW, "content": "Question: 1+1?"}])
    with serving(failing()) as loopback, pytest.raises(EngineError, match="api: completions"):
        found(engine(loopback), [raw])


@pytest.mark.parametrize(
    ("finish_reason", "expected"),
    [("length", ("length", 2)), ("content_filter", ("error", 2)), ("abort", ("error", None)), (None, ("error", None))],
)
def test_server_finish_reasons(finish_reason: str | None, expected: tuple[str, int | None]) -> None:
    with serving(lambda *_: answer("some", finish_reason, chat=True)) as loopback:
        (response,) = found(engine(loopback), items(1)).values()
    assert (response.finish_reason, response.n_tokens, response.text) == (*expected, "some")


def one_line(caught: pytest.ExceptionInfo[EngineError]) -> str:
    assert "\n" not in str(caught.value)
    return str(caught.value)


def until_fault(engine: ServerEngine, asked: list[Item]) -> tuple[list[tuple[str, str]], str]:
    """What came before the error, and the error."""
    given: list[tuple[str, str]] = []

    def take() -> None:
        for item, response in engine.generate(asked, DECODING, 1):
            given.append((item.query_id, response.finish_reason))

    with pytest.raises(EngineError) as caught:
        take()
    return given, one_line(caught)


def test_server_that_goes_down_hands_over_what_it_gave_and_stops() -> None:
    with serving(failing()) as loopback:
        asked = engine(loopback, concurrency=1, max_attempts=2)

        def handle(body: Body, n_before: int) -> Reply:
            if number(body) == 4:
                loopback.server.socket.close()  # no new connection from here on
                return Reply(200, {}, cut=True)
            return answer("r", chat=True)

        loopback.handle = handle
        given, told = until_fault(asked, items(9))
    assert given == [(f"q{i}", "stop") for i in range(4)]
    assert "is down" in told
    assert "failed in a row: 1, tried 2 times each" in told


def test_server_that_fails_everything_stops_after_a_few_error_rows() -> None:
    def handle(body: Body, n_before: int) -> Reply:
        return answer("r", chat=True) if number(body) < 4 else fault(500, "out of memory")

    with serving(handle) as loopback:
        given, told = until_fault(engine(loopback, concurrency=1, max_attempts=2), items(30))
    assert given[:4] == [(f"q{i}", "stop") for i in range(4)]
    assert [reason for _, reason in given[4:]] == ["error"] * (FAILURES_OF_A_DEAD_SERVER - 1)
    assert "out of memory" in told


def test_server_not_there_says_so_in_one_line() -> None:
    with serving(failing()) as loopback:
        pass
    with pytest.raises(EngineError, match="does not answer") as caught:
        engine(loopback, max_attempts=2)
    assert loopback.url in one_line(caught)


def test_server_of_another_rounds_model_is_refused() -> None:
    with serving(failing()) as loopback:
        with pytest.raises(EngineError, match=r"r2 is not served .* which has base, r1") as caught:
            engine(loopback, Path("models/r2"))
        fixed = GENERATION.server.model_copy(update={"url": loopback.url, "api": "chat", "model": "r1"})
        assert ServerEngine(GENERATION.model_copy(update={"server": fixed}), Path("models/r2"))
    assert one_line(caught)


def test_server_that_lists_no_models_is_believed() -> None:
    with serving(failing(), models=fault(404, "no list")) as loopback:
        assert len(found(engine(loopback, Path("models/r2")), items(2))) == 2


def test_server_params_that_it_refuses_end_the_stage_with_its_words() -> None:
    with (
        serving(lambda *_: fault(400, "unknown field top_k")) as loopback,
        pytest.raises(EngineError, match="refuses every request: 400 unknown field top_k") as caught,
    ):
        found(engine(loopback), items(9))
    assert one_line(caught)


@pytest.mark.parametrize("status", [302, 404])
def test_server_wrong_address_ends_the_stage_and_no_redirect_is_followed(status: int) -> None:
    with (
        serving(lambda *_: fault(status, "elsewhere", Location="/v1/models")) as loopback,
        pytest.raises(EngineError, match="no such path or model"),
    ):
        found(engine(loopback), items(2))


def test_server_key_is_sent_and_never_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "s3cret")
    caplog.set_level(logging.DEBUG)
    with serving(failing(fault(500, "key s3cret is odd"))) as loopback:
        asked = engine(loopback)
        found(asked, items(2))
        assert {headers["Authorization"] for headers in loopback.headers} == {"Bearer s3cret"}
        loopback.handle = lambda *_: fault(401, "wrong key s3cret")
        with pytest.raises(EngineError, match=r"refuses the key of DAST_SERVER_KEY \(401 wrong key \*\*\*\)"):
            found(asked, items(2))
    assert "s3cret" not in caplog.text


def test_server_completions_without_tokenizer_refused(tmp_path: Path) -> None:
    with serving(failing()) as loopback, pytest.raises(ModelError, match="no tokenizer") as caught:
        engine(loopback, tmp_path, api="completions")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://me:word@host/v1", "host:8000/v1", "http://host/v1/", "http://host/ v1"])
def test_server_url_with_password_or_out_of_form_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        Server(**{**GENERATION.server.model_dump(), "url": url})
